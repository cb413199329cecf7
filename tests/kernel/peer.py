# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A TCP endpoint of our own on a TUN device, which sends exactly the segments that it is told to.

The other end is a real socket of the kernel behind the device. The peer keeps the books (what it has sent, what it has
received in order) and acknowledges; what goes into which segment, and when, is the caller's.
"""

import contextlib
import os
import queue
import select
import threading
import time

import packet
from harness import PATIENCE
from packet import ACK, FIN, PSH, RST, SYN, Segment, difference


class Wire(threading.Thread):
    """Gives the packets that a kernel sends to a TUN device to the peers, by their address and port."""

    def __init__(self, tun):
        super().__init__(name="wire", daemon=True)
        self._tun = tun
        self._peers = {}
        self._stop_read, self._stop_write = os.pipe()
        self.log = []

    def join_peer(self, peer):
        self._peers[peer.local] = peer

    def leave(self, peer):
        self._peers.pop(peer.local, None)

    def send(self, data):
        self.log.append((time.time(), data))
        os.write(self._tun.fd, data)

    def run(self):
        while True:
            ready, _, _ = select.select([self._tun.fd, self._stop_read], [], [])
            if self._stop_read in ready:
                return
            data = os.read(self._tun.fd, 1 << 16)
            self.log.append((time.time(), data))
            segment = packet.parse(data)
            peer = segment and self._peers.get((segment.destination, segment.destination_port))
            if peer:
                peer.inbox.put(segment)

    def stop(self):
        os.write(self._stop_write, b".")
        self.join()


SYN_TRIES = 10  # a second apart


class Peer:
    """
    One connection. Numbers of bytes ("offsets") count from 0 at the first byte of the stream; negative ones and ones
    beyond what was sent are for the caller to choose.
    """

    WINDOW = 65535

    def __init__(self, wire, local, remote, isn, mss=1400, timestamps=None, ipv4_options=b"", ipv6_extensions=()):
        self._wire = wire
        self.local, self.remote = local, remote
        self.isn = isn
        self.sent = 0  # offset behind all that was sent
        self.remote_isn = None
        self.remote_next = None
        self.remote_acknowledged = 0  # offset up to which the remote end has acknowledged
        self.remote_ended = None  # "fin" or "rst"
        self.received = b""  # in order, and not yet taken
        self.inbox = queue.Queue()
        self._held = {}
        self._mss = mss
        self._timestamps = timestamps
        self._remote_timestamp = 0
        self._ipv4_options = ipv4_options
        self._ipv6_extensions = ipv6_extensions
        self.acknowledges = True
        wire.join_peer(self)

    def close(self):
        self._wire.leave(self)

    # sending

    def segment(self, offset, payload=b"", flags=ACK | PSH, acknowledgment=None, options=None):
        if acknowledgment is None:
            acknowledgment = self.remote_next or 0
        if options is None:
            options = b""
            if self._timestamps is not None and not flags & SYN:
                options = packet.option_timestamps(self._timestamps, self._remote_timestamp)
        return Segment(
            self.local[0],
            self.remote[0],
            self.local[1],
            self.remote[1],
            (self.isn + 1 + offset) % packet.MODULUS,
            acknowledgment,
            flags,
            self.WINDOW,
            options,
            payload,
        )

    def transmit(self, segment, fragment_size=None, **tcp_options):
        data = packet.tcp(segment, **tcp_options)
        if ":" in self.local[0]:
            packets = packet.ipv6(segment, data, self._ipv6_extensions, fragment_size)
        else:
            packets = packet.ipv4(segment, data, self._ipv4_options, fragment_size)
        for one in packets:
            self._wire.send(one)

    def put(self, offset, payload, flags=ACK | PSH, **how):
        """Send payload as the bytes at offset in one segment, whether or not they were sent before."""
        self.transmit(self.segment(offset, payload, flags), **how)
        self.sent = max(self.sent, offset + len(payload))

    def acknowledge(self):
        self.transmit(self.segment(self.sent, flags=ACK))

    def finish(self, offset=None):
        self.transmit(self.segment(self.sent if offset is None else offset, flags=ACK | FIN))
        if offset is None:
            self.sent += 1

    def reset(self, offset=None):
        self.transmit(self.segment(self.sent if offset is None else offset, flags=RST | ACK))

    def send_syn(self, payload=b"", extra_options=b""):
        options = packet.option_mss(self._mss) + extra_options
        if self._timestamps is not None:
            options += packet.option_timestamps(self._timestamps, 0)
        self.transmit(self.segment(-1, payload, SYN, acknowledgment=0, options=options))

    # receiving

    def _take(self, segment):
        if segment.options[:4] == b"\x01\x01\x08\x0a":
            self._remote_timestamp = int.from_bytes(segment.options[4:8], "big")
        if segment.flags & RST:
            self.remote_ended = "rst"
            return
        if self.remote_isn is None and not segment.flags & SYN:
            # left over from a connection before this one, on the same ports
            return
        if segment.flags & SYN and self.remote_isn is None:
            self.remote_isn = segment.sequence
            self.remote_next = segment.end
            self._remote_timestamp = self._syn_timestamp(segment.options)
        if segment.flags & ACK:
            offset = difference(segment.acknowledgment, self.isn + 1)
            self.remote_acknowledged = max(self.remote_acknowledged, offset)
        if segment.payload or segment.flags & FIN:
            self._held[segment.sequence] = segment
            self._advance()
            if self.acknowledges:
                self.acknowledge()

    @staticmethod
    def _syn_timestamp(options):
        at = options.find(b"\x08\x0a")
        return int.from_bytes(options[at + 2 : at + 6], "big") if at >= 0 else 0

    def _advance(self):
        """Take what is next in order out of what is held; what came before is forgotten."""
        for sequence in sorted(self._held, key=lambda number: difference(number, self.remote_next)):
            segment = self._held.pop(sequence)
            seen = difference(self.remote_next, sequence)
            if seen < 0:
                self._held[sequence] = segment
                return
            if difference(segment.end, self.remote_next) > 0:
                self.received += segment.payload[seen:]
                self.remote_next = segment.end
                if segment.flags & FIN:
                    self.remote_ended = "fin"

    def receive(self, until, what, timeout=5):
        """Take segments until until() holds; returns its value. Raises TimeoutError."""
        timeout *= PATIENCE
        try:
            return self._take_until(until, timeout)
        except queue.Empty:
            raise TimeoutError(f"{what}: nothing within {timeout} s") from None

    def _take_until(self, until, timeout):
        deadline = time.monotonic() + timeout
        while not (held := until()):
            self._take(self.inbox.get(timeout=max(deadline - time.monotonic(), 0)))
        return held

    def drain(self, seconds):
        """Take segments for so long."""
        with contextlib.suppress(queue.Empty):
            self._take_until(lambda: False, seconds)

    def take_received(self):
        data, self.received = self.received, b""
        return data

    # the usual ways

    def connect(self, acknowledge=True):
        """
        Without an answer the SYN is repeated, as any TCP does (RFC 9293 section 3.8.1): of the same ports as the connection
        before, it is lost with that one's socket where a process is still closing it.
        """
        for _ in range(SYN_TRIES):
            self.send_syn()
            with contextlib.suppress(TimeoutError):
                self.receive(lambda: self.remote_isn is not None or self.remote_ended, "SYN, ACK", 1)
                break
        else:
            raise TimeoutError(f"no answer to {SYN_TRIES} SYN")
        if acknowledge:
            self.acknowledge()

    def accept(self):
        """Answer the SYN of the remote end, whose port is taken from it."""
        syn = self.inbox.get(timeout=5 * PATIENCE)
        self.remote = (syn.source, syn.source_port)
        self._take(syn)
        options = packet.option_mss(self._mss)
        if self._timestamps is not None:
            options += packet.option_timestamps(self._timestamps, self._remote_timestamp)
        self.transmit(self.segment(-1, b"", SYN | ACK, options=options))

    def wait_acknowledged(self, timeout=5):
        """Until the remote end has all that was sent."""
        self.receive(lambda: self.remote_acknowledged >= self.sent or self.remote_ended, "acknowledgment", timeout)


def pieces(data, size):
    return [data[at : at + size] for at in range(0, len(data), size)]


def send_plain(peer, data, size=600):
    """In order, in segments of size bytes."""
    for piece in pieces(data, size):
        peer.put(peer.sent, piece)


def shake_hands(peer, tls, send=send_plain, timeout=5):
    """
    Go through a TLS handshake. send(peer, data) puts each flight, and the application data at the end, on the wire. The
    remote end echoes: what it is sent comes back. Raises OSError (ssl.SSLError, TimeoutError) where it fails.
    """
    while True:
        flight = tls.step()
        if flight:
            send(peer, flight)
        if tls.done:
            return
        peer.receive(lambda: peer.received or peer.remote_ended, "the other side's flight", timeout)
        if not peer.received:
            raise ConnectionError(f"the other side ended with {peer.remote_ended}")
        tls.feed(peer.take_received())


def say_goodbye(peer, tls, send=send_plain):
    """Application data, and an orderly end."""
    send(peer, tls.write(b"ping"))
    peer.receive(lambda: peer.received or peer.remote_ended, "the echo")
    peer.take_received()
    send_plain(peer, tls.close_notify())
    peer.finish()
    peer.receive(lambda: peer.remote_ended, "the other side's FIN")


