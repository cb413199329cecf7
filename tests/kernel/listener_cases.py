# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
First bytes that come before their connection has a socket, which the hook is shown with the listening one; and
connections that follow each other on the same addresses and ports.
"""

import contextlib
import socket
import threading

import endpoints
from harness import PATIENCE, Failure, expect, wait_until
from truth import PRESENTED, differences
from peer import pieces, say_goodbye, send_plain, shake_hands
from peer_cases import CONFIGURATIONS, PLAIN_PORT, REQUEST_PORT, Bench

DEFER_PORT, FASTOPEN_PORT, FULL_PORT, REUSE_PORT = 4461, 4463, 4465, 4467

TCPI_OPT_SYN_DATA = 32
# Linux: server side on, client side on, no cookie needed (Documentation/networking/ip-sysctl.rst)
FASTOPEN_BOTH, FASTOPEN_SERVER_WITHOUT_COOKIE = 3, 0x200


def finish_handshake(bench, peer, tls, truth):
    shake_hands(peer, tls)
    say_goodbye(peer, tls)
    bench.tracer.check(peer.local, truth, ("server",))


def third_ack_carries_hello(bench, configuration, sizes):
    """SYN, SYN/ACK, and then no ACK by itself: ClientHello, cut at these offsets, comes in its place."""
    request, _, truth = CONFIGURATIONS[configuration]
    with bench.peer(PLAIN_PORT + request) as peer:
        tls = bench.tls(configuration)
        peer.connect(acknowledge=False)
        hello = tls.step()
        for begin, end in sizes(len(hello)):
            peer.put(begin, hello[begin:end])
        finish_handshake(bench, peer, tls, truth)


# How ClientHello is cut, and in which order its pieces are sent.
CUTS = {
    "in one segment": lambda length: [(0, length)],
    "in two segments": lambda length: [(0, 60), (60, length)],
    "in two segments, the second one first": lambda length: [(60, length), (0, 60)],
    "its first three bytes alone": lambda length: [(0, 3), (3, length)],
    "twice, cut otherwise": lambda length: [(0, 60), (0, 90), (60, length), (0, length)],
}


class FullListener:
    """A server that accepts nothing until it is told, with its queue already full: data is dropped, and comes again."""

    # not 0: with more unanswered SYN/ACKs than this the kernel would turn to SYN cookies
    BACKLOG = 4

    def __init__(self, bench, context, port=FULL_PORT):
        self._gate = threading.Event()
        self._address = bench.KERNEL[4], port
        self._server = endpoints.Server(
            bench.namespace, *self._address, context, backlog=self.BACKLOG, before_accept=self._gate.wait
        )
        # the queue is full when it holds more than the backlog
        self._fillers = [bench.namespace.socket() for _ in range(self.BACKLOG + 1)]

    def fill(self):
        """To be called when the connections at test have their SYN/ACK: a full queue drops each SYN."""
        for filler in self._fillers:
            filler.settimeout(5 * PATIENCE)
            filler.connect(self._address)

    def open(self):
        self._gate.set()
        wait_until(lambda: self._server.accepted == len(self._fillers), "accepting what fills the queue")

    def close(self):
        self._gate.set()
        for filler in self._fillers:
            filler.close()
        self._server.close()


def queue_full(bench, together):
    """
    Two connections whose first bytes reach a listener with a full queue, alternating: kept with the listening socket
    they would mix. One shows a certificate, the other does not.
    """
    context = bench.server_contexts[True]
    with contextlib.closing(FullListener(bench, context)) as listener, contextlib.ExitStack() as stack:
        pairs = []
        for configuration in ("presented", "declined"):
            peer = stack.enter_context(bench.peer(FULL_PORT))
            peer.connect(acknowledge=False)
            pairs.append((peer, bench.tls(configuration), CONFIGURATIONS[configuration][2]))
        listener.fill()
        hellos = [tls.step() for _, tls, _ in pairs]
        cuts = [pieces(hello, 60) for hello in hellos]
        for number in range(max(map(len, cuts)) if together else 2):
            for (peer, _, _), cut in zip(pairs, cuts):
                if number < len(cut):
                    peer.put(60 * number, cut[number])
        for peer, _, _ in pairs:
            peer.drain(0.02)
            expect(peer.remote_acknowledged, 0, "bytes acknowledged while the queue was full")
        listener.open()
        # now that there is room: what was dropped comes again, of both in turn
        for number in range(max(map(len, cuts))):
            for (peer, _, _), cut in zip(pairs, cuts):
                if number < len(cut):
                    peer.put(60 * number, cut[number])
        for peer, tls, truth in pairs:
            finish_handshake(bench, peer, tls, truth)


def defer_accept(bench, configuration):
    """The third ACK alone makes no socket; the listener sees ClientHello. A real client, and the peer in pieces."""
    request, certificate, truth = CONFIGURATIONS[configuration]
    port = DEFER_PORT + request
    source = bench.KERNEL[4], bench.new_port()
    endpoints.connect(bench.namespace, (bench.KERNEL[4], port), bench.client_contexts[certificate], source)
    bench.tracer.check(source, truth)
    for cut in CUTS.values():
        with bench.peer(port) as peer:
            tls = bench.tls(configuration)
            peer.connect()
            hello = tls.step()
            for begin, end in cut(len(hello)):
                peer.put(begin, hello[begin:end])
            finish_handshake(bench, peer, tls, truth)


def fast_open_once(bench, configuration, source):
    """Returns whether the SYN carried data that the server took."""
    request, certificate, _ = CONFIGURATIONS[configuration]
    tls = endpoints.MemoryTls(bench.client_contexts[certificate])
    with bench.namespace.socket() as plain:
        plain.bind(source)
        hello = tls.step()
        # blocking: without a cookie it sends a plain SYN first, and waits for the answer
        sent = plain.sendto(hello, socket.MSG_FASTOPEN, (bench.KERNEL[4], FASTOPEN_PORT + request))
        plain.settimeout(5 * PATIENCE)
        plain.sendall(hello[sent:])
        endpoints.shake_hands_with(tls, plain, lambda connection, data: connection.sendall(data))
        options = plain.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)[5]
        plain.sendall(tls.write(b"ping"))
        plain.recv(100)
    return bool(options & TCPI_OPT_SYN_DATA)


def fast_open(bench, configuration):
    """The first connection fetches the cookie, those after it send ClientHello with the SYN."""
    truth = CONFIGURATIONS[configuration][2]
    taken = []
    for _ in range(3):
        source = bench.KERNEL[4], bench.new_port()
        taken.append(fast_open_once(bench, configuration, source))
        bench.tracer.check(source, truth)
    if not any(taken):
        raise Failure("no SYN carried data: TCP Fast Open did not take place")
    return f"{sum(taken)} of {len(taken)} with data in the SYN"


def hello_in_syn(bench, configuration, port, rest, taken):
    """
    The SYN of the peer carries the first half of ClientHello, or all of it. taken: whether the server is one that
    takes it; one that does not gets it again, cut otherwise.
    """
    request, _, truth = CONFIGURATIONS[configuration]
    with bench.peer(port + request) as peer:
        tls = bench.tls(configuration)
        hello = tls.step()
        in_syn = hello[: len(hello) // 2] if rest else hello
        peer.send_syn(in_syn)
        peer.receive(lambda: peer.remote_isn is not None or peer.remote_ended, "SYN, ACK")
        expect(peer.remote_acknowledged, len(in_syn) if taken else 0, "bytes of the SYN that were taken")
        peer.sent = peer.remote_acknowledged
        if not taken:
            peer.acknowledge()
        for piece in pieces(hello[peer.sent :], 70):
            peer.put(peer.sent, piece)
        peer.acknowledge()
        finish_handshake(bench, peer, tls, truth)


def hello_in_syn_twice(bench, configuration):
    """SYN with ClientHello, SYN/ACK lost, SYN again without data (RFC 7413 section 4.2), the data once more."""
    request, _, truth = CONFIGURATIONS[configuration]
    with bench.peer(FASTOPEN_PORT + request) as peer:
        tls = bench.tls(configuration)
        hello = tls.step()
        peer.send_syn(hello)
        peer.send_syn()
        peer.receive(lambda: peer.remote_isn is not None, "SYN, ACK")
        peer.put(0, hello)
        finish_handshake(bench, peer, tls, truth)


def syn_cookies(bench, configuration):
    """The listener keeps nothing of a SYN: all that comes before the socket is shown with it."""
    request, _, truth = CONFIGURATIONS[configuration]
    bench.namespace.sysctl("net.ipv4.tcp_syncookies", 2)
    try:
        for cut in ("in one segment", "in two segments", "its first three bytes alone"):
            third_ack_carries_hello(bench, configuration, CUTS[cut])
        with bench.peer(PLAIN_PORT + request) as peer:
            tls = bench.tls(configuration)
            peer.connect()
            finish_handshake(bench, peer, tls, truth)
    finally:
        bench.namespace.sysctl("net.ipv4.tcp_syncookies", 1)


# Connections of the same addresses and ports, one after the other.


class Turns:
    """A server whose next connections get these contexts."""

    def __init__(self, bench, requests, port=REUSE_PORT):
        contexts = iter([bench.server_contexts[request] for request in requests])
        self._server = endpoints.Server(bench.namespace, bench.KERNEL[4], port, lambda: next(contexts))

    def close(self):
        self._server.close()


ORDER = ["presented", "not requested", "declined", "not requested", "presented", "declined"]


def check_turns(bench, client, role, order):
    bench.tracer.wait(client, role, len(order))
    found = [record["mtls"]["client_auth"] for record in bench.tracer.records(client, role)]
    expect(found, [CONFIGURATIONS[configuration][2].client_auth for configuration in order], f"verdicts as {role}")


def reuse(bench, end, early):
    """The peer shakes hands again and again from the same port. early: ClientHello comes in place of the third ACK."""
    port = bench.new_port()
    isn = 1000
    with contextlib.closing(Turns(bench, [CONFIGURATIONS[name][0] for name in ORDER])):
        for configuration in ORDER:
            # higher each time: so a server in TIME-WAIT takes it (RFC 6191)
            isn += 10_000_000
            with bench.peer(REUSE_PORT, isn=isn, port=port) as peer:
                tls = bench.tls(configuration)
                peer.connect(acknowledge=not early)
                shake_hands(peer, tls)
                leave(peer, tls, end)
        check_turns(bench, (bench.PEER[4], port), "server", ORDER)


def leave(peer, tls, end):
    send_plain(peer, tls.write(b"ping"))
    peer.receive(lambda: peer.received, "the echo")
    if end == "RST":
        peer.reset()
    elif end == "server in TIME-WAIT":
        # the server is told to close, and closes first
        send_plain(peer, tls.close_notify())
        peer.receive(lambda: peer.remote_ended, "the server's FIN")
        peer.finish()
        peer.drain(0.01)
    else:
        peer.finish()
        peer.receive(lambda: peer.remote_ended, "the server's FIN")


def reuse_of_abandoned(bench):
    """A connection that ended with half a ClientHello at a full listener; then another on the same ports."""
    port = bench.new_port()
    with contextlib.closing(FullListener(bench, bench.server_contexts[True])) as listener:
        with bench.peer(FULL_PORT, isn=5000, port=port) as peer:
            peer.connect(acknowledge=False)
            listener.fill()
            peer.put(0, bench.tls("declined").step()[:80])
            peer.drain(0.02)
            # at the byte that the server expects: it has dropped what came
            peer.reset(0)
        listener.open()
        with bench.peer(FULL_PORT, isn=5000, port=port) as peer:
            tls = bench.tls("presented")
            peer.connect(acknowledge=False)
            shake_hands(peer, tls)
            say_goodbye(peer, tls)
    # the first one may have a record of its own, as a handshake that ended where it did
    found = bench.tracer.wait(peer.local, "server", 2)
    expect([record["mtls"]["client_auth"] for record in found[:-1]] in ([], ["failed_before_request"]), True, "first")
    wrong = differences(found[-1], PRESENTED)
    if wrong:
        raise Failure("; ".join(wrong))


def reuse_by_kernel(bench):
    """A real client that binds the same port again and again, and ends each connection with RST."""
    source = bench.KERNEL[4], bench.new_port()
    linger = [(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")]
    with contextlib.closing(Turns(bench, [CONFIGURATIONS[name][0] for name in ORDER])):
        for number, configuration in enumerate(ORDER):
            context = bench.client_contexts[CONFIGURATIONS[configuration][1]]
            endpoints.connect(bench.namespace, (bench.KERNEL[4], REUSE_PORT), context, source, linger)
            bench.tracer.wait(source, "server", number + 1)
        for role in ("client", "server"):
            check_turns(bench, source, role, ORDER)


def many_early(bench):
    """Fifty connections whose ClientHellos come in pieces to a listener that defers, all mixed."""
    with contextlib.ExitStack() as stack:
        mixed = []
        for number in range(50):
            configuration = ("presented", "declined")[number % 2]
            peer = stack.enter_context(bench.peer(REQUEST_PORT))
            peer.connect(acknowledge=False)
            mixed.append((peer, bench.tls(configuration), CONFIGURATIONS[configuration][2]))
        hellos = [pieces(tls.step(), 50) for _, tls, _ in mixed]
        for number in range(max(map(len, hellos))):
            for (peer, _, _), hello in zip(mixed, hellos):
                if number < len(hello):
                    peer.put(50 * number, hello[number])
        for peer, tls, truth in mixed:
            finish_handshake(bench, peer, tls, truth)


def run(suite, stack, keys, tracer):
    bench = Bench(stack, keys, tracer, 40000)
    bench.namespace.sysctl("net.ipv4.tcp_fastopen", FASTOPEN_BOTH)
    for request in (False, True):
        context = bench.server_contexts[request]
        bench.serve(DEFER_PORT + request, context, options=[(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 5)])
        bench.serve(FASTOPEN_PORT + request, context, options=[(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)])
    for configuration in CONFIGURATIONS:
        for name, cut in CUTS.items():
            case = f"listener: third ACK lost, ClientHello {name}, {configuration}"
            suite.run(case, third_ack_carries_hello, bench, configuration, cut)
        suite.run(f"listener: TCP_DEFER_ACCEPT, {configuration}", defer_accept, bench, configuration)
        suite.run(f"listener: SYN cookies, {configuration}", syn_cookies, bench, configuration)
        suite.run(f"listener: TCP Fast Open, {configuration}", fast_open, bench, configuration)
    suite.run("listener: full queue, two connections mixed", queue_full, bench, True)
    suite.run("listener: full queue, the beginnings of two connections", queue_full, bench, False)
    suite.run("listener: fifty connections mixed", many_early, bench)
    bench.namespace.sysctl("net.ipv4.tcp_fastopen", FASTOPEN_BOTH | FASTOPEN_SERVER_WITHOUT_COOKIE)
    for configuration in CONFIGURATIONS:
        for rest in (False, True):
            part = "half of ClientHello" if rest else "ClientHello"
            case = f"listener: {part} in the SYN, {configuration}"
            suite.run(case, hello_in_syn, bench, configuration, FASTOPEN_PORT, rest, True)
            case = f"listener: {part} in the SYN to a server that does not take it, {configuration}"
            suite.run(case, hello_in_syn, bench, configuration, PLAIN_PORT, rest, False)
        suite.run(f"listener: SYN with ClientHello repeated, {configuration}", hello_in_syn_twice, bench, configuration)
    for end in ("RST", "FIN", "server in TIME-WAIT"):
        suite.run(f"reuse: same ports after {end}", reuse, bench, end, False)
        suite.run(f"reuse: same ports after {end}, third ACK lost", reuse, bench, end, True)
    suite.run("reuse: same ports after half a ClientHello at the listener", reuse_of_abandoned, bench)
    suite.run("reuse: a real client on the same port", reuse_by_kernel, bench)
