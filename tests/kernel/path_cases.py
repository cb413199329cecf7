# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Real TLS endpoints in two namespaces, and between them a path that loses, repeats and reorders."""

import contextlib
import os
import socket

import endpoints
import packet
from harness import ROOT, Failure, expect, on_one_cpu
from truth import DECLINED, NOT_REQUESTED, PRESENTED
from harness.namespaces import IPV4_NETWORK, IPV6_NETWORK, RTO_MIN, Namespace, Tun
from relay import CLIENT, SERVER, SIDES, Drop, DropThirdAck, Duplicate, Plan, Relay, Shuffle, Swap

PLAIN_PORT, REQUEST_PORT = 4430, 4431
SHUFFLES = 20

CONFIGURATIONS = {
    "not requested": (PLAIN_PORT, False, NOT_REQUESTED),
    "declined": (REQUEST_PORT, False, DECLINED),
    "presented": (REQUEST_PORT, True, PRESENTED),
}


class Path:
    """Two namespaces joined by a relay, with servers that request a certificate and servers that do not."""

    CLIENT_ADDRESSES = {4: f"{IPV4_NETWORK}.1", 6: f"{IPV6_NETWORK}::1"}
    SERVER_ADDRESSES = {4: f"{IPV4_NETWORK}.2", 6: f"{IPV6_NETWORK}::2"}

    def __init__(self, stack, keys, tracer, mss):
        self.keys, self.tracer = keys, tracer
        stack.enter_context(on_one_cpu())
        self.client = stack.enter_context(contextlib.closing(Namespace("client")))
        self.server = stack.enter_context(contextlib.closing(Namespace("server")))
        # a retransmission shall not take the ordinary 200 ms, and a flight shall not wait for acknowledgments
        route = ["advmss", str(mss), "rto_min", RTO_MIN, "initcwnd", "4000"]
        ends = [(self.client, self.CLIENT_ADDRESSES, self.SERVER_ADDRESSES)]
        ends.append((self.server, self.SERVER_ADDRESSES, self.CLIENT_ADDRESSES))
        tuns = []
        for namespace, here, there in ends:
            addresses = [f"{here[4]}/32", f"{here[6]}/128"]
            tun = Tun(namespace, addresses=addresses, peers=there.values(), route_options=route)
            tuns.append(stack.enter_context(contextlib.closing(tun)))
        self.relay = Relay(*tuns)
        self.relay.start()
        stack.callback(self.relay.stop)
        self._stack = stack
        self._port = 20000
        self._servers = {}
        self.client_contexts = {
            False: endpoints.context(keys, False),
            True: endpoints.context(keys, False, certificate="client.crt"),
        }
        for family in (4, 6):
            for port, request in ((PLAIN_PORT, False), (REQUEST_PORT, True)):
                self.serve(family, port, endpoints.context(keys, True, request=request))

    def serve(self, family, port, context, **how):
        server = endpoints.Server(self.server, self.SERVER_ADDRESSES[family], port, context, **how)
        self._stack.callback(server.close)
        self._servers[family, port] = server

    def new_source(self, family=4):
        self._port += 1
        return self.CLIENT_ADDRESSES[family], self._port

    def shake_hands(self, name, plan, connect, truth, family=4):
        """Have connect(source) shake hands on a path that follows the plan, and hold the records against the truth."""
        self.check_all([self.begin(name, plan, connect, family)], truth)

    def begin(self, name, plan, connect, family=4):
        """The first half of shake_hands(): the records are left for check_all(), for they come only now and then."""
        source = self.new_source(family)
        self.relay.begin(plan, source[1])
        try:
            connect(source)
        except OSError as error:
            raise Failure(f"{name}: {error} ({self.keep(name, self.relay.seen())})") from None
        if self.relay.error:
            raise Failure(f"relay: {self.relay.error}")
        return name, source, self.relay.seen()

    def check_all(self, begun, truth):
        """The packets of those that failed are kept as captures."""
        wrong = []
        for name, source, seen in begun:
            try:
                self.tracer.check(source, truth)
            except Failure as failure:
                wrong.append(f"{name}: {failure} ({self.keep(name, seen)})")
        if wrong:
            raise Failure(f"{len(wrong)} of {len(begun)} handshakes: " + "; ".join(wrong[:3]))
        return f"{len(begun)} handshakes"

    def connect(self, configuration, family=4, **how):
        port, certificate, _ = CONFIGURATIONS[configuration]
        server = self._servers[family, port]
        return lambda source: endpoints.connect(
            self.client, server.address, self.client_contexts[certificate], source, **how
        )

    def keep(self, name, seen):
        directory = os.path.join(ROOT, "build", "tests", "kernel")
        os.makedirs(directory, exist_ok=True)
        path = os.path.join(directory, "".join(c if c.isalnum() else "-" for c in name) + ".pcap")
        with contextlib.closing(packet.PcapWriter(path)) as capture:
            for time, _, data in seen:
                capture.write(time, data)
        return os.path.relpath(path, ROOT)

    def segment_counts(self, configuration, family=4):
        """How many data segments each side sends on a path that does nothing to them."""
        truth = CONFIGURATIONS[configuration][2]
        self.shake_hands(f"plain {configuration}", Plan(), self.connect(configuration, family), truth, family)
        return self.relay.segments(CLIENT), self.relay.segments(SERVER)


def plain(path, configuration, family):
    counts = path.segment_counts(configuration, family)
    return f"{counts[CLIENT]} and {counts[SERVER]} data segments"


def every_position(path, configuration, make_plan, family=4):
    """A handshake for each data segment of each side, with this one lost, repeated or out of order."""
    counts = path.segment_counts(configuration, family)
    begun = []
    for side in (CLIENT, SERVER):
        for index in range(counts[side]):
            plan = make_plan(side, index)
            name = f"{type(plan).__name__.lower()} {SIDES[side]}'s segment {index}, {configuration}"
            begun.append(path.begin(name, plan, path.connect(configuration, family), family))
            # how a connection is taken down is a matter of timing: its last segments may be missing
            if index < path.relay.segments(side):
                expect(plan.applied, 1, f"{name}: packets that met it")
    return path.check_all(begun, CONFIGURATIONS[configuration][2])


def shuffles(path, configuration, family=4):
    begun = []
    for seed in range(SHUFFLES):
        plan = Shuffle(f"{configuration} {seed}")
        begun.append(path.begin(f"shuffle {seed} {configuration}", plan, path.connect(configuration, family), family))
    return path.check_all(begun, CONFIGURATIONS[configuration][2])


def third_ack_lost(path, configuration):
    plan = DropThirdAck()
    path.shake_hands(f"third ACK {configuration}", plan, path.connect(configuration), CONFIGURATIONS[configuration][2])
    expect(plan.applied, 1, "third ACKs lost")


def data_segments(path, side):
    """The payload lengths of a side's segments on the wire, retransmissions left out."""
    lengths = {}
    for _, from_side, data in path.relay.seen():
        segment = packet.parse(data)
        if from_side == side and segment.payload:
            lengths.setdefault(segment.sequence, len(segment.payload))
    return list(lengths.values())


def one_byte_segments(path, configuration):
    port, certificate, truth = CONFIGURATIONS[configuration]
    address = path.SERVER_ADDRESSES[4], port + 10
    context = path.client_contexts[certificate]
    path.shake_hands(
        f"one byte {configuration}",
        Plan(),
        lambda source: endpoints.connect_by_byte(path.client, address, context, source),
        truth,
    )
    lengths = data_segments(path, CLIENT) + data_segments(path, SERVER)
    expect(max(lengths), 1, "longest segment on the wire")
    return f"{len(lengths)} segments of one byte"


def tiny_mss(path, configuration, mss):
    maxseg = [(socket.IPPROTO_TCP, socket.TCP_MAXSEG, mss)]
    connect = path.connect(configuration, options=maxseg)
    path.shake_hands(f"mss {mss} {configuration}", Plan(), connect, CONFIGURATIONS[configuration][2])
    lengths = data_segments(path, CLIENT)
    if max(lengths) > mss:
        raise Failure(f"a segment of {max(lengths)} bytes on the wire, expected at most {mss}")
    return f"{len(lengths) + len(data_segments(path, SERVER))} segments"


def authorities(path, count, name_length, record_size):
    """A CertificateRequest with many CA names: longer than a record."""
    bundle = path.keys.authorities(count, name_length)
    server = endpoints.OpensslServer(
        path.server, path.keys, 4450, "-CAfile", bundle, "-verify", "2", "-max_send_frag", str(record_size)
    )
    with contextlib.closing(server):
        address = path.SERVER_ADDRESSES[4], 4450
        source = path.new_source()
        path.relay.begin(Plan(), source[1])
        endpoints.connect(path.client, address, path.client_contexts[True], source, payload=None)
        path.tracer.check(source, PRESENTED)
    for record in path.tracer.records(source):
        request = next(step for step in record["mtls"]["messages"] if step["type"] == 13)
        if request["length"] <= record_size:
            raise Failure(f"CertificateRequest of {request['length']} bytes fits one record of {record_size}")
        expect(record["mtls"]["certificate_request"]["authorities_total"], count + 1, "CA names")
    return f"CertificateRequest of {request['length']} bytes in records of {record_size}"


def long_chain(path, size, plan):
    chain = path.keys.chain(size)
    context = endpoints.context(path.keys, False, certificate=chain, key="client.key")
    address = path.SERVER_ADDRESSES[4], REQUEST_PORT
    source = path.new_source()
    path.relay.begin(plan, source[1])
    endpoints.connect(path.client, address, context, source)
    path.tracer.check(source, PRESENTED)
    for record in path.tracer.records(source):
        messages = record["mtls"]["messages"]
        length = next(step["length"] for step in messages if step["type"] == 11 and step["from"] == "client")
        if length < size:
            raise Failure(f"Certificate of {length} bytes, expected at least {size}")
        expect(record["tls"].get("client", {}).get("subject"), "CN=client.test", "subject")
    return f"Certificate of {length} bytes"


def run(suite, stack, keys, tracer):
    path = Path(stack, keys, tracer, mss=536)
    for port, request in ((PLAIN_PORT, False), (REQUEST_PORT, True)):
        path.serve(4, port + 10, endpoints.context(keys, True, request=request), serve=endpoints.serve_by_byte)
    for family in (4, 6):
        for configuration in CONFIGURATIONS:
            suite.run(f"path: IPv{family}, {configuration}", plain, path, configuration, family)
    for configuration in CONFIGURATIONS:
        suite.run(f"path: one byte a segment, {configuration}", one_byte_segments, path, configuration)
        suite.run(f"path: MSS 88, {configuration}", tiny_mss, path, configuration, 88)
        for what, plan in (("swapped with the next", Swap), ("lost once", Drop), ("repeated", Duplicate)):
            suite.run(f"path: each segment {what}, {configuration}", every_position, path, configuration, plan)
        suite.run(f"path: random order and loss, {configuration}", shuffles, path, configuration)
        suite.run(f"path: third ACK lost, {configuration}", third_ack_lost, path, configuration)
    suite.run("path: IPv6, each segment swapped with the next", every_position, path, "presented", Swap, 6)
    suite.run("path: IPv6, each segment lost once", every_position, path, "presented", Drop, 6)
    suite.run("path: 20 CA names in records of 512 bytes", authorities, path, 20, 350, 512)
    suite.run("path: CA names longer than a record", authorities, path, 45, 490, 16384)
    suite.run("path: client certificates of 30 KiB", long_chain, path, 30 * 1024, Plan())
    suite.run("path: client certificates of 90 KiB", long_chain, path, 90 * 1024, Plan())
    shuffled = "path: client certificates of 30 KiB, random order and loss"
    suite.run(shuffled, long_chain, path, 30 * 1024, Shuffle("chain"))
