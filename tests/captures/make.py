#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Make the project's own captures: real handshakes of OpenSSL's s_server and s_client, in packets made by hand.

Handshakes are recorded by a relay between the two, then put into every link layer, tag and tunnel that mtlsnoop reads.
What is expected of each capture is written to TESTLIST, from what was configured here: which messages the configuration
makes the two exchange (RFC 5246 section 7.3, RFC 8446 section 2), never from what mtlsnoop says.

The captures are checked in; this is run by hand where they are to change: make.py DIRECTORY
"""
import contextlib
import pathlib
import select
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

START = 1700000000  # seconds since the epoch of every capture's first packet
CLIENT, SERVER = "client", "server"
PORTS = (40000, 443)
WAIT_SECONDS = 10

DLT_NULL, DLT_EN10MB, DLT_RAW, DLT_LOOP, DLT_LINUX_SLL, DLT_LINUX_SLL2 = 0, 1, 101, 108, 113, 276


# Handshakes --------------------------------------------------------------------------------------------------------

def openssl(*arguments, directory):
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True, timeout=WAIT_SECONDS)


def make_certificates(directory):
    """A CA, a server and a client that it signed, and a file of many CAs: their names fill several records."""
    for index in range(12):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "36500",
                "-subj", "/O=A certificate authority with a name of some length/CN=Authority %d" % index,
                "-keyout", "ca%d.key" % index, "-out", "ca%d.pem" % index, directory=directory)
    for name in (CLIENT, SERVER):
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=" + name,
                "-keyout", name + ".key", "-out", name + ".csr", directory=directory)
        openssl("x509", "-req", "-in", name + ".csr", "-CA", "ca0.pem", "-CAkey", "ca0.key", "-CAcreateserial",
                "-days", "36500", "-out", name + ".pem", directory=directory)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "36500", "-subj", "/CN=server", "-keyout", "rsa.key",
            "-out", "rsa.pem", directory=directory)
    authorities = b"".join((directory / ("ca%d.pem" % index)).read_bytes() for index in range(12))
    (directory / "authorities.pem").write_bytes(authorities)


def free_port(kind):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(arguments, directory):
    process = subprocess.Popen(["openssl", *arguments], cwd=directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for_line(process, start):
    while True:
        line = process.stdout.readline()
        if not line or line.startswith(start):
            return


def relay_tcp(listener, port):
    """Pass a connection on; returns [(who sent, bytes)] as it was read."""
    listener.settimeout(WAIT_SECONDS)
    client, _ = listener.accept()
    server = socket.create_connection(("127.0.0.1", port))
    told = []
    with client, server:
        open_ends = {client: (CLIENT, server), server: (SERVER, client)}
        while open_ends:
            readable, _, _ = select.select(list(open_ends), [], [], WAIT_SECONDS)
            if not readable:
                break
            for end in readable:
                who, other = open_ends[end]
                try:
                    data = end.recv(65536)
                except ConnectionResetError:
                    data = b""
                if data:
                    told.append((who, data))
                    other.sendall(data)
                else:
                    del open_ends[end]
                    with contextlib.suppress(OSError):
                        other.shutdown(socket.SHUT_WR)
    return told


def record_tls(directory, server_options, client_options):
    """What the two exchange on TCP; the client says goodbye as soon as it has the server's answer."""
    port = free_port(socket.SOCK_STREAM)
    server_arguments = ["s_server", "-accept", "127.0.0.1:%d" % port, "-cert", "server.pem", "-key", "server.key",
                        "-no_ticket", *server_options]
    with socket.create_server(("127.0.0.1", 0)) as listener, running(server_arguments, directory) as server:
        wait_for_line(server, b"ACCEPT")
        client_arguments = ["s_client", "-connect", "127.0.0.1:%d" % listener.getsockname()[1], *client_options]
        with running(client_arguments, directory) as client:
            client.stdin.close()
            client.stdin = None
            return relay_tcp(listener, port)


def record_renegotiation(directory, server_options, client_options, key):
    """A TLS 1.2 handshake, a request and an answer, and then what the server does when somebody types the key."""
    port = free_port(socket.SOCK_STREAM)
    server_arguments = ["s_server", "-tls1_2", "-accept", "127.0.0.1:%d" % port, "-cert", "server.pem", "-key", "server.key",
                        *server_options]
    with socket.create_server(("127.0.0.1", 0)) as listener, running(server_arguments, directory) as server:
        wait_for_line(server, b"ACCEPT")
        client_arguments = ["s_client", "-connect", "127.0.0.1:%d" % listener.getsockname()[1], *client_options]
        with running(client_arguments, directory) as client:
            script = [(1.0, client.stdin, b"hello\n"), (1.5, server.stdin, key + b"\n"), (2.5, client.stdin, b"again\n"),
                      (3.0, client.stdin, b"Q\n")]
            timers = [threading.Timer(delay, say, (stream, text)) for delay, stream, text in script]
            for timer in timers:
                timer.start()
            told = relay_tcp(listener, port)
            for timer in timers:
                timer.join()
            return told


def say(stream, text):
    with contextlib.suppress(OSError):
        stream.write(text)
        stream.flush()


def record_hello(directory, server_options, hello):
    """What a server answers to the bytes of a hello, after which the client is silent."""
    port = free_port(socket.SOCK_STREAM)
    server_arguments = ["s_server", "-accept", "127.0.0.1:%d" % port, "-cert", "rsa.pem", "-key", "rsa.key",
                        *server_options]
    with running(server_arguments, directory) as server:
        wait_for_line(server, b"ACCEPT")
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(hello)
            time.sleep(0.5)
            return [(CLIENT, hello), (SERVER, client.recv(65536))]


def relay_udp(listener, port, client):
    told = []
    address = None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.connect(("127.0.0.1", port))
        while client.poll() is None:
            readable, _, _ = select.select([listener, server], [], [], 1)
            for end in readable:
                data, sender = end.recvfrom(65536)
                told.append((CLIENT if end is listener else SERVER, data))
                if end is listener:
                    address = sender
                    server.send(data)
                else:
                    listener.sendto(data, address)
            if not readable:
                break
    return told


def record_dtls(directory, server_options, client_options):
    port = free_port(socket.SOCK_DGRAM)
    server_arguments = ["s_server", "-dtls1_2", "-accept", "127.0.0.1:%d" % port, "-cert", "server.pem", "-key",
                        "server.key", "-no_ticket", *server_options]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener, running(server_arguments, directory) as server:
        listener.bind(("127.0.0.1", 0))
        wait_for_line(server, b"ACCEPT")
        client_arguments = ["s_client", "-dtls1_2", "-connect", "127.0.0.1:%d" % listener.getsockname()[1],
                            *client_options]
        with running(client_arguments, directory) as client:
            return relay_udp(listener, port, client)


def ssl2_client_hello():
    """RFC 5246 appendix E.2: a ClientHello in an SSL 2.0 record that offers TLS 1.2."""
    suites = [0x009c, 0x002f, 0x0035, 0x00ff]  # TLS_RSA_...: such a hello cannot say which curves it knows
    specs = b"".join(b"\0" + struct.pack(">H", suite) for suite in suites)
    body = struct.pack(">BHHHH", 1, 0x0303, len(specs), 0, 32) + specs + bytes(range(32))
    return struct.pack(">H", 0x8000 | len(body)) + body


# Packets -----------------------------------------------------------------------------------------------------------

def ethernet(kind, payload):
    return bytes.fromhex("020000000001020000000002") + struct.pack(">H", kind) + payload


def checksum(data):
    total = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ipv4(protocol, payload, source="10.1.0.2", destination="10.1.0.1", identification=0, fragment=0):
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), identification, fragment, 64, protocol, 0)
    header += socket.inet_aton(source) + socket.inet_aton(destination)
    return header[:10] + struct.pack(">H", checksum(header)) + header[12:] + payload


def ipv6(next_header, payload, source="fd00::2", destination="fd00::1"):
    return (struct.pack(">IHBB", 6 << 28, len(payload), next_header, 64) + socket.inet_pton(socket.AF_INET6, source)
            + socket.inet_pton(socket.AF_INET6, destination) + payload)


def udp(source, destination, payload):
    return struct.pack(">HHHH", source, destination, 8 + len(payload), 0) + payload


class Family:
    """How the two ends' packets begin."""

    def __init__(self, version, client, server):
        self.version, self.client, self.server = version, client, server

    def packet(self, who, protocol, payload, **options):
        source, destination = (self.client, self.server) if who == CLIENT else (self.server, self.client)
        make = ipv4 if self.version == 4 else ipv6
        return make(protocol, payload, source, destination, **options)


V4 = Family(4, "10.1.0.2", "10.1.0.1")
V6 = Family(6, "fd00::2", "fd00::1")
FIN, SYN, RST, ACK = 1, 2, 4, 16


class Connection:
    """A TCP connection's packets, in order."""

    def __init__(self, family, ports=PORTS, initial=(0xfffffe00, 0x20000000)):
        self.family, self.ports = family, ports
        self.next = {CLIENT: initial[0], SERVER: initial[1]}
        self.packets = []

    def segment(self, who, flags, payload=b""):
        other = SERVER if who == CLIENT else CLIENT
        source, destination = self.ports if who == CLIENT else self.ports[::-1]
        acknowledgement = self.next[other] if flags & ACK else 0
        header = struct.pack(">HHIIBBHHH", source, destination, self.next[who], acknowledgement, 5 << 4, flags, 65535, 0,
                             0)
        self.packets.append((who, self.family.packet(who, 6, header + payload)))
        self.next[who] = self.next[who] + len(payload) + bool(flags & (SYN | FIN)) & 0xffffffff

    def open(self):
        self.segment(CLIENT, SYN)
        self.segment(SERVER, SYN | ACK)
        self.segment(CLIENT, ACK)
        return self

    def send(self, told, size=1200):
        for who, data in told:
            for at in range(0, len(data), size):
                self.segment(who, ACK, data[at:at + size])
        return self

    def close(self):
        self.segment(CLIENT, FIN | ACK)
        self.segment(SERVER, FIN | ACK)
        self.segment(CLIENT, ACK)
        return self


def connection(told, family=V4, size=1200, **options):
    return Connection(family, **options).open().send(told, size).close().packets


def datagrams(told, family=V4):
    return [(who, family.packet(who, 17, udp(*(PORTS if who == CLIENT else PORTS[::-1]), data))) for who, data in told]


def ether_type(packet):
    return 0x0800 if packet[0] >> 4 == 4 else 0x86dd


def plain(packet):
    return [ethernet(ether_type(packet), packet)]


def vlan(packet):
    return [ethernet(0x8100, struct.pack(">HH", 5, ether_type(packet)) + packet)]


def qinq(packet):
    return [ethernet(0x88a8, struct.pack(">HHHH", 100, 0x8100, 5, ether_type(packet)) + packet)]


def mpls(packet):
    return [ethernet(0x8847, struct.pack(">II", 100 << 12 | 64, 200 << 12 | 1 << 8 | 64) + packet)]


def pppoe(packet):
    protocol = 0x0021 if packet[0] >> 4 == 4 else 0x0057
    return [ethernet(0x8864, struct.pack(">BBHHH", 0x11, 0, 1, len(packet) + 2, protocol) + packet)]


def in_outer(protocol, payload):
    return [ethernet(0x0800, ipv4(protocol, payload, "192.0.2.1", "192.0.2.2"))]


def in_outer_6(protocol, payload):
    return [ethernet(0x86dd, ipv6(protocol, payload, "2001:db8::1", "2001:db8::2"))]


def gre(packet):
    return in_outer(47, struct.pack(">HH", 0, ether_type(packet)) + packet)


def gre_ethernet(packet):
    return in_outer(47, struct.pack(">HHI", 0x2000, 0x6558, 7) + plain(packet)[0])


def ip_in_ip(packet):
    return in_outer(4 if packet[0] >> 4 == 4 else 41, packet)


def ip_in_ip6(packet):
    return in_outer_6(4 if packet[0] >> 4 == 4 else 41, packet)


def vxlan(packet):
    return in_outer(17, udp(50000, 4789, struct.pack(">II", 0x08000000, 42 << 8) + plain(packet)[0]))


def geneve(packet):
    return in_outer(17, udp(50000, 6081, struct.pack(">BBHI", 1, 0, 0x6558, 42 << 8) + bytes(4) + plain(packet)[0]))


class FragmentsV4:
    """Every packet in fragments, the last one first."""

    def __init__(self):
        self.identification = 0

    def __call__(self, packet):
        self.identification += 1
        source, destination = socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20])
        payload, parts = packet[20:], []
        for at in range(0, len(payload), 200):
            more = 0x2000 if at + 200 < len(payload) else 0
            parts.append(ethernet(0x0800, ipv4(packet[9], payload[at:at + 200], source, destination,
                                               self.identification, at // 8 | more)))
        return parts[::-1]


class FragmentsV6:
    def __init__(self):
        self.identification = 0

    def __call__(self, packet):
        self.identification += 1
        source, destination = (socket.inet_ntop(socket.AF_INET6, packet[at:at + 16]) for at in (8, 24))
        payload, parts = packet[40:], []
        for at in range(0, len(payload), 200):
            more = at + 200 < len(payload)
            header = struct.pack(">BBHI", packet[6], 0, at | more, self.identification)
            parts.append(ethernet(0x86dd, ipv6(44, header + payload[at:at + 200], source, destination)))
        return parts


def cooked(packet):
    return [struct.pack(">HHHQH", 0, 1, 6, 2 << 56, ether_type(packet)) + packet]


def cooked_2(packet):
    return [struct.pack(">HHIHBBQ", ether_type(packet), 0, 2, 1, 0, 6, 2 << 56) + packet]


def null(packet):
    return [struct.pack("<I", 2 if packet[0] >> 4 == 4 else 30) + packet]


def loop(packet):
    return [struct.pack(">I", 2 if packet[0] >> 4 == 4 else 24) + packet]


def raw(packet):
    return [packet]


# Files -------------------------------------------------------------------------------------------------------------

def times(frames):
    return [(START + index // 1000, index % 1000 * 1000, frame) for index, frame in enumerate(frames)]


def pcap(frames, link_type, snaplen):
    out = struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, snaplen, link_type)
    for seconds, microseconds, frame in times(frames):
        kept = frame[:snaplen]
        out += struct.pack("<IIII", seconds, microseconds, len(kept), len(frame)) + kept
    return out


def block(kind, body):
    body += bytes(-len(body) % 4)
    return struct.pack(">II", kind, len(body) + 12) + body + struct.pack(">I", len(body) + 12)


def pcapng(frames):
    """Big-endian, with two interfaces that differ in link type, snapshot length and clock; frames take turns."""
    out = block(0x0a0d0d0a, struct.pack(">IHHq", 0x1a2b3c4d, 1, 0, -1))
    out += block(1, struct.pack(">HHI", DLT_EN10MB, 0, 65535))
    out += block(1, struct.pack(">HHI", DLT_RAW, 0, 262144) + struct.pack(">HHB3xHH", 9, 1, 9, 0, 0))
    out += block(0x80000bad, b"something of a vendor's")
    for index, (seconds, microseconds, frame) in enumerate(times(frames)):
        interface = index % 2
        frame = frame[14:] if interface else frame
        stamp = (seconds * 1000000 + microseconds) * (1000 if interface else 1)
        out += block(6, struct.pack(">IIIII", interface, stamp >> 32, stamp & 0xffffffff, len(frame), len(frame)) + frame)
    return out


class Output:
    """Writes captures, and the list of them with what is expected of each."""

    def __init__(self, directory):
        self.directory = directory
        self.list = ["# A capture and options, and behind it the handshakes that it holds. Written by make.py."]
        directory.mkdir(parents=True, exist_ok=True)

    def add(self, name, content, expected, options=""):
        (self.directory / name).write_bytes(content)
        self.list.append((name + " " + options).rstrip())
        self.list += ["\t" + line for line in expected]

    def frames(self, name, packets, wrap, expected, link_type=DLT_EN10MB, snaplen=262144):
        frames = [frame for _, packet in packets for frame in wrap(packet)]
        self.add(name + ".pcap", pcap(frames, link_type, snaplen), expected)

    def finish(self):
        (self.directory / "TESTLIST").write_text("\n".join(self.list) + "\n", encoding="ascii")


def expect(client, server, client_auth, version="1.2", family=V4, transport="tcp", ports=PORTS, **facts):
    """A handshake as one line: the messages of each side in order, and what they mean. own.py compares what stands here."""
    ends = [("[%s]:%d" if family.version == 6 else "%s:%d") % end
            for end in ((family.client, ports[0]), (family.server, ports[1]))]
    fields = {"client": client, "server": server, "client_auth": client_auth, "version": version, **facts}
    return " ".join([transport, *ends] + ["%s=%s" % field for field in fields.items() if field[1]])


# The messages of a full handshake with ECDHE, RFC 5246 section 7.3 and RFC 8422 section 2
ANSWERED = {"client": "1,11,16", "server": "2,11,12,13,14"}
VERIFIED = {"client": "1,11,16,15", "server": "2,11,12,13,14"}
NOT_REQUESTED = {"client": "1,16", "server": "2,11,12,14"}
TLS_1_3 = {"client": "1", "server": "2", "version": "1.3", "evidence": "inferred"}  # RFC 8446 section 2: the rest is encrypted


def declined(family=V4, **options):
    return expect(**ANSWERED, client_auth="declined", family=family, requested="yes", answer="empty",
                  evidence="cleartext", established="yes", **options)


def presented(**options):
    return expect(**VERIFIED, client_auth="presented", requested="yes", answer="certificate", evidence="cleartext",
                  established="yes", **options)


def not_requested(**options):
    return expect(**{**NOT_REQUESTED, **options}, client_auth="not_requested", requested="no", evidence="cleartext",
                  established="yes")


def make_tunnels(out, told):
    for name, wrap, family in (("ethernet", plain, V4), ("vlan", vlan, V4), ("qinq", qinq, V6), ("mpls", mpls, V4),
                               ("pppoe", pppoe, V4), ("gre", gre, V4), ("gre-ethernet", gre_ethernet, V4),
                               ("4-in-4", ip_in_ip, V4), ("6-in-4", ip_in_ip, V6), ("4-in-6", ip_in_ip6, V4),
                               ("6-in-6", ip_in_ip6, V6), ("vxlan", vxlan, V4), ("geneve", geneve, V6),
                               ("fragments", FragmentsV4(), V4), ("fragments-6", FragmentsV6(), V6)):
        out.frames(name, connection(told, family), wrap, [declined(family)])
    for name, wrap, link_type in (("cooked", cooked, DLT_LINUX_SLL), ("cooked-2", cooked_2, DLT_LINUX_SLL2),
                                  ("null", null, DLT_NULL), ("loop", loop, DLT_LOOP), ("raw", raw, DLT_RAW)):
        out.frames(name, connection(told, V6), wrap, [declined(V6)], link_type)
    frames = [frame for _, packet in connection(told) for frame in plain(packet)]
    out.add("two-interfaces.pcapng", pcapng(frames), [declined()])


def swap_and_repeat(packets):
    """Neighbours in the wrong order, and then every packet once more."""
    mixed = [packet for at in range(0, len(packets), 2) for packet in packets[at:at + 2][::-1]]
    return mixed + packets


def make_segments(out, told, many_records):
    out.frames("many-records", connection(many_records), plain, [presented()])
    out.frames("segments-of-7-bytes", connection(told, size=7), plain, [presented()])
    packets = connection(told, size=300)
    out.frames("out-of-order", packets[:3] + swap_and_repeat(packets[3:-3]) + packets[-3:], plain, [presented()])
    out.frames("sequence-wraps", connection(told, size=300, initial=(0xffffffff, 0xffffff00)), plain, [presented()])


def make_incomplete(out, told):
    """What the capture does not have is not known: never that nothing was requested."""
    both = connection(told)
    out.frames("client-only", [packet for packet in both if packet[0] == CLIENT], plain,
               [expect("1,11,16,15", "", "unknown", "", reason="gap", answer="certificate")])
    out.frames("server-only", [packet for packet in both if packet[0] == SERVER], plain,
               [expect("", "2,11,12,13,14", "unknown", reason="gap", requested="yes")])
    # 54 bytes are headers: of each segment 46 are left, and of the server's flight no more than its ServerHello
    out.frames("short", both, plain, [expect("", "2", "unknown", "", reason="gap")], snaplen=100)


def make_ports(out, told, quiet):
    """A protocol that turns to TLS, and ports that are used again."""
    greeting = [(SERVER, b"220 mail.example ESMTP\r\n"), (CLIENT, b"EHLO client.example\r\n"),
                (SERVER, b"250-mail.example\r\n250 STARTTLS\r\n"), (CLIENT, b"STARTTLS\r\n"),
                (SERVER, b"220 go ahead\r\n")]
    out.frames("starttls", connection(greeting + told, ports=(40000, 25)), plain, [declined(ports=(40000, 25))])
    twice = connection(quiet, initial=(1000, 2000)) + connection(told, initial=(900000000, 700000000))
    out.frames("ports-again", twice, plain, [not_requested(), declined()])


def make_ends(out, directory, request):
    required = record_tls(directory, [*request, "-Verify", "1", "-CAfile", "ca0.pem"], [])
    out.frames("required", connection(required), plain,
               [expect(**ANSWERED, client_auth="rejected_without_certificate", requested="yes", answer="empty",
                       alert="server:handshake_failure")])
    strict = [*request, "-Verify", "1", "-verify_return_error", "-CAfile", "ca1.pem"]
    untrusted = record_tls(directory, strict, ["-cert", "client.pem", "-key", "client.key"])
    out.frames("untrusted", connection(untrusted), plain,
               [expect(**VERIFIED, client_auth="rejected_certificate", requested="yes", answer="certificate",
                       alert="server:unknown_ca")])


def make_tls_1_3(out, directory, identity):
    request = ["-tls1_3", "-verify", "1", "-CAfile", "ca0.pem"]
    told = record_tls(directory, ["-tls1_3"], [])
    out.frames("tls-1.3-not-requested", connection(told), plain,
               [expect(**TLS_1_3, client_auth="not_requested", requested="no")])
    told = record_tls(directory, request, [])
    out.frames("tls-1.3-declined", connection(told), plain,
               [expect(**TLS_1_3, client_auth="declined", requested="yes", answer="empty")])
    told = record_tls(directory, request, identity)
    out.frames("tls-1.3-presented", connection(told), plain,
               [expect(**TLS_1_3, client_auth="presented", requested="yes", answer="certificate")])


def again(client_auth, **options):
    return expect("", "", client_auth, evidence="inferred", established="yes", renegotiation="yes", **options)


def make_renegotiations(out, directory, identity):
    """Of the records of a renegotiation nothing but types and lengths is in cleartext (RFC 5246 section 7.4.1.1)."""
    gcm = ["-no_ticket", "-no_cache", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384", "-CAfile", "ca0.pem"]
    cbc = ["-no_ticket", "-no_cache", "-cipher", "ECDHE-ECDSA-AES128-SHA256", "-CAfile", "ca0.pem"]
    asked = {"requested": "yes"}
    for name, server, client, key, expected in (
            ("presented", gcm, identity, b"R", again("presented", answer="certificate", **asked)),
            ("declined", gcm, [], b"R", again("declined", answer="empty", **asked)),
            ("not-requested", gcm, identity, b"r", again("not_requested", requested="no")),
            ("cbc-presented", cbc, identity, b"R", again("presented", answer="certificate", **asked)),
            ("cbc-declined", cbc, [], b"R", again("declined", answer="empty", **asked)),
            ("cbc-not-requested", cbc, [], b"r", again("unknown", reason="encrypted")),
            ("resumed", gcm[2:], [], b"r", again("resumed", requested="no"))):
        told = record_renegotiation(directory, server, client, key)
        first = not_requested() if name != "resumed" else not_requested(server="2,11,12,14,4")
        out.frames("renegotiation-" + name, connection(told), plain, [first, expected])


def make_dtls(out, directory, identity):
    """With a cookie, and messages in fragments: RFC 6347 sections 4.2.1 and 4.2.3."""
    told = record_dtls(directory, ["-verify", "1", "-CAfile", "authorities.pem", "-listen", "-mtu", "500"],
                       [*identity, "-mtu", "500"])
    facts = {"client_auth": "presented", "requested": "yes", "answer": "certificate", "evidence": "cleartext",
             "established": "yes", "transport": "udp"}
    verified = expect("1,1,11,16,15", "3,2,11,12,13,14", **facts)
    out.frames("dtls", datagrams(told), plain, [verified])
    # what began the association stays in order: a second ClientHello before the first would be another beginning
    packets = datagrams(told)
    out.frames("dtls-out-of-order", packets[:3] + swap_and_repeat(packets[3:]), plain, [verified])


def make_all(out, directory):
    request = ["-tls1_2"]
    identity = ["-cert", "client.pem", "-key", "client.key"]
    asking = [*request, "-verify", "1", "-CAfile", "ca0.pem"]
    told_declined = record_tls(directory, asking, [])
    told_presented = record_tls(directory, asking, identity)
    many = record_tls(directory, [*request, "-verify", "1", "-CAfile", "authorities.pem", "-max_send_frag", "512"],
                      identity)
    make_tunnels(out, told_declined)
    make_segments(out, told_presented, many)
    make_incomplete(out, told_presented)
    make_ports(out, told_declined, record_tls(directory, request, []))
    make_ends(out, directory, request)
    make_tls_1_3(out, directory, identity)
    make_renegotiations(out, directory, identity)
    make_dtls(out, directory, identity)
    hello = record_hello(directory, [*asking, "-cipher", "ALL:@SECLEVEL=0"], ssl2_client_hello())
    out.frames("ssl2-hello", connection(hello), plain, [expect("1", "2,11,13,14", "unanswered", requested="yes")])


def main():
    out = Output(pathlib.Path(sys.argv[1]))
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        make_certificates(directory)
        make_all(out, directory)
    out.finish()


if __name__ == "__main__":
    main()
