#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Random hostile segments to a real Linux TCP: the record never contradicts the bytes that the application read.

A client of our own sends the flight of one handshake (TLS 1.2 in cleartext) to a server behind a TUN device. Around the
flight's segments it sends forged ones, which spell the other answer: with a wrong checksum, an old timestamp, without ACK,
outside the window, as urgent data. The server prints no opinion: it reads its socket, and the Certificate message among
the bytes that recv() returns is the truth. The tracer's record of the connection must say the same, or unknown.

usage: oracle.py [SECONDS [SEED]]      prints the seed; a failure prints the plan of its connection
"""

import contextlib
import os
import random
import socket
import ssl
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

import endpoints  # noqa: E402
import packet  # noqa: E402
from harness import PROGRAM, HookTracer, cgroups, on_one_cpu  # noqa: E402
from harness.namespaces import IPV4_NETWORK, RTO_MIN, Namespace, Tun  # noqa: E402
from packet import ACK, PSH, SYN, URG  # noqa: E402
from peer import Peer, Wire, pieces  # noqa: E402

SERVER, CLIENT, PORT = f"{IPV4_NETWORK}.11", f"{IPV4_NETWORK}.12", 4433
SHORT_SECONDS = 20  # without an argument
BATCH = 40  # connections between two looks at the records
VERSION = b"\x03\x03"
CERTIFICATE, KEY_EXCHANGE, SUPPLEMENTAL_DATA = 11, 16, 23


def record(kind, data):
    return bytes([kind]) + VERSION + len(data).to_bytes(2, "big") + data


def message(kind, body):
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def certificates(*ders):
    listed = b"".join(len(der).to_bytes(3, "big") + der for der in ders)
    return message(CERTIFICATE, len(listed).to_bytes(3, "big") + listed)


HELLO = record(22, message(1, VERSION + bytes(range(32)) + b"\0\0\2\xc0\x2f\1\0"))
END = record(20, b"\1") + record(22, bytes(40))
EMPTY = certificates()


def client_flight(der):
    """The client's answer, with a certificate or none, up to Finished."""
    answer = certificates(der) if der else EMPTY
    return record(22, answer) + record(22, message(KEY_EXCHANGE, bytes([65]) + bytes(65))) + END


def server_flight(der):
    messages = (
        message(2, VERSION + bytes(32) + b"\0\xc0\x2f\0"),
        certificates(der),
        message(12, bytes(80)),
        message(13, b"\1\1\0\2\4\1\0\0"),
        message(14, b""),
    )
    return b"".join(record(22, one) for one in messages)


class Server:
    """Reads each connection to its end, as an application does. truth: by the client's port, what it read."""

    def __init__(self, namespace, flight):
        self._listener = namespace.listen(SERVER, PORT)
        self._flight = flight
        self.truth = {}
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, address = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection, address[1]), daemon=True).start()

    def _serve(self, connection, port):
        data = b""
        connection.settimeout(3)
        with contextlib.suppress(OSError), connection:
            while len(data) < len(HELLO):
                data += connection.recv(len(HELLO) - len(data))
            connection.sendall(self._flight)
            data = b""
            while answer_of(data) is None:
                received = connection.recv(65536)
                if not received:
                    break
                data += received
            self.truth[port] = answer_of(data) or "nothing"
            connection.sendall(END)
            connection.recv(100)

    def close(self):
        self._listener.close()


def answer_of(data):
    """What the client's flight says, once it is whole: presented, declined; other: no flight of TLS. Else None."""
    answer, at, changed = None, 0, False
    while len(data) - at >= 5:
        kind, length = data[at], int.from_bytes(data[at + 3 : at + 5], "big")
        if data[at + 1 : at + 3] != VERSION or kind not in (20, 22):
            return "other"
        body = data[at + 5 : at + 5 + length]
        if len(body) < length:
            return None
        if kind == 22 and changed:
            return answer or "other"
        changed = changed or kind == 20
        if kind == 22 and body[0] == CERTIFICATE and answer is None:
            answer = "declined" if body == EMPTY else "presented"
        at += 5 + length
    return None


# Ways to forge. Each sends bytes that TCP refuses, or that recv() leaves out.


def wrong_checksum(chance, peer, offset, data):
    peer.transmit(peer.segment(offset, data), spoil_checksum=True)


def without_ack(chance, peer, offset, data):
    peer.transmit(peer.segment(offset, data, PSH, acknowledgment=0))


def acknowledges_future(chance, peer, offset, data):
    ahead = (peer.remote_next + chance.choice((1 << 21, 1 << 30))) % packet.MODULUS
    peer.transmit(peer.segment(offset, data, acknowledgment=ahead))


def with_syn(chance, peer, offset, data):
    peer.transmit(peer.segment(offset - 1, data, SYN | ACK))


def behind_window(chance, peer, offset, data):
    peer.transmit(peer.segment(offset + chance.choice((80_000, 200_000, 1 << 22)), data))


def old_timestamp(chance, peer, offset, data):
    """PAWS, RFC 7323 section 5."""
    segment = peer.segment(offset, data)
    segment.options = packet.option_timestamps(peer._timestamps - 1000, peer._remote_timestamp)
    peer.transmit(segment)


FORGERIES = (wrong_checksum, without_ack, acknowledges_future, with_syn, behind_window, old_timestamp)


def send_pieces(chance, peer, base, data):
    """The flight in segments of random sizes, often out of order."""
    sizes, at = [], 0
    while at < len(data):
        size = chance.choice((1, 7, 40, 300, 1200))
        sizes.append((at, data[at : at + size]))
        at += size
    if chance.random() < 0.3:
        chance.shuffle(sizes)
    for offset, piece in sizes:
        peer.put(base + offset, piece)


def spell_urgent(chance, peer, der):
    """
    Urgent bytes, one to a segment, spell the other answer and the head of a record that takes up the real one. Returns
    the flight that follows.
    """
    if chance.random() < 0.5:
        flight = client_flight(None)
        fake = record(22, certificates(der))
    else:
        flight = client_flight(der)
        fake = record(22, EMPTY)
    hidden = len(certificates(der)) + 5 if flight != client_flight(None) else len(EMPTY) + 5
    fake += b"\x16" + VERSION + (hidden + 4).to_bytes(2, "big") + bytes([SUPPLEMENTAL_DATA]) + hidden.to_bytes(3, "big")
    for byte in fake[: chance.choice((len(fake), len(fake), chance.randrange(len(fake))))]:
        peer.put(peer.sent, bytes([byte]), ACK | PSH | URG, urgent=1)
        peer.wait_acknowledged(1)
    return flight


def forge_around(chance, peer, der, plan):
    """Forged segments before and among those of the flight."""
    certificate = chance.random() < 0.5
    flight, other = client_flight(der if certificate else None), client_flight(None if certificate else der)
    base = peer.sent
    if chance.random() < 0.6:
        plan.append("gap")
        peer.put(base + len(flight) - 1, flight[-1:])
    for _ in range(chance.randrange(1, 4)):
        forgery = chance.choice(FORGERIES)
        at = chance.choice((0, 0, 0, chance.randrange(len(other))))
        plan.append(f"{forgery.__name__} at {at}")
        for piece in pieces(other[at:], 1300):
            forgery(chance, peer, base + at, piece)
            at += len(piece)
    peer.sent = base
    return flight


def visit(chance, wire, port, der):
    """One connection. Returns what was done, in words."""
    plan = []
    with contextlib.closing(
        Peer(wire, (CLIENT, port), (SERVER, PORT), chance.randrange(packet.MODULUS), timestamps=1_000_000)
    ) as peer:
        peer.connect()
        peer.put(0, HELLO)
        peer.receive(lambda: peer.received.endswith(record(22, message(14, b""))) or peer.remote_ended, "the flight")
        peer.take_received()
        if chance.random() < 0.3:
            plan.append("urgent")
            flight = spell_urgent(chance, peer, der)
        else:
            flight = forge_around(chance, peer, der, plan)
        send_pieces(chance, peer, peer.sent, flight)
        peer.receive(lambda: peer.received or peer.remote_ended, "Finished", 1)
        peer.finish()
    return ", ".join(plan)


def judge(tracer, truth, plans):
    """Records that contradict what the application read, as texts, and how many records were unknown."""
    wrong, unknown, known = [], 0, 0
    for port, plan in plans.items():
        for one in tracer.records((CLIENT, port), "server"):
            said = one["mtls"]["client_auth"]
            if said in ("presented", "declined"):
                known += 1
                if said != truth.get(port):
                    wrong.append(f"port {port}: record {said}, the application read {truth.get(port)}: {plan}")
            else:
                unknown += 1
    return wrong, unknown, known


def run(seconds, seed, stack):
    chance = random.Random(seed)
    keys = endpoints.Keys(stack.enter_context(tempfile.TemporaryDirectory(prefix="mtlsnoop-oracle-")))
    der = ssl.PEM_cert_to_DER_cert(open(keys.path("client.crt")).read())
    cgroup = stack.enter_context(cgroups.own_cgroup("oracle"))
    tracer = stack.enter_context(HookTracer("--cgroup", str(cgroup), "-L", "off"))
    stack.enter_context(on_one_cpu())
    namespace = stack.enter_context(contextlib.closing(Namespace("oracle")))
    tun = Tun(namespace, addresses=[f"{SERVER}/32"], peers=[CLIENT], route_options=["rto_min", RTO_MIN])
    stack.enter_context(contextlib.closing(tun))
    wire = Wire(tun)
    wire.start()
    stack.callback(wire.stop)
    server = stack.enter_context(contextlib.closing(Server(namespace, server_flight(der))))
    port, totals, until = 10000, [0, 0, 0], time.monotonic() + seconds
    while time.monotonic() < until:
        plans = {}
        for _ in range(BATCH):
            port = 10000 if port > 60000 else port + 1
            server.truth.pop(port, None)
            with contextlib.suppress(TimeoutError, ConnectionError):
                plans[port] = "?"
                plans[port] = visit(chance, wire, port, der)
            wire.log.clear()
        tracer.wait_polled()
        time.sleep(0.3)
        wrong, unknown, known = judge(tracer, server.truth, plans)
        totals = [a + b for a, b in zip(totals, (len(plans), known, unknown))]
        if wrong:
            return "; ".join(wrong[:5]), totals
    return None, totals


def main():
    if os.geteuid() or not os.path.exists("/dev/net/tun") or not os.path.exists(PROGRAM):
        print("SKIP oracle: needs root, /dev/net/tun and the program")
        return 0
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else SHORT_SECONDS
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    name = "oracle: hostile segments, what the application read is the truth"
    with contextlib.ExitStack() as stack:
        wrong, (connections, known, unknown) = run(seconds, seed, stack)
    told = f"seed {seed}, {connections} connections, {known} known, {unknown} unknown"
    if not wrong and not known:
        wrong = "no record had a verdict"
    print(f"FAIL {name}: {wrong} ({told})" if wrong else f"PASS {name}: {told}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
