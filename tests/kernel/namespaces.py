# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Network namespaces, and what joins them: TUN devices that this process reads and writes, or a veth pair.

Sockets and TUN devices stay in the namespace in which they were made, so this one process holds all ends: a thread
enters a namespace (setns(2) works on the calling thread alone), makes its socket, and leaves again.
"""

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import subprocess

from harness import PATIENCE

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TUN = 0x0001
IFF_NO_PI = 0x1000

# A tracer sees all namespaces of the host: two runs of these tests at the same time must not have the same addresses.
IPV4_NETWORK = f"10.{os.getpid() >> 8 & 0xFF}.{os.getpid() & 0xFF}"
IPV6_NETWORK = f"fd97:{os.getpid() & 0xFFF | 0x1000:x}"

# Instead of the ordinary 200 ms. Where an acknowledgment takes longer, what was not lost comes twice, and other than it was cut.
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


class Namespace:
    def __init__(self, name):
        self.name = f"mtlsnoop-kernel-{os.getpid()}-{name}"
        run("ip", "netns", "add", self.name)
        # as an attribute: close() has to find it even if the rest fails
        self._fd = os.open(f"/run/netns/{self.name}", os.O_RDONLY | os.O_CLOEXEC)
        self.ip("link", "set", "lo", "up")
        # a TCP connection must not inherit the path's metrics from the one before: each case stands alone
        self.sysctl("net.ipv4.tcp_no_metrics_save", 1)

    def close(self):
        os.close(self._fd)
        run("ip", "netns", "del", self.name)

    @contextlib.contextmanager
    def entered(self):
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

    def ip(self, *arguments):
        return run("ip", "-n", self.name, *arguments)

    def tc(self, *arguments):
        return run("tc", "-n", self.name, *arguments)

    def sysctl(self, key, value):
        with self.entered(), open("/proc/sys/" + key.replace(".", "/"), "w") as setting:
            setting.write(str(value))

    def command(self, *arguments):
        """The command line that runs in the namespace."""
        return ["ip", "netns", "exec", self.name, *arguments]


class Tun:
    """A TUN device: what the namespace's kernel sends there is read from fd, what is written to fd it receives."""

    def __init__(self, namespace, name="tun0", addresses=(), peers=(), mtu=1500, route_options=()):
        with namespace.entered():
            self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            fcntl.ioctl(self.fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
        # no neighbour discovery or router solicitation among the packets
        namespace.sysctl(f"net.ipv6.conf.{name}.addr_gen_mode", 1)
        for address in addresses:
            namespace.ip("addr", "add", address, "dev", name, *(["nodad"] if ":" in address else []))
        # the device drops what the queue does not hold
        namespace.ip("link", "set", name, "mtu", str(mtu), "txqueuelen", "20000", "up")
        for peer in peers:
            namespace.ip("route", "add", peer, "dev", name, *route_options)

    def close(self):
        os.close(self.fd)


def join_by_veth(one, other, addresses_of_one, addresses_of_other):
    """A veth pair between two namespaces; addresses with prefix lengths."""
    one.ip("link", "add", "veth0", "type", "veth", "peer", "name", "veth0", "netns", other.name)
    for namespace, addresses in ((one, addresses_of_one), (other, addresses_of_other)):
        for address in addresses:
            namespace.ip("addr", "add", address, "dev", "veth0", *(["nodad"] if ":" in address else []))
        namespace.ip("link", "set", "veth0", "up")
