# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The project's own captures on other ways: the same bytes of the same connections, in packets as networks and their
drivers make them of those that were sent. For Ethernet, IPv4 and TCP without options or UDP, as make.py writes them.
"""
import struct

FILE_HEADER, PACKET_HEADER = 24, 16
NETWORK, TRANSPORT, TCP_PAYLOAD, UDP_PAYLOAD = 14, 34, 54, 42
PROTOCOL_AT, SOURCE_AT = 23, 26
TCP, UDP = 6, 17
LONGEST = 3400  # of a payload that replay can give to the program in one go
OVERLAP = 20    # bytes


class Packet:
    def __init__(self, seconds, microseconds, frame):
        self.time = seconds, microseconds
        self.start = TCP_PAYLOAD if frame[PROTOCOL_AT] == TCP else UDP_PAYLOAD
        self.headers, self.payload = frame[:self.start], frame[self.start:]

    def side(self):
        return self.headers[SOURCE_AT:SOURCE_AT + 4]

    def sequence(self):
        return struct.unpack_from(">I", self.headers, TRANSPORT + 4)[0]

    def carries_bytes_alone(self):
        """Neither SYN nor FIN nor RST."""
        return bool(self.payload) and (self.start == UDP_PAYLOAD or not self.headers[TRANSPORT + 13] & 7)

    def with_payload(self, payload, ahead=0):
        """The packet with another payload, which begins so many bytes further on."""
        headers = bytearray(self.headers)
        struct.pack_into(">H", headers, NETWORK + 2, self.start - NETWORK + len(payload))
        if self.start == TCP_PAYLOAD:
            struct.pack_into(">I", headers, TRANSPORT + 4, self.sequence() + ahead & 0xffffffff)
        else:
            struct.pack_into(">H", headers, TRANSPORT + 4, self.start - TRANSPORT + len(payload))
        return Packet(*self.time, bytes(headers) + payload)


def read(path):
    content = path.read_bytes()
    packets, at = [], FILE_HEADER
    while at < len(content):
        seconds, microseconds, captured, _ = struct.unpack_from("<IIII", content, at)
        at += PACKET_HEADER
        packets.append(Packet(seconds, microseconds, content[at:at + captured]))
        at += captured
    return content[:FILE_HEADER], packets


def write(path, header, packets):
    with open(path, "wb") as out:
        out.write(header)
        for packet in packets:
            length = len(packet.headers) + len(packet.payload)
            out.write(struct.pack("<IIII", *packet.time, length, length) + packet.headers + packet.payload)


def twice(packets):
    """A device that sees every packet as it comes and as it goes."""
    return [packet for packet in packets for _ in range(2)]


def overlapping(packets):
    """A segment begins with the last bytes of the one before: a retransmission that was put together anew. Not where
    the other side has spoken in between: what is acknowledged is not sent again."""
    before, out = None, []
    for packet in packets:
        again = b""
        if before and before.side() == packet.side() and packet.carries_bytes_alone() and before.carries_bytes_alone():
            again = before.payload[-OVERLAP:]
        before = packet
        out.append(packet.with_payload(again + packet.payload, -len(again)) if again else packet)
    return out


def halves_first(packets):
    """Of each segment the second half is lost, and the whole one sent again."""
    out = []
    for packet in packets:
        if packet.carries_bytes_alone():
            out.append(packet.with_payload(packet.payload[:(len(packet.payload) + 1) // 2]))
        out.append(packet)
    return out


def together(packets):
    """What one side sends without an answer comes in one packet: segments put together by the receiving device, or a
    flight of DTLS in one datagram."""
    out = []
    for packet in packets:
        before = out[-1] if out else None
        if (before and packet.carries_bytes_alone() and before.carries_bytes_alone() and packet.side() == before.side()
                and len(before.payload) + len(packet.payload) <= LONGEST):
            out[-1] = before.with_payload(before.payload + packet.payload)
        else:
            out.append(packet)
    return out


def third_late(packets):
    """Every third packet of a side with bytes comes behind the next one of that side: a gap that closes."""
    out, seen, held = [], {}, {}
    for packet in packets:
        side = packet.side()
        late = held.pop(side, None)
        if packet.carries_bytes_alone():
            seen[side] = seen.get(side, 0) + 1
            if seen[side] % 3 == 0 and late is None:
                held[side] = packet
                continue
        out.append(packet)
        out += [late] if late else []
    return out + list(held.values())


TCP_VARIANTS = (twice, overlapping, halves_first, together, third_late)
UDP_VARIANTS = (together,)
TCP_CAPTURES = ("untrusted", "many-records", "segments-of-7-bytes", "sequence-wraps", "starttls", "tls-1.3-declined")
UDP_CAPTURES = ("dtls",)


def make(own, directory):
    """Write all into the directory; yields (name, path, the capture that it is a variant of)."""
    for captures, variants in ((TCP_CAPTURES, TCP_VARIANTS), (UDP_CAPTURES, UDP_VARIANTS)):
        for name in captures:
            header, packets = read(own / (name + ".pcap"))
            for variant in variants:
                path = directory / ("%s-%s.pcap" % (name, variant.__name__))
                write(path, header, variant(packets))
                yield "own/%s.pcap %s" % (name, variant.__name__), path, own / (name + ".pcap")
