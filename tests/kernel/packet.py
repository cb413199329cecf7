# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""IP and TCP packets as bytes: made and read, with checksums (RFC 791, RFC 8200, RFC 9293)."""

import ipaddress
import struct
from dataclasses import dataclass

FIN, SYN, RST, PSH, ACK, URG = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
TCP = 6
HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION = 0, 43, 44, 60

MODULUS = 1 << 32


def checksum(data):
    """RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def difference(a, b):
    """a - b of two sequence numbers, as a signed number (RFC 9293 section 3.4)."""
    return (a - b + (MODULUS >> 1)) % MODULUS - (MODULUS >> 1)


@dataclass
class Segment:
    source: str
    destination: str
    source_port: int
    destination_port: int
    sequence: int
    acknowledgment: int
    flags: int
    window: int
    options: bytes
    payload: bytes

    @property
    def end(self):
        """The sequence number behind it: SYN and FIN count as one each."""
        return (self.sequence + len(self.payload) + bool(self.flags & SYN) + bool(self.flags & FIN)) % MODULUS


def parse(packet):
    """A Segment, or None where the packet is no whole TCP segment over plain IPv4 or IPv6."""
    if not packet:
        return None
    if packet[0] >> 4 == 4:
        header = (packet[0] & 15) * 4
        if packet[9] != TCP or struct.unpack("!H", packet[6:8])[0] & 0x3FFF:
            return None
        source, destination = (str(ipaddress.IPv4Address(packet[at : at + 4])) for at in (12, 16))
        packet = packet[: struct.unpack("!H", packet[2:4])[0]]
    else:
        source, destination = (str(ipaddress.IPv6Address(packet[at : at + 16])) for at in (8, 24))
        following, header = packet[6], 40
        while following in (HOP_BY_HOP, ROUTING, DESTINATION):
            following, header = packet[header], header + (packet[header + 1] + 1) * 8
        if following != TCP:
            return None
    fields = struct.unpack("!HHIIBBH", packet[header : header + 16])
    behind = header + (fields[4] >> 4) * 4
    return Segment(
        source,
        destination,
        *fields[:4],
        fields[5],
        fields[6],
        packet[header + 20 : behind],
        packet[behind:],
    )


def tcp(segment, urgent=0, spoil_checksum=False):
    """The bytes of a TCP segment; the options must be padded to whole words."""
    header = struct.pack(
        "!HHIIBBHHH",
        segment.source_port,
        segment.destination_port,
        segment.sequence % MODULUS,
        segment.acknowledgment % MODULUS,
        (20 + len(segment.options)) // 4 << 4,
        segment.flags,
        segment.window,
        0,
        urgent,
    )
    data = header + segment.options + segment.payload
    addresses = ipaddress.ip_address(segment.source).packed + ipaddress.ip_address(segment.destination).packed
    total = checksum(addresses + struct.pack("!II", len(data), TCP) + data)
    if spoil_checksum:
        total ^= 0x5555
    return data[:16] + struct.pack("!H", total) + data[18:]


def ipv4(segment, data, options=b"", fragment_size=None):
    """IPv4 packets that carry data, with IP options; in fragments of fragment_size (a multiple of 8) where given."""
    pieces = _fragments(data, fragment_size)
    for offset, piece, more in pieces:
        header = struct.pack(
            "!BBHHHBBH4s4s",
            0x40 | (20 + len(options)) // 4,
            0,
            20 + len(options) + len(piece),
            segment.sequence & 0xFFFF,
            offset // 8 | more << 13,
            64,
            TCP,
            0,
            ipaddress.IPv4Address(segment.source).packed,
            ipaddress.IPv4Address(segment.destination).packed,
        )
        header += options
        yield header[:10] + struct.pack("!H", checksum(header)) + header[12:] + piece


def ipv6(segment, data, extensions=(), fragment_size=None):
    """
    IPv6 packets that carry data. extensions is a list of (header number, whole header whose first byte, next header, is
    filled in here).
    """
    for offset, piece, more in _fragments(data, fragment_size):
        chain = list(extensions)
        if fragment_size:
            chain.append((FRAGMENT, struct.pack("!BBHI", 0, 0, offset | more, segment.sequence)))
        following, body = TCP, piece
        for number, extension in reversed(chain):
            body = bytes([following]) + extension[1:] + body
            following = number
        yield (
            struct.pack("!IHBB", 6 << 28, len(body), following, 64)
            + ipaddress.IPv6Address(segment.source).packed
            + ipaddress.IPv6Address(segment.destination).packed
            + body
        )


def _fragments(data, size):
    size = size or len(data)
    for offset in range(0, len(data), size):
        yield offset, data[offset : offset + size], int(offset + size < len(data))


def option_timestamps(value, echo):
    """RFC 7323 section 3, padded."""
    return struct.pack("!BBBBII", 1, 1, 8, 10, value, echo)


def option_mss(size):
    return struct.pack("!BBH", 2, 4, size)


class PcapWriter:
    """What went over a path, for a look at a case that failed (LINKTYPE_RAW)."""

    def __init__(self, path):
        self._file = open(path, "wb")
        self._file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 1 << 17, 101))

    def write(self, time, packet):
        self._file.write(struct.pack("<IIII", int(time), int(time % 1 * 1e6), len(packet), len(packet)) + packet)

    def close(self):
        self._file.close()
