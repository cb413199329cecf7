# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A TLS client whose bytes are sent by hand: OpenSSL makes them, the case decides what becomes of them."""

import socket
import ssl
import struct


class Client:
    def __init__(self, connected, certificates, name, pair=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(certificates.authority)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        if pair:
            context.load_cert_chain(pair.certificate, pair.key)
        self.socket = connected
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = ssl.MemoryBIO()
        self._sending = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._received, self._sending, server_hostname=name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def hello(self):
        """ClientHello's bytes."""
        return self._flight()

    def answer(self):
        """Receive the server's whole flight; the bytes of the client's second one."""
        while not (flight := self._flight()):
            self._receive()
        return flight

    def finish(self):
        """Receive the server's Finished."""
        while not self._completed:
            self._receive()
            self._flight()

    def say(self, text):
        self._tls.write(text)
        self.socket.sendall(self._sending.read())

    def reset(self):
        """Close by a RST instead of a FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def _flight(self):
        self._completed = False
        try:
            self._tls.do_handshake()
            self._completed = True
        except ssl.SSLWantReadError:
            pass
        return self._sending.read()

    def _receive(self):
        received = self.socket.recv(16384)
        if not received:
            raise EOFError("the server has closed the connection")
        self._received.write(received)


def records(flight):
    """The TLS records of a flight (RFC 5246 section 6.2.1)."""
    found = []
    while flight:
        length = 5 + int.from_bytes(flight[3:5], "big")
        found.append(flight[:length])
        flight = flight[length:]
    return found
