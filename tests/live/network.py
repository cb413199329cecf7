# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
Two network namespaces joined by a veth pair: the clients' and the servers'. The host's own network is not touched.
"""

import contextlib
import ctypes
import os
import re
import socket
import subprocess

PREFIX = "mtlsnoop-live-"
NAMESPACES = "/run/netns"
INTERFACE = "wire"
CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


def _ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


class Namespace:
    def __init__(self, side, address, address6):
        self.name = f"{PREFIX}{os.getpid()}-{side}"
        self.address = address
        self.address6 = address6
        _ip("netns", "add", self.name)

    def close(self):
        _ip("netns", "delete", self.name)

    def configure(self):
        self.ip("link", "set", "lo", "up")
        self.ip("address", "add", f"{self.address}/24", "dev", INTERFACE)
        self.ip("address", "add", f"{self.address6}/64", "dev", INTERFACE, "nodad")
        self.ip("link", "set", INTERFACE, "up")

    def ip(self, *arguments):
        _ip("-n", self.name, *arguments)

    def command(self, *arguments):
        """
        The command line that runs in the namespace and dies with this process. Not by `ip netns exec`: that hides the
        cgroup mounts.
        """
        enter = ["nsenter", f"--net={NAMESPACES}/{self.name}", "setpriv", "--pdeathsig", "KILL"]
        return [*enter, *map(str, arguments)]

    @contextlib.contextmanager
    def entered(self):
        """This thread's sockets are made in the namespace; they stay there."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        inside = os.open(f"{NAMESPACES}/{self.name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(inside)
            try:
                yield
            finally:
                _setns(home)
        finally:
            os.close(inside)
            os.close(home)

    def connect(self, address, port, timeout=5):
        with self.entered():
            return socket.create_connection((address, port), timeout)

    def listen(self, address, port):
        with self.entered():
            if address == "::":
                return socket.create_server((address, port), family=socket.AF_INET6, backlog=32, dualstack_ipv6=True)
            return socket.create_server((address, port), backlog=32)


def _process_exists(pid):
    return os.path.exists(f"/proc/{pid}")


def _remove_stale():
    """A run that was killed with SIGKILL could not remove its own."""
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(NAMESPACES):
            match = re.fullmatch(PREFIX + r"(\d+)-\w+", name)
            if match and not _process_exists(match[1]):
                _ip("netns", "delete", name)


class Network:
    def __init__(self, stack):
        """Torn down by stack, a contextlib.ExitStack."""
        _remove_stale()
        self.clients = Namespace("clients", "10.77.0.1", "fd77::1")
        stack.callback(self.clients.close)
        self.servers = Namespace("servers", "10.77.0.2", "fd77::2")
        stack.callback(self.servers.close)
        _ip("link", "add", INTERFACE, "netns", self.clients.name, "type", "veth",
            "peer", "name", INTERFACE, "netns", self.servers.name)
        self.addresses = {side.address for side in (self.clients, self.servers)}
        self.addresses |= {side.address6 for side in (self.clients, self.servers)}
        self.clients.configure()
        self.servers.configure()
