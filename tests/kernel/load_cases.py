# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Many handshakes, large packets, a reader that falls behind, and what is left when the tracer starts late or dies."""

import asyncio
import contextlib
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import threading

import endpoints
from harness.cgroups import cgroup_root, own_cgroup, remove_cgroup
from harness import PATIENCE, PROGRAM, Failure, expect, wait_until
from truth import PRESENTED, Tracer, differences
from harness.namespaces import IPV4_NETWORK, Namespace, join_by_veth
from path_cases import CONFIGURATIONS, PLAIN_PORT, REQUEST_PORT

# the tracer gives up a handshake that has stood still for a minute
CROWD = 500 // PATIENCE
BULK_MB = 32 // PATIENCE
BULK_PORT, LONG_PORT = 4480, 4481
ETH_P_ALL = 0x0003


class Pair:
    """Two namespaces joined by a veth pair, with the servers of path_cases."""

    CLIENT, SERVER = f"{IPV4_NETWORK}.21", f"{IPV4_NETWORK}.22"

    def __init__(self, stack, keys):
        self.keys, self._stack, self._port = keys, stack, 20000
        self.client = stack.enter_context(contextlib.closing(Namespace("client")))
        self.server = stack.enter_context(contextlib.closing(Namespace("server")))
        join_by_veth(self.client, self.server, [f"{self.CLIENT}/24"], [f"{self.SERVER}/24"])
        self.client_contexts = {
            False: endpoints.context(keys, False),
            True: endpoints.context(keys, False, certificate="client.crt"),
        }
        self.server_contexts = {request: endpoints.context(keys, True, request=request) for request in (False, True)}
        self.serve(PLAIN_PORT, self.server_contexts[False])
        self.serve(REQUEST_PORT, self.server_contexts[True])
        self.serve(BULK_PORT, None, serve=serve_digest)

    def serve(self, port, context, **how):
        server = endpoints.Server(self.server, self.SERVER, port, context, **how)
        self._stack.callback(server.close)
        return server

    def new_source(self):
        self._port += 1
        return self.CLIENT, self._port

    def shake_hands(self, configuration):
        port, certificate, _ = CONFIGURATIONS[configuration]
        source = self.new_source()
        endpoints.connect(self.client, (self.SERVER, port), self.client_contexts[certificate], source)
        return source

    def shake_hands_and_check(self, tracer):
        """One of each kind, with records that must be right."""
        for configuration, (_, _, truth) in CONFIGURATIONS.items():
            tracer.check(self.shake_hands(configuration), truth)


def serve_digest(connection, _):
    """Read all that comes, and answer with its SHA-256."""
    digest = hashlib.sha256()
    while data := connection.recv(1 << 16):
        digest.update(data)
    connection.sendall(digest.digest())


def send_bulk(pair, megabytes):
    """Send so much, and compare what the receiver makes of it."""
    digest = hashlib.sha256()
    with pair.client.socket() as plain:
        plain.settimeout(30 * PATIENCE)
        plain.connect((pair.SERVER, BULK_PORT))
        for number in range(megabytes):
            # no two parts alike, so that none can be lost, repeated or moved unseen
            block = hashlib.shake_128(number.to_bytes(4, "big")).digest(1 << 20)
            digest.update(block)
            plain.sendall(block)
        plain.shutdown(socket.SHUT_WR)
        received = plain.recv(64, socket.MSG_WAITALL)
    expect(received, digest.digest(), "SHA-256 of what arrived")


# Many at once


class Crowd(asyncio.Protocol):
    """The client's side of one of many connections: it says something once the handshake is complete."""

    def __init__(self, finished):
        self._finished = finished

    def connection_made(self, transport):
        self._transport = transport
        transport.write(b"ping")

    def data_received(self, _):
        self._transport.close()

    def connection_lost(self, error):
        if not self._finished.done():
            self._finished.set_result(error)


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self._transport = transport

    def data_received(self, data):
        self._transport.write(data)


class CrowdServer:
    """An event loop with servers, in a thread of its own."""

    def __init__(self, pair, ports):
        self._loop = asyncio.new_event_loop()
        listeners = []
        for port, context in ports.items():
            listener = pair.server.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((pair.SERVER, port))
            listener.listen(2 * CROWD)
            listeners.append(self._loop.create_server(Echo, sock=listener, ssl=context, backlog=2 * CROWD))
        self._servers = [self._loop.run_until_complete(listener) for listener in listeners]
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def close(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        for server in self._servers:
            server.close()
        self._loop.run_until_complete(asyncio.sleep(0.1))
        self._loop.close()


async def shake_hands_at_once(connections):
    """connections: [(connected socket, context)]. Returns how many failed."""
    loop = asyncio.get_running_loop()

    async def one(plain, context):
        finished = loop.create_future()
        await loop.create_connection(
            lambda: Crowd(finished), sock=plain, ssl=context, server_hostname="", ssl_handshake_timeout=60 * PATIENCE
        )
        return await asyncio.wait_for(finished, 60 * PATIENCE)

    results = await asyncio.gather(*(one(*connection) for connection in connections), return_exceptions=True)
    return [result for result in results if result is not None]


def crowd(pair):
    """All connections are open before the first ClientHello is sent."""
    ports = {PLAIN_PORT + 20: pair.server_contexts[False], REQUEST_PORT + 20: pair.server_contexts[True]}
    kinds = ["not requested", "presented", "not requested", "declined"]
    with contextlib.closing(CrowdServer(pair, ports)), Tracer() as tracer:
        connections, truths = [], {}
        for number in range(CROWD):
            port, certificate, truth = CONFIGURATIONS[kinds[number % len(kinds)]]
            plain = pair.client.socket()
            source = pair.new_source()
            plain.bind(source)
            plain.connect((pair.SERVER, port + 20))
            plain.setblocking(False)
            connections.append((plain, pair.client_contexts[certificate]))
            truths[source] = truth
        failed = asyncio.run(shake_hands_at_once(connections))
        expect(len(failed), 0, f"handshakes that failed ({failed[:2]})")
        return count_right(tracer, truths)


def count_right(tracer, truths):
    wrong = []
    for source, truth in truths.items():
        try:
            tracer.check(source, truth)
        except Failure as failure:
            wrong.append(str(failure))
    said = tracer.stop()
    if wrong:
        raise Failure(f"{len(wrong)} of {len(truths)} connections: {'; '.join(wrong[:2])} ({said})")
    expect(len(tracer_records_of(tracer, truths)), 2 * len(truths), "records")
    return f"{2 * len(truths)} records"


def tracer_records_of(tracer, sources):
    return [record for source in sources for record in tracer.records(source)]


# Large packets


def large_packets(pair):
    """Both sides' flights are some ten kilobytes, sent at once: the device takes them as one packet (GSO)."""
    chain = pair.keys.chain(40 * 1024)
    server = endpoints.context(pair.keys, True, request=True, certificate=chain, key="client.key")
    client = endpoints.context(pair.keys, False, certificate=chain, key="client.key")
    pair.serve(LONG_PORT, server)
    client.verify_mode = 0
    for namespace in (pair.client, pair.server):
        # where answers take their time, TCP would send two segments at once
        namespace.sysctl("net.ipv4.tcp_min_tso_segs", 16)
    with Tracer() as tracer, pair.server.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as tap:
        tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        tap.bind(("veth0", ETH_P_ALL))
        source = pair.new_source()
        endpoints.connect(pair.client, (pair.SERVER, LONG_PORT), client, source)
        tracer.check(source, PRESENTED)
        longest = {"sent": 0, "received": 0}
        tap.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                data, address = tap.recvfrom(1 << 17)
                way = "sent" if address[2] == socket.PACKET_OUTGOING else "received"
                longest[way] = max(longest[way], len(data))
        for way, length in longest.items():
            if length < 9000:
                raise Failure(f"longest packet {way} {length} bytes: no GSO took place")
        return f"packets of {longest['received']} and {longest['sent']} bytes"


# A reader that falls behind


def is_right_or_unknown(record, truth):
    mtls = record["mtls"]
    if mtls["client_auth"] == "unknown" and mtls["reason"] == "lost_events":
        return mtls.get("requested") in (None, truth.requested)
    return not differences(record, truth)


def loss(pair):
    """The reader is stopped, and the smallest ring buffer fills up."""
    kinds = list(CONFIGURATIONS)
    with Tracer("--buffer", "64K") as tracer:
        pair.shake_hands_and_check(tracer)
        half = HalfHandshake(pair)
        tracer.wait_polled()
        tracer.process.send_signal(signal.SIGSTOP)
        truths = {}
        for number in range(60):
            configuration = kinds[number % len(kinds)]
            truths[pair.shake_hands(configuration)] = CONFIGURATIONS[configuration][2]
        half.finish()
        truths[half.source] = PRESENTED
        tracer.process.send_signal(signal.SIGCONT)
        tracer.wait_polled()
        pair.shake_hands_and_check(tracer)
        half.close()
        said = tracer.stop()
        records = {source: tracer.records(source) for source in truths}
        return judge_losses(records, truths, half.source, said)


def judge_losses(records, truths, half, said):
    unknown = 0
    for source, found in records.items():
        for record in found:
            if not is_right_or_unknown(record, truths[source]):
                wrong = "; ".join(differences(record, truths[source]))
                raise Failure(f"{source}: {wrong}, reason {record['mtls']['reason']}")
            unknown += record["mtls"]["client_auth"] == "unknown"
    expect([record["mtls"]["client_auth"] for record in records[half]], ["unknown"] * 2, "handshake begun before")
    told = re.search(r"(\d+) events found no room in the ring buffer", said)
    if not told:
        raise Failure(f"nothing was told of lost events: {said!r}")
    whole = sum(map(len, records.values())) - unknown
    missing = 2 * len(truths) - unknown - whole
    expect(missing + unknown > 0, True, "connections were touched")
    return f"{told[1]} events lost: {whole} records right, {unknown} unknown, {missing} missing"


class HalfHandshake:
    """A handshake that stops after the server's flight and goes on later."""

    def __init__(self, pair):
        self.source = pair.new_source()
        self._socket = pair.client.socket()
        self._socket.settimeout(15 * PATIENCE)
        self._socket.bind(self.source)
        self._socket.connect((pair.SERVER, REQUEST_PORT))
        self._tls = endpoints.MemoryTls(pair.client_contexts[True])
        self._socket.sendall(self._tls.step())
        self._flight = b""
        while not self._flight:
            self._tls.feed(self._socket.recv(65536))
            self._flight = self._tls.step()

    def finish(self):
        self._socket.sendall(self._flight)
        while not self._tls.done:
            self._tls.feed(self._socket.recv(65536))
            self._tls.step()

    def close(self):
        self._socket.close()


# Connections from before the tracer


def midstream(pair):
    """
    One connection that has exchanged nothing yet, one that has exchanged something else, and one in the middle of its
    handshake, all open before the tracer is.
    """
    with contextlib.ExitStack() as stack:
        pair.serve(REQUEST_PORT + 30, pair.server_contexts[True], serve=serve_late)
        half = HalfHandshake(pair)
        fresh, used = pair.new_source(), pair.new_source()
        sockets = {}
        for source in (fresh, used):
            sockets[source] = stack.enter_context(pair.client.socket())
            sockets[source].settimeout(15 * PATIENCE)
            sockets[source].bind(source)
            sockets[source].connect((pair.SERVER, REQUEST_PORT + 30))
        exchange(sockets[used])
        tracer = stack.enter_context(Tracer())
        half.finish()
        half.close()
        for source in (fresh, used):
            exchange(sockets[source])
            tls = endpoints.MemoryTls(pair.client_contexts[True])
            endpoints.shake_hands_with(tls, sockets[source], lambda connection, data: connection.sendall(data))
            sockets[source].close()
        pair.shake_hands_and_check(tracer)
        tracer.check(fresh, PRESENTED)
        said = tracer.stop()
        for source in (used, half.source):
            verdicts = [record["mtls"]["client_auth"] for record in tracer.records(source)]
            known = [verdict for verdict in verdicts if verdict != "unknown"]
            expect(known, [], "verdicts on a connection from before")
        told = re.search(r"(\d+) connections? (?:was|were) open before", said)
        if not told or int(told[1]) < 4:
            raise Failure(f"two connections with two ends each were open before: {said!r}")
        return f"{told[1]} ends were open before"


def end_of_midstream(pair):
    """The first packet of theirs that the tracer sees is a FIN: of their streams it knows nothing to hold that against."""
    count = 16
    with contextlib.ExitStack() as stack:
        cgroup = stack.enter_context(own_cgroup("midstream"))
        pair.serve(REQUEST_PORT + 31, pair.server_contexts[True], serve=serve_late)
        sockets = [stack.enter_context(pair.client.socket()) for _ in range(count)]
        for connection in sockets:
            connection.settimeout(15 * PATIENCE)
            connection.connect((pair.SERVER, REQUEST_PORT + 31))
            exchange(connection)
        tracer = stack.enter_context(Tracer("--cgroup", str(cgroup)))
        for connection in sockets:
            connection.close()
        # one that is seen from its beginning comes behind them all; its server is in no cgroup of ours
        tracer.check(pair.shake_hands("presented"), PRESENTED, ("client",))
        said = tracer.stop()
        expect(said, f"mtlsnoop: {2 * count} connections were open before mtlsnoop started and are ignored (midstream)", "its words")


def exchange(connection):
    """What protocols that turn to TLS do before: a line, and an answer."""
    connection.sendall(b"STARTTLS\r\n")
    expect(connection.recv(100), b"OK\r\n", "answer")


def serve_late(connection, context):
    """Answer lines until one of them is a ClientHello."""
    while (line := connection.recv(100, socket.MSG_PEEK)) and not line.startswith(b"\x16"):
        connection.recv(len(line))
        connection.sendall(b"OK\r\n")
    with context.wrap_socket(connection, server_side=True) as secured:
        secured.recv(100)


# What the tracer leaves behind, and what it does to the traffic


def kernel_objects(tracer):
    """{kind: ids} of the links, programs and maps that the tracer holds."""
    found = {"link": set(), "prog": set(), "map": set()}
    directory = f"/proc/{tracer.process.pid}/fdinfo"
    for fd in os.listdir(directory):
        with contextlib.suppress(OSError), open(f"{directory}/{fd}") as info:
            for line in info:
                name, _, value = line.partition(":")
                if name in ("link_id", "prog_id", "map_id"):
                    found[name.removesuffix("_id")].add(int(value))
    return found


def existing(objects):
    """Those of them that the kernel still knows."""
    left = []
    for kind, ids in objects.items():
        # where somebody else's go while it lists them, bpftool breaks off
        for _ in range(10):
            listed = subprocess.run(["bpftool", "-j", kind, "show"], capture_output=True, text=True)
            if not listed.returncode:
                break
        expect(listed.returncode, 0, f"bpftool {kind} show ({listed.stdout.strip()[-200:]})")
        left += [f"{kind} {entry['id']}" for entry in json.loads(listed.stdout or "[]") if entry["id"] in ids]
    return left


def leaves_nothing(pair, number):
    """The tracer ends by a signal in the midst of handshakes and of a bulk transfer, which do not notice."""
    failed = []
    stop = threading.Event()

    def keep_shaking():
        while not stop.is_set():
            try:
                pair.shake_hands("presented")
            except OSError as error:
                failed.append(str(error))

    def bulk():
        try:
            send_bulk(pair, 2 * BULK_MB)
        except (Failure, OSError) as error:
            failed.append(str(error))

    with Tracer() as tracer:
        threads = [threading.Thread(target=keep_shaking), threading.Thread(target=bulk)]
        for thread in threads:
            thread.start()
        wait_until(lambda: tracer.lines, "the first record")
        objects = kernel_objects(tracer)
        if not all(objects.values()):
            raise Failure(f"the tracer holds no links, programs or maps: {objects}")
        tracer.process.send_signal(number)
        status = tracer.process.wait(10 * PATIENCE)
        # the kernel frees maps and programs after a grace period
        with contextlib.suppress(Failure):
            wait_until(lambda: not existing(objects), "gone")
        left = existing(objects)
        stop.set()
        for thread in threads:
            thread.join()
    expect(left, [], "left behind")
    expect(failed, [], "failures of the traffic")
    expect(status, -number if number == signal.SIGKILL else 0, f"exit status ({tracer.messages()})")
    return ", ".join(f"{len(ids)} {kind}s" for kind, ids in objects.items()) + " gone"


def unchanged(pair):
    send_bulk(pair, BULK_MB)
    pair.shake_hands("presented")
    with Tracer() as tracer:
        send_bulk(pair, BULK_MB)
        pair.shake_hands_and_check(tracer)
        send_bulk(pair, BULK_MB)
    send_bulk(pair, BULK_MB)


# One cgroup alone


def one_cgroup(pair):
    """The client's socket is in the cgroup, the server's is not."""
    directory = cgroup_root() / f"mtlsnoop-kernel-{os.getpid()}-one"
    directory.mkdir()
    try:
        with Tracer("--cgroup", str(directory)) as tracer:
            source = pair.new_source()
            done = subprocess.run(
                ["sh", "-c", 'echo $$ >"$0/cgroup.procs"; exec "$@"', str(directory)]
                + pair.client.command(
                    "openssl", "s_client", "-connect", f"{pair.SERVER}:{REQUEST_PORT}", "-bind", "%s:%d" % source,
                    "-tls1_2", "-cert", pair.keys.path("client.crt"), "-key", pair.keys.path("client.key"),
                    "-quiet", "-no_ign_eof",
                ),
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20 * PATIENCE,
            )  # fmt: skip
            expect(done.returncode, 0, f"openssl s_client ({done.stderr.strip()})")
            tracer.check(source, PRESENTED, ("client",))
            outside = pair.shake_hands("presented")
            tracer.stop()
            expect(tracer.records(source, "server") + tracer.records(outside), [], "records of sockets outside")
    finally:
        remove_cgroup(directory)


def run(suite, stack, keys):
    pair = Pair(stack, keys)
    suite.run(f"load: {CROWD} handshakes at once", crowd, pair)
    suite.run("load: large packets", large_packets, pair)
    suite.run("load: a reader that falls behind", loss, pair)
    suite.run("life: connections from before the tracer", midstream, pair)
    suite.run("life: the end of connections from before the tracer", end_of_midstream, pair)
    suite.run("life: SIGKILL leaves nothing behind", leaves_nothing, pair, signal.SIGKILL)
    suite.run("life: SIGTERM leaves nothing behind", leaves_nothing, pair, signal.SIGTERM)
    suite.run("life: the traffic is unchanged", unchanged, pair)
    suite.run("life: one cgroup alone", one_cgroup, pair)
