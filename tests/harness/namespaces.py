# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Network namespaces, and links between them: TUN devices that this process reads and writes, or a veth pair.

Sockets and TUN devices stay in the namespace of their creation, so one process holds all ends: a thread enters a namespace
(setns(2) works on the calling thread alone), makes its socket, and leaves again.
"""

import contextlib
import ctypes
import fcntl
import os
import re
import socket
import struct
import subprocess

from .cases import PATIENCE

DIRECTORY = "/run/netns"
PREFIX = "mtlsnoop-test-"
CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TUN = 0x0001
IFF_NO_PI = 0x1000

# A tracer sees all namespaces of the host: two runs of these tests at the same time must not have the same addresses.
IPV4_NETWORK = f"10.{os.getpid() >> 8 & 0xFF}.{os.getpid() & 0xFF}"
IPV6_NETWORK = f"fd97:{os.getpid() & 0xFFF | 0x1000:x}"

# Instead of the ordinary 200 ms. If an acknowledgment takes longer, the sender repeats delivered bytes, cut differently.
RTO_MIN = f"{20 * PATIENCE}ms"

_libc = ctypes.CDLL(None, use_errno=True)


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout.strip()}")
    return done.stdout


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def own_network():
    """Move this process into a new network namespace with a loopback device."""
    if _libc.unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    run("ip", "link", "set", "lo", "up")


def remove_stale():
    """Remove the namespaces of runs that SIGKILL ended."""
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(DIRECTORY):
            match = re.fullmatch(PREFIX + r"(\d+)-[\w-]+", name)
            if match and not os.path.exists(f"/proc/{match[1]}"):
                run("ip", "netns", "del", name)


class Namespace:
    def __init__(self, name):
        self.name = f"{PREFIX}{os.getpid()}-{name}"
        run("ip", "netns", "add", self.name)
        # an attribute, because close() has to find the descriptor even if the rest fails
        self._fd = os.open(f"{DIRECTORY}/{self.name}", os.O_RDONLY | os.O_CLOEXEC)
        self.ip("link", "set", "lo", "up")
        # a TCP connection must not inherit the path's metrics from an earlier connection: each case stands alone
        self.sysctl("net.ipv4.tcp_no_metrics_save", 1)

    def close(self):
        os.close(self._fd)
        run("ip", "netns", "del", self.name)

    @contextlib.contextmanager
    def entered(self):
        """Sockets that this thread makes meanwhile are in the namespace, and stay there."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(self._fd)
            try:
                yield
            finally:
                _setns(home)
        finally:
            os.close(home)

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM, protocol=0):
        with self.entered():
            return socket.socket(family, kind, protocol)

    def connect(self, address, port, timeout=5):
        with self.entered():
            return socket.create_connection((address, port), timeout)

    def listen(self, address, port):
        with self.entered():
            if address == "::":
                return socket.create_server((address, port), family=socket.AF_INET6, backlog=32, dualstack_ipv6=True)
            return socket.create_server((address, port), backlog=32)

    def ip(self, *arguments):
        return run("ip", "-n", self.name, *arguments)

    def tc(self, *arguments):
        return run("tc", "-n", self.name, *arguments)

    def sysctl(self, key, value):
        with self.entered(), open("/proc/sys/" + key.replace(".", "/"), "w") as setting:
            setting.write(str(value))

    def command(self, *arguments):
        """The command line that runs in the namespace, with the namespace's own /sys; cgroup mounts are hidden."""
        return ["ip", "netns", "exec", self.name, *map(str, arguments)]

    def bound_command(self, *arguments):
        """The command line that runs in the namespace, sees the cgroup mounts, and dies with this process."""
        return ["nsenter", f"--net={DIRECTORY}/{self.name}", "setpriv", "--pdeathsig", "KILL", *map(str, arguments)]


class Tun:
    """A TUN device: packets that the namespace's kernel sends are read from fd, packets for the kernel are written to fd."""

    def __init__(self, namespace, name="tun0", addresses=(), peers=(), mtu=1500, route_options=()):
        with namespace.entered():
            self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            fcntl.ioctl(self.fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
        # no neighbour discovery or router solicitation among the packets
        namespace.sysctl(f"net.ipv6.conf.{name}.addr_gen_mode", 1)
        for address in addresses:
            namespace.ip("addr", "add", address, "dev", name, *(["nodad"] if ":" in address else []))
        # the device drops packets beyond its queue
        namespace.ip("link", "set", name, "mtu", str(mtu), "txqueuelen", "20000", "up")
        for peer in peers:
            namespace.ip("route", "add", peer, "dev", name, *route_options)

    def close(self):
        os.close(self.fd)


def join_by_veth(one, other, addresses_of_one, addresses_of_other, device="veth0"):
    """A veth pair between two namespaces; addresses with prefix lengths."""
    one.ip("link", "add", device, "type", "veth", "peer", "name", device, "netns", other.name)
    for namespace, addresses in ((one, addresses_of_one), (other, addresses_of_other)):
        for address in addresses:
            namespace.ip("addr", "add", address, "dev", device, *(["nodad"] if ":" in address else []))
        namespace.ip("link", "set", device, "up")
