# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A real TLS endpoint against a TCP peer of our own that sends segments as no well-behaved TCP does, but may."""

import contextlib
import os
import random
import socket
import threading
import time

import endpoints
import packet
from harness import PATIENCE, ROOT, Failure, Skip, expect, on_one_cpu
from truth import DECLINED, NOT_REQUESTED, PRESENTED
from harness.namespaces import IPV4_NETWORK, IPV6_NETWORK, RTO_MIN, Namespace, Tun
from peer import Peer, Wire, pieces, say_goodbye, send_plain, shake_hands

PLAIN_PORT, REQUEST_PORT, INLINE_PORT, SILENT_PORT = 4430, 4431, 4440, 4450
LAST_WORD_SECONDS = 2  # so long the tracer waits behind one side's FIN for what the other may still say

CONFIGURATIONS = {
    "not requested": (False, False, NOT_REQUESTED),
    "declined": (True, False, DECLINED),
    "presented": (True, True, PRESENTED),
}

# what a stranger would send to be believed: a fatal alert (handshake_failure) in cleartext, and more of them
FORGED = b"\x15\x03\x03\x00\x02\x02\x28" * 20


class Bench:
    """A namespace with servers, and the wire to its kernel."""

    KERNEL = {4: f"{IPV4_NETWORK}.11", 6: f"{IPV6_NETWORK}:1::1"}
    PEER = {4: f"{IPV4_NETWORK}.12", 6: f"{IPV6_NETWORK}:1::2"}

    def __init__(self, stack, keys, tracer, first_port):
        self.keys, self.tracer, self._stack = keys, tracer, stack
        stack.enter_context(on_one_cpu())
        self.namespace = stack.enter_context(contextlib.closing(Namespace("bench")))
        addresses = [f"{self.KERNEL[4]}/32", f"{self.KERNEL[6]}/128"]
        tun = Tun(self.namespace, addresses=addresses, peers=self.PEER.values(), route_options=["rto_min", RTO_MIN])
        stack.enter_context(contextlib.closing(tun))
        self.wire = Wire(tun)
        self.wire.start()
        stack.callback(self.wire.stop)
        # records are told apart by the client's address and port: none is used by two cases
        self._port = first_port
        # always the same, so that a failure comes back
        self.random = random.Random(1)
        self.server_contexts = {
            request: endpoints.context(keys, True, request=request) for request in (False, True)
        }
        self.client_contexts = {
            False: endpoints.context(keys, False),
            True: endpoints.context(keys, False, certificate="client.crt"),
        }
        inline = [(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)]
        for family in (4, 6):
            for request, port in ((False, PLAIN_PORT), (True, REQUEST_PORT)):
                self.serve(port, self.server_contexts[request], family)
        for request in (False, True):
            self.serve(INLINE_PORT + request, self.server_contexts[request], options=inline)

    def serve(self, port, context, family=4, **how):
        server = endpoints.Server(self.namespace, self.KERNEL[family], port, context, **how)
        self._stack.callback(server.close)
        return server

    def new_port(self):
        self._port += 1
        return self._port

    def peer(self, remote_port, family=4, isn=None, port=None, **how):
        """A peer that is to connect to a port of the kernel's."""
        isn = self.random.randrange(packet.MODULUS) if isn is None else isn
        local = self.PEER[family], port or self.new_port()
        return contextlib.closing(Peer(self.wire, local, (self.KERNEL[family], remote_port), isn, **how))

    def tls(self, configuration):
        return endpoints.MemoryTls(self.client_contexts[CONFIGURATIONS[configuration][1]])

    def keep(self, name, begin):
        directory = os.path.join(ROOT, "build", "tests", "kernel")
        os.makedirs(directory, exist_ok=True)
        path = os.path.join(directory, "".join(c if c.isalnum() else "-" for c in name) + ".pcap")
        with contextlib.closing(packet.PcapWriter(path)) as capture:
            for time, data in self.wire.log[begin:]:
                capture.write(time, data)
        return os.path.relpath(path, ROOT)


# Ways to send a flight: (peer, data), where the peer has sent all that came before.


def overlapping(peer, data):
    """Each segment begins with the latter half of the one before it."""
    base = peer.sent
    for at in range(0, len(data), 100):
        peer.put(base + max(at - 100, 0), data[max(at - 100, 0) : at + 100])


def backwards(size):
    def send(peer, data):
        base = peer.sent
        for at in reversed(range(0, len(data), size)):
            peer.put(base + at, data[at : at + size])

    return send


def coalesced(peer, data):
    """Every other segment is missing; then all of it comes again in large ones."""
    base = peer.sent
    for at in range(0, len(data), 100):
        if at // 100 % 2 == 0:
            peer.put(base + at, data[at : at + 100])
    for at in range(0, len(data), 1300):
        peer.put(base + at, data[at : at + 1300])


def other_boundaries(peer, data):
    """The first 50 bytes come last, in the middle of a retransmission cut otherwise."""
    base = peer.sent
    for at in range(50, len(data), 170):
        peer.put(base + at, data[at : at + 170])
    for at in range(0, len(data), 230):
        peer.put(base + at, data[at : at + 230])


def repeated(peer, data):
    """All of it once more, cut otherwise, after it was acknowledged."""
    base = peer.sent
    send_plain(peer, data, 500)
    peer.wait_acknowledged()
    for at in range(0, len(data), 230):
        peer.put(base + at, data[at : at + 230])


def around_a_gap(peer, data):
    """The segment that fills a gap begins before it and ends behind it."""
    base = peer.sent
    third = len(data) // 3
    peer.put(base, data[:third])
    peer.put(base + 2 * third, data[2 * third :])
    peer.put(base + third // 2, data[third // 2 : 2 * third + third // 2])


def keepalive(peer, data):
    """Between the segments, keep-alives of the old kind: a byte of garbage that was acknowledged (RFC 1122 4.2.3.6)."""
    for piece in pieces(data, 300):
        peer.put(peer.sent, piece)
        peer.wait_acknowledged()
        peer.put(peer.sent - 1, b"\x15")


def urgent(peer, data):
    """URG on each segment, its pointer at the last byte; the server reads it in line."""
    for piece in pieces(data, 300):
        peer.put(peer.sent, piece, packet.ACK | packet.PSH | packet.URG, urgent=len(piece))


def in_fragments(peer, data):
    """Each segment in fragments of IP."""
    for piece in pieces(data, 1000):
        peer.put(peer.sent, piece, fragment_size=64)


def behind(forge):
    """forge(peer, piece) sends what TCP does not take, before each piece of what it does."""

    def send(peer, data):
        for piece in pieces(data, 300):
            forge(peer, piece)
            peer.put(peer.sent, piece)

    return send


def forge_far(peer, _):
    """Numbers far outside the window, on both sides."""
    for offset in (-100000, -2000000, 2000000, 1 << 30, -(1 << 30)):
        peer.transmit(peer.segment(peer.sent + offset, FORGED))


def forge_far_end(peer, _):
    """FIN and RST with such numbers, and a RST within the window but not at its edge (RFC 5961 section 3.2)."""
    for offset in (-100000, 2000000, 1 << 30):
        peer.finish(peer.sent + offset)
        peer.reset(peer.sent + offset)
    peer.reset(peer.sent + 1000)


def forge_beyond_window(peer, _):
    """Behind the window, but not by far: TCP drops it, whatever comes there later counts."""
    peer.transmit(peer.segment(peer.sent + 200000, FORGED))


def forge_checksum(peer, piece):
    """The segment arrives damaged; the checksum tells."""
    damaged = bytes(byte ^ 0x20 for byte in piece)
    peer.transmit(peer.segment(peer.sent, damaged), spoil_checksum=True)


def forge_checksum_alert(peer, _):
    """A fatal alert in a segment whose checksum is wrong."""
    peer.transmit(peer.segment(peer.sent, FORGED), spoil_checksum=True)


def forge_without_ack(peer, _):
    """No ACK: not taken (RFC 9293 section 3.10.7.4, fifth)."""
    peer.transmit(peer.segment(peer.sent, FORGED, flags=packet.PSH))


def forge_acknowledgment(peer, _):
    """An acknowledgment of what was never sent: not taken (the same)."""
    peer.transmit(peer.segment(peer.sent, FORGED, acknowledgment=(peer.remote_next + (1 << 24)) % packet.MODULUS))


def forge_old_timestamp(peer, _):
    """A timestamp from before the last one: not taken (RFC 7323 section 5.3)."""
    options = packet.option_timestamps(1, 1)
    peer.transmit(peer.segment(peer.sent, FORGED, options=options))


# name: (way, further arguments of the peer, ports of the server)
WAYS = {
    "in order": (send_plain, {}),
    "overlapping segments": (overlapping, {}),
    "backwards": (backwards(300), {}),
    "backwards in segments of 7 bytes": (backwards(7), {}),
    "retransmission coalesced": (coalesced, {}),
    "retransmission cut otherwise": (other_boundaries, {}),
    "all repeated, cut otherwise": (repeated, {}),
    "a gap filled from both sides": (around_a_gap, {}),
    "keep-alives with a byte": (keepalive, {}),
    "IP fragments": (in_fragments, {}),
    "numbers far outside the window": (behind(forge_far), {}),
    "FIN and RST outside the window": (behind(forge_far_end), {}),
    "data behind the window": (behind(forge_beyond_window), {}),
}

# What a socket hook sees before TCP has looked at it: the record may be unknown, and must not be wrong.
FORGERIES = {
    "alert without ACK": (behind(forge_without_ack), {}),
    "alert that acknowledges too much": (behind(forge_acknowledgment), {}),
    # TCP does not take these, which shows when the bytes come again
    "damaged segments": (behind(forge_checksum), {}),
    "alert with a wrong checksum": (behind(forge_checksum_alert), {}),
    "alert with an old timestamp": (behind(forge_old_timestamp), {"timestamps": 1 << 20}),
}


def handshake_as_client(bench, configuration, way, family=4, port=None, **how):
    """The peer is the client. Returns the client's address and port."""
    request, _, _ = CONFIGURATIONS[configuration]
    remote_port = (PLAIN_PORT if port is None else port) + request
    with bench.peer(remote_port, family, **how) as peer:
        tls = bench.tls(configuration)
        peer.connect()
        shake_hands(peer, tls, way)
        say_goodbye(peer, tls)
        return peer.local


def handshake_as_server(bench, configuration, way, family=4, **how):
    """The peer is the server of a real client. Returns the client's address and port."""
    request, certificate, _ = CONFIGURATIONS[configuration]
    source = bench.KERNEL[family], bench.new_port()
    failed = []

    def connect(server):
        try:
            endpoints.connect(bench.namespace, server, bench.client_contexts[certificate], source)
        except OSError as error:
            failed.append(error)

    with bench.peer(0, family, **how) as peer:
        client = threading.Thread(target=connect, args=(peer.local,))
        client.start()
        peer.accept()
        tls = endpoints.MemoryTls(bench.server_contexts[request], server_side=True)
        shake_hands(peer, tls, way)
        peer.receive(lambda: peer.received or peer.remote_ended, "application data")
        tls.feed(peer.take_received())
        send_plain(peer, tls.write(tls.read()))
        peer.receive(lambda: peer.remote_ended, "the client's FIN")
        peer.finish()
        client.join()
    if failed:
        raise failed[0]
    return source


ROLES = {"client": (handshake_as_client, "server"), "server": (handshake_as_server, "client")}


def sent_so(bench, name, as_what, way, roles_truths, **how):
    """A handshake in each configuration whose flights the peer sends this way."""
    handshake, role = ROLES[as_what]
    for configuration in CONFIGURATIONS:
        begin = len(bench.wire.log)
        try:
            client = handshake(bench, configuration, way, **how)
            roles_truths(bench.tracer, client, role, CONFIGURATIONS[configuration][2])
        except (Failure, OSError) as error:
            kept = bench.keep(f"{name} {as_what} {configuration}", begin)
            raise Failure(f"{configuration}: {error} ({kept})") from None


def exactly(tracer, client, role, truth):
    tracer.check(client, truth, (role,))


def never_wrong(tracer, client, role, truth):
    """The record is right, or says that it cannot tell."""
    found = tracer.wait(client, role)
    expect(len(found), 1, "records")
    if found[0]["mtls"]["client_auth"] == "unknown":
        if found[0]["mtls"].get("requested") not in (None, truth.requested):
            raise Failure(f"requested {found[0]['mtls']['requested']!r}, expected {truth.requested!r} or not known")
    else:
        tracer.check(client, truth, (role,))


def wrapping(bench, as_what):
    """The sequence numbers wrap at different places of the handshake: in headers, in bodies, between segments."""
    handshake, role = ROLES[as_what]
    clients = []
    for before in [*range(0, 40), *range(40, 2000, 97)]:
        for way in (send_plain, backwards(300)):
            clients.append(handshake(bench, "presented", way, isn=packet.MODULUS - before))
    for client in clients:
        bench.tracer.check(client, PRESENTED, (role,))
    return f"{len(clients)} handshakes"


def ip_options(bench, family):
    # an option that does nothing (RFC 4727 section 3.4), and a hop-by-hop header of padding with it
    how = {"ipv4_options": b"\x01" * 4}
    if family == 6:
        padding = bytes(2) + b"\x01\x04" + bytes(4)
        experimental = bytes([0, 1, 0x1E, 12]) + bytes(12)
        how = {"ipv6_extensions": [(packet.HOP_BY_HOP, padding), (packet.DESTINATION, experimental)]}
    sent_so(bench, f"options {family}", "client", send_plain, exactly, family=family, **how)
    sent_so(bench, f"options {family}", "server", send_plain, exactly, family=family, **how)


def sticky_options(bench, family):
    """The same from the kernel: a socket that sends options of its own with each packet."""
    options = [(socket.IPPROTO_IP, socket.IP_OPTIONS, b"\x01" * 4)]
    if family == 6:
        padding = bytes(2) + b"\x01\x04" + bytes(4)
        options = [(socket.IPPROTO_IPV6, socket.IPV6_HOPOPTS, padding)]
        options.append((socket.IPPROTO_IPV6, socket.IPV6_DSTOPTS, padding))
    source = bench.KERNEL[family], bench.new_port()
    server = bench.KERNEL[family], REQUEST_PORT
    endpoints.connect(bench.namespace, server, bench.client_contexts[True], source, options)
    bench.tracer.check(source, PRESENTED)


def urgent_data(bench):
    sent_so(bench, "urgent", "client", urgent, exactly, port=INLINE_PORT)


# Handshakes that do not come to an end.


def judged(bench, client, role, allowed, requested):
    """The one record must be of the allowed verdicts, and requested one of these."""
    found = bench.tracer.wait(client, role)
    expect(len(found), 1, "records")
    mtls = found[0]["mtls"]
    if mtls["client_auth"] not in allowed or mtls.get("requested") not in requested:
        raise Failure(
            f"client_auth {mtls['client_auth']!r} ({mtls.get('reason')}), requested {mtls.get('requested')!r}, "
            f"expected one of {allowed} and {requested}"
        )
    return f"{mtls['client_auth']} {mtls.get('reason') or ''}".strip()


def first_flights(bench, peer, configuration):
    """ClientHello, and the server's answer; returns the client's next flight."""
    tls = bench.tls(configuration)
    peer.connect()
    send_plain(peer, tls.step())
    # the server's flight ends with ServerHelloDone, upon which the client has something to say
    flight = b""
    while not flight:
        peer.receive(lambda: peer.received, "the server's flight")
        tls.feed(peer.take_received())
        flight = tls.step()
    return flight


def gap_of_client(bench):
    """A segment of the client's second flight never comes, then FIN and RST."""
    with bench.peer(REQUEST_PORT) as peer:
        flight = first_flights(bench, peer, "presented")
        base = peer.sent
        peer.put(base + 100, flight[100:])
        peer.finish()
        peer.drain(0.05)
        peer.reset(base)
        return judged(bench, peer.local, "server", ("unknown", "unanswered"), (True,))


def gap_of_client_hello(bench):
    """The first bytes of ClientHello never come."""
    with bench.peer(REQUEST_PORT) as peer:
        peer.connect()
        hello = bench.tls("presented").step()
        peer.put(50, hello[50:])
        peer.finish()
        peer.drain(0.05)
        peer.reset(0)
        bench.tracer.wait(peer.local, "server", timeout=0.5)
        for record in bench.tracer.records(peer.local):
            expect(record["mtls"]["client_auth"] in ("unknown", "failed_before_request"), True, record["mtls"])


def kernel_client(bench, certificate, source, server):
    def connect():
        with contextlib.suppress(OSError):
            endpoints.connect(bench.namespace, server, bench.client_contexts[certificate], source, timeout=2)

    client = threading.Thread(target=connect)
    client.start()
    return client


def gap_of_server(bench, request):
    """The part of the server's flight that would hold CertificateRequest never comes, then FIN and RST."""
    source = bench.KERNEL[4], bench.new_port()
    with bench.peer(0) as peer:
        client = kernel_client(bench, True, source, peer.local)
        peer.accept()
        tls = endpoints.MemoryTls(bench.server_contexts[request], server_side=True)
        peer.receive(lambda: peer.received, "ClientHello")
        tls.feed(peer.take_received())
        flight = tls.step()
        # all but the end of ServerKeyExchange, CertificateRequest and the header of ServerHelloDone
        end = len(flight) - 4
        peer.put(0, flight[: end - 300])
        peer.put(end, flight[end:])
        peer.finish()
        peer.drain(0.05)
        peer.reset(end - 300)
        client.join()
        return judged(bench, source, "client", ("unknown", "failed_before_request"), (None,))


def reset_after(bench, configuration, what):
    """The client resets the connection after its ClientHello, or after the server's flight."""
    request, _, _ = CONFIGURATIONS[configuration]
    with bench.peer(PLAIN_PORT + request) as peer:
        if what == "ClientHello":
            peer.connect()
            # all but its last byte: the server cannot have answered
            peer.put(0, bench.tls(configuration).step()[:-1])
            peer.wait_acknowledged()
            peer.reset()
            return judged(bench, peer.local, "server", ("failed_before_request",), (None,))
        first_flights(bench, peer, configuration)
        peer.reset()
        allowed = ("unanswered",) if request else ("not_requested", "unknown", "failed_before_request")
        return judged(bench, peer.local, "server", allowed, (request,) if request else (False, None))


def reset_in_a_gap(bench):
    """With a gap open, a RST within the window but not at its edge: TCP does not take it; the gap is filled."""

    def send(peer, data):
        base = peer.sent
        peer.put(base + 50, data[50:])
        peer.reset(base + 20)
        peer.reset(base + 200)
        peer.put(base, data[:60])

    sent_so(bench, "reset in a gap", "client", send, exactly)


def reset_at_fin(bench):
    """
    Behind its FIN a peer that is gone resets with the number of the FIN, where it answers what was sent before that was there;
    TCP takes it. So the connection is over at once, and told of before another one whose FIN came earlier, and nothing else.
    """
    left = threading.Event()
    # one that neither answers nor closes
    bench.serve(SILENT_PORT, None, serve=lambda connection, context: left.wait(60 * PATIENCE))
    try:
        with bench.peer(SILENT_PORT) as waiting, bench.peer(SILENT_PORT) as gone:
            for peer in (waiting, gone):
                peer.connect()
                peer.put(0, bench.tls("presented").step()[:-1])
                peer.wait_acknowledged()
            began = time.monotonic()
            for peer in (waiting, gone):
                peer.finish()
                peer.wait_acknowledged()
            gone.reset(gone.sent - 1)
            took = time.monotonic() - began
            for peer in (waiting, gone):
                judged(bench, peer.local, "server", ("failed_before_request",), (None,))
            order = [record["source"]["port"] for record in list(bench.tracer.lines)
                     if record["source"]["port"] in (waiting.local[1], gone.local[1])]
    finally:
        left.set()
    if took > LAST_WORD_SECONDS / 2:
        raise Skip(f"the machine took {took:.1f} s for it: the order of the two says nothing")
    expect(order, [gone.local[1], waiting.local[1]], "ports of the clients, as they were told of")


def syn_repeated(bench, configuration, distance):
    """
    Behind the third ACK the SYN comes once more, or one with another number: the first that is seen with the server's own
    socket. TCP answers and leaves the connection as it was (RFC 5961 section 4.2).
    """
    request, _, truth = CONFIGURATIONS[configuration]
    with bench.peer(PLAIN_PORT + request) as peer:
        peer.connect()
        syn = peer.segment(distance - 1, flags=packet.SYN, acknowledgment=0, options=packet.option_mss(1400))
        peer.transmit(syn)
        tls = bench.tls(configuration)
        shake_hands(peer, tls)
        peer.transmit(syn)
        say_goodbye(peer, tls)
        exactly(bench.tracer, peer.local, "server", truth)


def forged_window_of_long_flight(bench):
    """Data behind the window, at numbers that a long flight of certificates comes to later."""
    chain = bench.keys.chain(90 * 1024)
    context = endpoints.context(bench.keys, False, certificate=chain, key="client.key")

    def send(peer, data):
        peer.transmit(peer.segment(peer.sent + 85000, FORGED * 5))
        for piece in pieces(data, 1400):
            peer.put(peer.sent, piece)
            peer.wait_acknowledged()

    with bench.peer(REQUEST_PORT) as peer:
        tls = endpoints.MemoryTls(context)
        peer.connect()
        shake_hands(peer, tls, send, timeout=10)
        say_goodbye(peer, tls)
        never_wrong(bench.tracer, peer.local, "server", PRESENTED)
        return bench.tracer.records(peer.local)[0]["mtls"]["client_auth"]


def run(suite, stack, keys, tracer):
    bench = Bench(stack, keys, tracer, 20000)
    for name, (way, how) in WAYS.items():
        for as_what in ROLES:
            suite.run(f"segments: {name}, from the {as_what}", sent_so, bench, name, as_what, way, exactly, **how)
    for name, (way, how) in FORGERIES.items():
        for as_what in ROLES:
            case = f"segments: {name}, from the {as_what}"
            suite.run(case, sent_so, bench, name, as_what, way, never_wrong, **how)
    for as_what in ROLES:
        suite.run(f"segments: sequence numbers wrap, from the {as_what}", wrapping, bench, as_what)
    suite.run("segments: RST in a gap", reset_in_a_gap, bench)
    suite.run("ends: RST where the FIN was", reset_at_fin, bench)
    for configuration in CONFIGURATIONS:
        suite.run(f"segments: SYN repeated, {configuration}", syn_repeated, bench, configuration, 0)
    suite.run("segments: SYN with another number", syn_repeated, bench, "presented", 5000)
    suite.run("segments: urgent data", urgent_data, bench)
    suite.run("segments: forged data at numbers that come later", forged_window_of_long_flight, bench)
    suite.run("segments: IPv4 options", ip_options, bench, 4)
    suite.run("segments: IPv6 extension headers", ip_options, bench, 6)
    suite.run("segments: IPv4 options of a socket", sticky_options, bench, 4)
    suite.run("segments: IPv6 extension headers of a socket", sticky_options, bench, 6)
    suite.run("segments: IPv6 fragments", sent_so, bench, "fragments", "client", in_fragments, exactly, family=6)
    suite.run("ends: a gap in the client's answer", gap_of_client, bench)
    suite.run("ends: a gap in ClientHello", gap_of_client_hello, bench)
    suite.run("ends: a gap where CertificateRequest is", gap_of_server, bench, True)
    suite.run("ends: a gap where CertificateRequest could be", gap_of_server, bench, False)
    for configuration in ("not requested", "presented"):
        for what in ("ClientHello", "the server's flight"):
            suite.run(f"ends: RST after {what}, {configuration}", reset_after, bench, configuration, what)
