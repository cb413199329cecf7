# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Namespaces with real TLS endpoints and a router between them, the tracer on a device, and frames to send to one."""

import contextlib
import os
import pathlib
import re
import socket
import ssl
import struct
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path += [str(ROOT / "tests"), str(ROOT / "tests" / "kernel")]

import endpoints  # noqa: E402
from harness import PATIENCE, PROGRAM, Failure, expect  # noqa: E402
from truth import DECLINED, NOT_REQUESTED, PRESENTED, Tracer, Truth  # noqa: E402
from harness.namespaces import IPV4_NETWORK, Namespace  # noqa: E402

PROGRAMS = {"tcx": PROGRAM, "clsact": str(ROOT / "build" / "tests" / "without-tcx" / "mtlsnoop")}
NOBODY = 65534
CAP_NET_ADMIN = 1 << 12
ETH_P_ALL = 3
PLAIN_PORT, REQUEST_PORT = 4430, 4440
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

# (does the server ask, has the client a certificate): what the record must say
TRUTHS = {(False, False): NOT_REQUESTED, (True, False): DECLINED, (True, True): PRESENTED}


def truth_of(version, request, certificate):
    truth = TRUTHS[request, certificate]
    if version == "1.2":
        return truth
    return Truth(truth.client_auth, truth.requested, truth.answer, None, "1.3", "inferred")


def capabilities_of(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^CapEff:\t(\w+)", status, re.MULTILINE)[1], 16)


class DeviceTracer(Tracer):
    """mtlsnoop -i in a namespace."""

    def __init__(self, way, namespace, *options):
        super().__init__(*options, program=PROGRAMS[way], before=namespace.command())

    def _attached(self):
        """It gives up its privileges when it is attached."""
        if self.process.poll() is not None:
            raise Failure(f"exit status {self.process.returncode}")
        return self._user() == NOBODY

    def _user(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"^Uid:\t(\d+)", status, re.MULTILINE)[1])

    def children(self):
        """The one that attaches: others keep other capabilities."""
        listed = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in listed.split() if capabilities_of(pid) & CAP_NET_ADMIN]


class Net:
    """Client and server, and between them a router: c0 is its side of the client's network, s0 that of the server's."""

    def __init__(self, stack, keys):
        self._stack, self._port = stack, 20000
        self.client, self.router, self.server = (
            stack.enter_context(contextlib.closing(Namespace(name))) for name in ("client", "router", "server")
        )
        self.client_address, self.server_address = f"{IPV4_NETWORK}.66", f"{IPV4_NETWORK}.130"
        self.join("c0", self.client, f"{IPV4_NETWORK}.65", self.client_address)
        self.join("s0", self.server, f"{IPV4_NETWORK}.129", self.server_address)
        self.router.sysctl("net.ipv4.ip_forward", 1)
        self.client_contexts = {
            (version, certificate): endpoints.context(
                keys, False, certificate="client.crt" if certificate else None, version=VERSIONS[version]
            )
            for version in VERSIONS for certificate in (False, True)
        }  # fmt: skip
        self.ports = {}
        for number, version in enumerate(VERSIONS):
            for request in (False, True):
                port = self.ports[version, request] = (REQUEST_PORT if request else PLAIN_PORT) + number
                context = endpoints.context(keys, True, request=request, version=VERSIONS[version])
                server = endpoints.Server(self.server, "0.0.0.0", port, context)
                stack.callback(server.close)

    def join(self, device, end, router_address, end_address):
        """A veth pair, device in the router and v0 in end; may be called again after the device was deleted."""
        self.router.ip("link", "add", device, "type", "veth", "peer", "name", "v0", "netns", end.name)
        self.router.ip("addr", "add", f"{router_address}/26", "dev", device)
        self.router.ip("link", "set", device, "up")
        end.ip("addr", "add", f"{end_address}/26", "dev", "v0")
        end.ip("link", "set", "v0", "up")
        end.ip("route", "add", "default", "via", router_address)

    def shake_hands(self, version="1.2", request=True, certificate=True, address=None, client=None):
        self._port += 1
        source = (self.client_address if client is None else client[1]), self._port
        endpoints.connect(
            client[0] if client else self.client, (address or self.server_address, self.ports[version, request]),
            self.client_contexts[version, certificate], source,
        )  # fmt: skip
        return source

    def check(self, tracer, **how):
        """A handshake of each kind, and of each exactly one record, which is right."""
        wanted = {}
        for version in VERSIONS:
            for request, certificate in TRUTHS:
                source = self.shake_hands(version, request, certificate, **how)
                wanted[source] = truth_of(version, request, certificate)
        for source, truth in wanted.items():
            tracer.check(source, truth, ("observer",))
        tracer.wait_polled()
        expect({len(tracer.records(source)) for source in wanted}, {1}, "records of each handshake")


def ends_well(tracer):
    said = tracer.stop()
    expect(tracer.process.returncode, 0, f"exit status ({said})")
    for word in ("no room", "two CPUs", "no memory", "defect", "fell out"):
        if word in said:
            raise Failure(said)


def check_between(net, tracer, client, client_address, server, server_address):
    """One handshake with a request between two other namespaces."""
    context = next(iter(net.server_contexts))
    with contextlib.closing(endpoints.Server(server, server_address, 4490, context)):
        net._port += 1
        source = client_address, net._port
        endpoints.connect(client, (server_address, 4490), net.client_contexts["1.2", True], source)
        tracer.check(source, PRESENTED, ("observer",))
        tracer.wait_polled()
        expect(len(tracer.records(source)), 1, "records")


def record_frames(net):
    """The frames of a handshake as they pass the router: [(frame, source address and port)]."""
    with net.router.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as tap:
        tap.bind(("s0", ETH_P_ALL))
        tap.settimeout(0.3 * PATIENCE)
        source = net.shake_hands()
        frames = []
        with contextlib.suppress(TimeoutError):
            while True:
                frames.append(tap.recv(1 << 16))
    port = struct.pack("!H", source[1])
    return [frame for frame in frames if frame[12:14] == b"\x08\x00" and port in (frame[34:36], frame[36:38])], source


def behind(header):
    """Ethernet addresses, then this header, then the IP packet."""
    return lambda frame: frame[:12] + header + frame[14:]


def outer_ipv4(protocol, data):
    return struct.pack("!BBHHHBBH8s", 0x45, 0, 20 + len(data), 0, 0, 64, protocol, 0, bytes(8)) + data


MIRRORED = {
    "plain": lambda frame: frame,
    "VLAN": behind(bytes.fromhex("8100 0005 0800")),
    "QinQ": behind(bytes.fromhex("88a8 0007 8100 0005 0800")),
    "three tags": behind(bytes.fromhex("88a8 0007 8100 0005 8100 0006 0800")),
    "MPLS": behind(bytes.fromhex("8847 00010040 00011140")),
    "PPPoE": lambda frame: behind(struct.pack("!HHHHH", 0x8864, 0x1100, 1, len(frame) - 12, 0x0021))(frame),
    "IP in IP": lambda frame: frame[:14] + outer_ipv4(4, frame[14:]),
    "GRE": lambda frame: frame[:14] + outer_ipv4(47, bytes.fromhex("2000 0800 00000001") + frame[14:]),
    "padded": lambda frame: frame + b"\x16\x03\x03\x40" * 5,
}
