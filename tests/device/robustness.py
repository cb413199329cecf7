#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What no well-behaved peer sends, in front of both hooks: headers that cannot be, floods, streams that are nearly TLS.
The traffic passes unchanged, the tables stay bounded, and the handshakes beside it are judged as ever.

usage: robustness.py [-n HALF-OPEN-HANDSHAKES] [WORD...]     only the cases whose name contains one of the words
"""

import argparse
import collections
import contextlib
import hashlib
import os
import pathlib
import random
import re
import socket
import struct
import sys
import tempfile

from scene import ETH_P_ALL, DeviceTracer, Net, ends_well, record_frames

import endpoints  # scene.py says where these are
import packet
from harness import PROGRAM, Failure, Suite, expect
from truth import Tracer
from harness.namespaces import Namespace

HALF_OPEN = 5000  # everyday; the whole is 100,000
MUTATED = 6000
GIVEN_UP = {"unknown", "failed_before_request", "unanswered"}  # what may be said where nothing came to an end
ETHERNET = bytes.fromhex("020000000002 020000000001 0800")


class Port:
    """A veth pair in the router: what is sent to the one end, the device hook on the other (m1) receives."""

    def __init__(self, net):
        self._net = net
        net.router.ip("link", "add", "m0", "type", "veth", "peer", "name", "m1")
        for device in ("m0", "m1"):
            net.router.sysctl(f"net.ipv6.conf.{device}.addr_gen_mode", 1)
            net.router.ip("link", "set", device, "mtu", "60000", "up")
        self._socket = net.router.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._socket.bind(("m0", 0))

    def send(self, frame):
        self._socket.send(frame)

    def close(self):
        self._socket.close()
        self._net.router.ip("link", "del", "m0")


def mutations(frames, count, seed):
    """Frames of a handshake with bytes changed, cut or added: most of it in the headers."""
    rng = random.Random(seed)
    for _ in range(count):
        frame = bytearray(rng.choice(frames))
        for _ in range(rng.randrange(1, 4)):
            how = rng.randrange(4)
            if how == 0:
                value = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
                frame[rng.randrange(12, min(len(frame), 90))] = value
            elif how == 1 and len(frame) > 20:
                del frame[rng.randrange(15, len(frame)) :]
            elif how == 2:
                at = rng.randrange(14, min(len(frame), 70))
                frame[at:at] = rng.randbytes(rng.randrange(1, 12))
            else:
                frame[16:18] = struct.pack("!H", rng.choice((0, 1, 20, 39, 40, 1500, 65535)))
            if len(frame) < 16:
                frame += bytes(16 - len(frame))
        yield bytes(frame)


def malformed(net):
    """The headers of a handshake's frames, changed; beside them handshakes go on."""
    frames, _ = record_frames(net)
    with contextlib.closing(Port(net)) as port:
        with DeviceTracer("tcx", net.router, "-i", "m1", "-i", "c0") as tracer:
            for number, frame in enumerate(mutations(frames, MUTATED, 1)):
                port.send(frame)
                if number % (MUTATED // 3) == 0:
                    net.check(tracer)
            net.check(tracer)
            ends_well(tracer)
    return f"{MUTATED} frames"


def passes_unchanged(net):
    """Through a bridge with the hook on its ports and itself: what comes out is what went in, byte by byte."""
    frames, _ = record_frames(net)
    sent = [ETHERNET[:12] + frame[12:] for frame in mutations(frames, 1500, 2)]
    # a tag would be taken for one of the bridge's own; a frame longer than the devices take is dropped
    sent = [frame for frame in sent if frame[12:14] == b"\x08\x00" and len(frame) < 1500]
    with contextlib.ExitStack() as stack:
        bridge, one, other = (
            stack.enter_context(contextlib.closing(Namespace(name))) for name in ("u-bridge", "u-one", "u-other")
        )
        # where there is br_netfilter it drops what is no IP, with the hook or without
        with contextlib.suppress(OSError):
            bridge.sysctl("net.bridge.bridge-nf-call-iptables", 0)
        bridge.ip("link", "add", "br0", "type", "bridge")
        bridge.ip("link", "set", "br0", "up")
        for number, end in enumerate((one, other), 1):
            bridge.ip("link", "add", f"p{number}", "type", "veth", "peer", "name", "v0", "netns", end.name)
            bridge.ip("link", "set", f"p{number}", "master", "br0", "up")
            end.sysctl("net.ipv6.conf.v0.addr_gen_mode", 1)
            end.ip("link", "set", "v0", "up")
        with DeviceTracer("tcx", bridge, "-i", "any") as tracer:
            into = stack.enter_context(one.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
            into.bind(("v0", 0))
            out = stack.enter_context(other.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)))
            out.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
            out.bind(("v0", ETH_P_ALL))
            out.settimeout(5)
            received = []
            for frame in sent:
                into.send(frame)
                try:
                    while (data := out.recv(1 << 16))[:12] != ETHERNET[:12]:
                        pass
                except TimeoutError:
                    raise Failure(f"did not come out: {frame.hex()}") from None
                received.append(data)
            changed = sum(before != behind for before, behind in zip(sent, received))
            expect((len(received), changed), (len(sent), 0), "frames that came out, and those that were changed")
            ends_well(tracer)
    return f"{len(sent)} frames"


def client_segment(number, sequence, flags, payload=b"", server=False, acknowledgment=1):
    """A segment of connection number of a host that is not there, in an Ethernet frame."""
    ends = [("203.0.113.%d" % (number % 250 + 1), 1024 + number // 250), ("198.51.100.1", 443)]
    if server:
        ends.reverse()
    (source, source_port), (destination, destination_port) = ends
    segment = packet.Segment(
        source, destination, source_port, destination_port, sequence, acknowledgment, flags, 65535, b"", payload
    )
    (data,) = packet.ipv4(segment, packet.tcp(segment))
    return ETHERNET + data


def client_hello(net):
    return endpoints.MemoryTls(net.client_contexts["1.2", False]).step()


def opening(number):
    """SYN, SYN/ACK, ACK; sequence numbers begin at 1."""
    yield client_segment(number, 0, packet.SYN, acknowledgment=0)
    yield client_segment(number, 0, packet.SYN | packet.ACK, server=True)
    yield client_segment(number, 1, packet.ACK)


def half_open(net, count):
    """So many handshakes that stop behind the ClientHello; memory is bounded, and the others are judged."""
    hello = client_hello(net)
    with contextlib.closing(Port(net)) as port:
        with DeviceTracer("tcx", net.router, "-i", "m1", "-i", "c0") as tracer:
            net.check(tracer)
            before = memory_of(tracer)
            for number in range(count):
                for frame in opening(number):
                    port.send(frame)
                port.send(client_segment(number, 1, packet.ACK | packet.PSH, hello))
            tracer.wait_polled()
            grown = memory_of(tracer) - before
            table = 65536
            if count < table:
                net.check(tracer)
            # each is reported now
            said = tracer.stop(timeout=120)
            expect(tracer.process.returncode, 0, f"exit status ({said})")
    check_given_up(tracer, minimum=0 if count >= table else count)
    # a connection takes less than 4 KiB, and there are no more than the table holds
    if grown > min(count, table) * 4096 + (8 << 20):
        raise Failure(f"{count} handshakes took {grown >> 20} MiB")
    return f"{count} handshakes, {grown / min(count, table):.0f} bytes each"


def check_given_up(tracer, minimum=0):
    """Of connections of the host that is not there nothing may be said that was not seen."""
    verdicts = collections.Counter(
        record["mtls"]["client_auth"] for record in tracer.lines if record["source"]["ip"].startswith("203.0.113.")
    )
    wrong = {verdict: number for verdict, number in verdicts.items() if verdict not in GIVEN_UP}
    expect(wrong, {}, "verdicts of handshakes that came to no end")
    if verdicts.total() < minimum:
        raise Failure(f"{verdicts.total()} records of {minimum}")


def memory_of(tracer):
    status = pathlib.Path(f"/proc/{tracer.process.pid}/status").read_text()
    return int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)[1]) << 10


def syn_flood(net):
    """More SYNs than the table holds, each with data (RFC 9293 allows it), around handshakes."""
    with contextlib.closing(Port(net)) as port:
        with DeviceTracer("tcx", net.router, "-i", "m1", "-i", "c0", "--max-connections", "1024") as tracer:
            for number in range(5000):
                port.send(client_segment(number, number, packet.SYN, b"\x16\x03\x01\x40\x00\x01", acknowledgment=0))
                if number % 2500 == 1:
                    net.check(tracer)
            net.check(tracer)
            said = tracer.stop()
            expect(tracer.process.returncode, 0, f"exit status ({said})")
    check_given_up(tracer)


def record(content_type, data, length=None):
    return struct.pack("!BHH", content_type, 0x0303, len(data) if length is None else length) + data


def hostile_streams(net):
    """Name and bytes of a client's direction."""
    hello = client_hello(net)
    empty_message = b"\x0e\x00\x00\x00"
    yield "records of length 0", hello + record(22, b"") * 5000
    yield "a claim of 65,535 bytes", hello + record(22, b"\x0b\x00\xff\xfb" + bytes(60000), 65535)
    yield "a message of 16 MiB", hello + record(22, b"\x0b\xff\xff\xff" + bytes(12000)) * 4
    yield "messages of 4 bytes", hello + b"".join(record(22, empty_message * 4096) for _ in range(4))
    turn = record(20, b"\x01") + record(22, empty_message) + record(21, b"\x01\x00")
    yield "alternating content types", hello + turn * 2000
    yield "a header byte by byte of another", hello + record(22, b"\x0e") * 3000
    yield "ClientHello after ClientHello", hello * 100
    yield "nothing but 0x16", b"\x16" * 60000
    yield "no record is of this version", hello + b"\x16\x09\x09\x40\x00" * 5000


def on_the_device(net):
    """The streams as segments of 1400 bytes, each at a sequence number that wraps in the midst, with URG."""
    with contextlib.closing(Port(net)) as port:
        with DeviceTracer("tcx", net.router, "-i", "m1", "-i", "c0", "--handshake-timeout", "3") as tracer:
            for number, (_, stream) in enumerate(hostile_streams(net)):
                start = packet.MODULUS - len(stream) // 2
                port.send(client_segment(number, start - 1, packet.SYN, acknowledgment=0))
                port.send(client_segment(number, 0, packet.SYN | packet.ACK, server=True, acknowledgment=start))
                for at in range(0, len(stream), 1400):
                    flags = packet.ACK | packet.PSH | packet.URG
                    port.send(client_segment(number, (start + at) % packet.MODULUS, flags, stream[at : at + 1400]))
            net.check(tracer)
            ends_well(tracer)
    check_given_up(tracer)


def on_sockets(net):
    """The same streams between real sockets: what arrives is what was sent, whatever the socket hook makes of it."""
    digests = {}

    def serve(connection, _):
        digest = hashlib.sha256()
        while data := connection.recv(1 << 16):
            digest.update(data)
        digests[connection.getpeername()[1]] = digest.digest()

    server = endpoints.Server(net.server, net.server_address, 4495, None, serve=serve)
    with contextlib.closing(server), Tracer() as tracer:
        sources = []
        for name, stream in hostile_streams(net):
            with net.client.socket() as plain:
                plain.settimeout(20)
                plain.connect((net.server_address, 4495))
                source = plain.getsockname()
                plain.sendall(stream)
                plain.shutdown(socket.SHUT_WR)
                expect(plain.recv(1), b"", "the end")
            expect(digests[source[1]], hashlib.sha256(stream).digest(), f"SHA-256 of {name}")
            sources.append(source)
            good = net.shake_hands()
            expect([found["mtls"]["client_auth"] for found in tracer.wait(good, "server")], ["presented"], "beside it")
        said = tracer.stop()
        expect(tracer.process.returncode, 0, f"exit status ({said})")
    for source in sources:
        verdicts = {found["mtls"]["client_auth"] for found in tracer.records(source)}
        expect(verdicts - GIVEN_UP, set(), "verdicts of streams without a server")
    return f"{len(sources)} streams"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-n", type=int, default=HALF_OPEN)
    parser.add_argument("words", nargs="*")
    arguments = parser.parse_args()
    if os.geteuid() or not os.path.exists(PROGRAM):
        print("SKIP robustness: needs root, and the program built")
        return 0
    suite = Suite(arguments.words)
    with contextlib.ExitStack() as stack:
        keys = endpoints.Keys(stack.enter_context(tempfile.TemporaryDirectory(prefix="mtlsnoop-device-")))
        net = Net(stack, keys)
        suite.run("robustness: malformed headers", malformed, net)
        suite.run("robustness: a bridge passes all of it unchanged", passes_unchanged, net)
        suite.run("robustness: half-open handshakes", half_open, net, arguments.n)
        suite.run("robustness: SYN flood with data", syn_flood, net)
        suite.run("robustness: streams that are nearly TLS, on a device", on_the_device, net)
        suite.run("robustness: streams that are nearly TLS, on sockets", on_sockets, net)
    return 1 if suite.failed else 0


if __name__ == "__main__":
    sys.exit(main())
