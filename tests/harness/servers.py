# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""TLS servers and clients in this process, over loopback."""

import contextlib
import socket
import ssl
import threading

ADDRESS = "127.0.0.1"
SECONDS = 5
ASKS = {"never": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}
VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


class Server:
    """Answers each connection with one byte, once it has got one."""

    def __init__(self, certificates, asks):
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificates.server["ecdsa"].certificate, certificates.server["ecdsa"].key)
        self._context.load_verify_locations(certificates.authority)
        self._context.verify_mode = ASKS[asks]
        self._listener = socket.create_server((ADDRESS, 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self.service = f"{ADDRESS}:{self.port}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection):
        connection.settimeout(SECONDS)
        with contextlib.suppress(OSError), self._context.wrap_socket(connection, server_side=True) as tls:
            tls.recv(1)
            tls.send(b".")
            tls.recv(1)  # until the client closes

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def shake_hands(server, version, pair=None):
    """One handshake and a byte each way. Returns whether the server went on, and the client's port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = VERSIONS[version]
    if pair:
        context.load_cert_chain(pair.certificate, pair.key)
    connection = socket.create_connection((ADDRESS, server.port), SECONDS)
    port = connection.getsockname()[1]
    try:
        with context.wrap_socket(connection) as tls:
            tls.send(b".")
            return tls.recv(1) == b".", port
    except OSError:
        return False, port
    finally:
        connection.close()
