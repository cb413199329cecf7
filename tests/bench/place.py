# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Where it is measured: a network namespace and a cgroup of this process alone, certificates, and a server."""

import contextlib
import ctypes
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from children import ROOT, Broken, Child

sys.path.append(str(ROOT / "tests"))
from harness.certificates import Certificates  # noqa: E402

CLONE_NEWNET = 0x40000000
CGROUP_PREFIX = "mtlsnoop-bench-"
ALGORITHMS = ("ecdsa", "rsa")
FIRST_PORT = 20001
SERVERS = 2

NGINX_MAIN = """daemon off;
master_process off;
pid {directory}/nginx-{index}.pid;
error_log {directory}/nginx-error.log crit;
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
	access_log off;
	client_body_temp_path {directory}/body;
	proxy_temp_path {directory}/proxy;
	fastcgi_temp_path {directory}/fastcgi;
	uwsgi_temp_path {directory}/uwsgi;
	scgi_temp_path {directory}/scgi;
	ssl_protocols TLSv1.2 TLSv1.3;
	ssl_client_certificate {certificates.authority};
	ssl_session_cache off;
	ssl_session_tickets off;
{listeners}}}
"""

NGINX_SERVER = """	server {{
		listen 127.0.0.1:{port} ssl reuseport;
		ssl_certificate {pair.certificate};
		ssl_certificate_key {pair.key};
		ssl_verify_client {verify};
	}}
"""


def _own_network():
    """This process's network is its own loopback device; it goes when the last process in it does."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def cgroup_root():
    """Where the cgroup v2 hierarchy is mounted: proc_pid_mountinfo(5)."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if " - cgroup2 " in line:
            return Path(line.split()[4])
    raise Broken("no cgroup v2 hierarchy is mounted")


def _cgroup_of_self(root):
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        if line.startswith("0::"):
            return root / line[3:].lstrip("/")
    raise Broken("this process is in no cgroup v2")


def _remove_stale_cgroups(root):
    """A run that was killed with SIGKILL could not remove its own."""
    for path in root.glob(CGROUP_PREFIX + "*"):
        if not os.path.exists(f"/proc/{path.name[len(CGROUP_PREFIX):]}"):
            with contextlib.suppress(OSError):
                path.rmdir()


def _join(cgroup):
    (cgroup / "cgroup.procs").write_text(str(os.getpid()))


def _leave(cgroup, home):
    _join(home)
    deadline = time.monotonic() + 5
    while True:
        try:
            return cgroup.rmdir()
        except OSError:  # a process that has ended leaves its cgroup a moment later
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _nginx_program():
    for path in (ROOT / "build" / "stacks" / "usr" / "sbin" / "nginx", Path("/usr/sbin/nginx")):
        if os.access(path, os.X_OK):
            return path
    raise Broken("nginx is not there: tests/unpack-packages build/stacks nginx nginx-common")


def _wait_for_port(port, child):
    deadline = time.monotonic() + 10
    while True:
        with contextlib.suppress(OSError):
            return socket.create_connection(("127.0.0.1", port)).close()
        if child.process.poll() is not None or time.monotonic() > deadline:
            raise Broken(f"nothing listens on port {port}")
        time.sleep(0.02)


class Place:
    """
    All traffic is between children of this process, on its own loopback device and in its own cgroup. mtlsnoop is
    attached to that cgroup, so that other traffic of the host is neither slowed down nor counted.
    """

    def __init__(self, stack):
        """Torn down by stack, a contextlib.ExitStack."""
        self.root = cgroup_root()
        home = _cgroup_of_self(self.root)
        _remove_stale_cgroups(self.root)
        self.cgroup = self.root / f"{CGROUP_PREFIX}{os.getpid()}"
        self.cgroup.mkdir()
        stack.callback(_leave, self.cgroup, home)
        _join(self.cgroup)
        _own_network()
        self.directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mtlsnoop-bench-")))
        self.certificates = Certificates(self.directory / "certificates")
        self.ports = {}  # of the server, by (algorithm of its key, whether it asks for a certificate)
        self.servers = []

    def start_servers(self, stack):
        """
        As many nginx as it takes to keep two CPUs busy, listening on the same ports. Each is one process: workers of a
        master that is killed would stay behind.
        """
        if self.servers:
            return
        program = _nginx_program()
        keys = [(algorithm, asks) for algorithm in ALGORITHMS for asks in (False, True)]
        self.ports = {key: FIRST_PORT + index for index, key in enumerate(keys)}
        listeners = "".join(
            NGINX_SERVER.format(port=port, pair=self.certificates.server[algorithm], verify="on" if asks else "off")
            for (algorithm, asks), port in self.ports.items())
        for index in range(SERVERS):
            configuration = self.directory / f"nginx-{index}.conf"
            configuration.write_text(NGINX_MAIN.format(directory=self.directory, certificates=self.certificates,
                                                       index=index, listeners=listeners))
            server = stack.enter_context(Child(program, "-p", self.directory, "-c", configuration,
                                               "-e", self.directory / "nginx-error.log"))
            self.servers.append(server.pid)
            _wait_for_port(FIRST_PORT, server)
