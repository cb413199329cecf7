# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Real TLS endpoints on real sockets: the truth that the tracer's records are held against."""

import contextlib
import fcntl
import os
import socket
import ssl
import struct
import subprocess
import threading
import time

from harness import PATIENCE, wait_until

SIOCOUTQNSD = 0x894B  # linux/sockios.h
PASSPHRASE_FREE = "-nodes"


class Keys:
    """A certificate authority, a server's certificate, client certificates: made anew by openssl for each run."""

    def __init__(self, directory):
        self._directory = directory
        self._openssl("req", "-x509", *self._key("ca"), "-subj", "/CN=mtlsnoop test CA", "-days", "2", "-out", "ca.crt")
        self._issue("server", "/CN=server.test")
        self._issue("client", "/CN=client.test")
        self._self_signed("stranger", "/CN=stranger.test")

    def path(self, name):
        return os.path.join(self._directory, name)

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self._directory, check=True, capture_output=True)

    def _key(self, name):
        return ["-newkey", "rsa:2048", PASSPHRASE_FREE, "-keyout", f"{name}.key"]

    def _issue(self, name, subject):
        self._openssl("req", "-new", *self._key(name), "-subj", subject, "-out", f"{name}.csr")
        self._openssl(
            "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "2", "-out", f"{name}.crt",
        )  # fmt: skip

    def _self_signed(self, name, subject):
        self._openssl("req", "-x509", *self._key(name), "-subj", subject, "-days", "2", "-out", f"{name}.crt")

    def authorities(self, count, name_length):
        """A file of the CA and of count more whose names are about name_length bytes long."""
        path = self.path(f"authorities-{count}-{name_length}.crt")
        with open(path, "w") as bundle:
            bundle.write(open(self.path("ca.crt")).read())
            for number in range(count):
                # a commonName ends at 64 characters (RFC 5280 appendix A.1): more of them make the length
                units = "".join(f"/OU={number:04}-{unit:04}-{'x' * 50}" for unit in range(name_length // 70))
                self._openssl(
                    "req", "-x509", "-new", "-key", "ca.key", "-subj", f"/CN=authority {number}{units}", "-days", "2",
                    "-out", "authority.crt",
                )  # fmt: skip
                bundle.write(open(self.path("authority.crt")).read())
        return path

    def chain(self, size):
        """A client certificate followed by others, together at least size bytes in DER."""
        path = self.path(f"chain-{size}.crt")
        leaf, other = open(self.path("client.crt")).read(), open(self.path("stranger.crt")).read()
        other_size = len(ssl.PEM_cert_to_DER_cert(other))
        with open(path, "w") as bundle:
            bundle.write(leaf + other * (size // other_size + 1))
        return path


def context(keys, server, request=False, required=False, certificate=None, key=None, version=ssl.TLSVersion.TLSv1_2):
    """
    A TLS context. server: whether it is a server's; request: whether it asks for a certificate; required: whether it
    insists on one; certificate, key: names of files of keys that it shows (a client only where given).
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = made.maximum_version = version
    # a NewSessionTicket would come or not come with the library's defaults
    made.options |= ssl.OP_NO_TICKET
    if server:
        certificate, key = certificate or "server.crt", key or "server.key"
        made.verify_mode = ssl.CERT_NONE
        if request or required:
            made.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    else:
        made.check_hostname = False
    made.load_verify_locations(keys.path("ca.crt"))
    if certificate:
        made.load_cert_chain(keys.path(certificate), keys.path(key or "client.key"))
    return made


def serve_echo(connection, context):
    with context.wrap_socket(connection, server_side=True) as secured:
        while data := secured.recv(65536):
            secured.sendall(data)


class Server:
    """
    A TLS server on a listening socket: each connection in its own thread shakes hands, answers what it is sent with the
    same, and closes. context may be a function that gives the context for the next connection; serve is what does it
    all, given the accepted socket and the context; before_accept is called before each accept(2).
    """

    def __init__(
        self, namespace, address, port, context, options=(), backlog=1024, before_accept=None, serve=serve_echo
    ):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = namespace.socket(family)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for level, name, value in options:
            self._listener.setsockopt(level, name, value)
        self._listener.bind((address, port))
        self._listener.listen(backlog)
        self._context = context
        self._before_accept = before_accept
        self._serve_with = serve
        self._closing = False
        self.accepted = 0
        self.errors = []
        self.address = (address, port)
        self._threads = []
        self._thread = threading.Thread(target=self._accept, name=f"server {port}", daemon=True)
        self._thread.start()

    def close(self):
        self._closing = True
        # a blocked accept() returns from shutdown() of its socket
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    def _accept(self):
        while True:
            if self._before_accept:
                self._before_accept()
            try:
                connection, peer = self._listener.accept()
            except OSError:
                return
            if self._closing:
                connection.close()
                return
            self.accepted += 1
            thread = threading.Thread(target=self._serve, args=(connection, peer), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection, peer):
        connection.settimeout(15 * PATIENCE)
        chosen = self._context() if callable(self._context) else self._context
        try:
            with connection:
                self._serve_with(connection, chosen)
        except OSError as error:
            self.errors.append((peer[1], str(error)))


def connect(namespace, server, context, source=("", 0), options=(), payload=b"ping", timeout=15):
    """
    Shake hands with server as a client from source, have payload (if any) echoed, close. Raises OSError (ssl.SSLError
    among them) where it fails.
    """
    family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
    with namespace.socket(family) as plain:
        plain.settimeout(timeout * PATIENCE)
        for level, name, value in options:
            plain.setsockopt(level, name, value)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        plain.bind(source)
        plain.connect(server)
        with context.wrap_socket(plain) as secured:
            if payload:
                echo(secured, payload)


def echo(secured, payload):
    """Send payload and read it back; raises OSError where it comes back changed."""
    # not all at once: nobody reads while it is sent
    size = 16384
    for at in range(0, len(payload), size):
        piece, received = payload[at : at + size], b""
        secured.sendall(piece)
        while len(received) < len(piece):
            data = secured.recv(65536)
            if not data:
                break
            received += data
        if received != piece:
            raise OSError(f"echo: {len(received)} bytes came back of {len(piece)}, or others")


class MemoryTls:
    """A TLS endpoint whose bytes go through memory: the caller decides how they travel."""

    def __init__(self, context, server_side=False):
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=server_side)
        self.done = False

    def feed(self, data):
        self._incoming.write(data)

    def step(self):
        """Go on with the handshake; returns the bytes to send. done is set once it is complete."""
        try:
            self._tls.do_handshake()
            self.done = True
        except ssl.SSLWantReadError:
            pass
        return self._outgoing.read()

    def read(self):
        """Application data received, b"" where there is none."""
        try:
            return self._tls.read(65536)
        except ssl.SSLWantReadError:
            return b""

    def write(self, data):
        """Application data as the bytes to send."""
        self._tls.write(data)
        return self._outgoing.read()

    def close_notify(self):
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
        return self._outgoing.read()


def shake_hands_with(tls, connection, send):
    """Go through the handshake of a MemoryTls on a socket; send(connection, data) sends a flight."""
    while True:
        flight = tls.step()
        if flight:
            send(connection, flight)
        if tls.done:
            return
        data = connection.recv(65536)
        if not data:
            raise ConnectionError("the other side closed in the middle of the handshake")
        tls.feed(data)


def bytes_not_sent(connection):
    return struct.unpack("i", fcntl.ioctl(connection, SIOCOUTQNSD, bytes(4)))[0]


def send_by_byte(connection, data):
    """Each byte leaves before the next is written: what has to wait for an ACK would share a segment with it."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for at in range(len(data)):
        connection.sendall(data[at : at + 1])
        wait_until(lambda: not bytes_not_sent(connection), "a byte leaves")


def serve_by_byte(connection, context):
    """A handshake, each byte of it sent by itself, then wait for the client's end."""
    tls = MemoryTls(context, server_side=True)
    shake_hands_with(tls, connection, send_by_byte)
    connection.recv(1)


def connect_by_byte(namespace, server, context, source):
    with namespace.socket(socket.AF_INET6 if ":" in server[0] else socket.AF_INET) as plain:
        plain.settimeout(15 * PATIENCE)
        plain.bind(source)
        plain.connect(server)
        shake_hands_with(MemoryTls(context), plain, send_by_byte)


class OpensslServer:
    """openssl s_server, for what Python's ssl cannot be told: CA names, sizes of records."""

    def __init__(self, namespace, keys, port, *arguments):
        self._log = open(keys.path(f"s_server-{port}.log"), "w+")
        self._process = subprocess.Popen(
            namespace.command(
                "openssl", "s_server", "-accept", str(port), "-cert", keys.path("server.crt"),
                "-key", keys.path("server.key"), "-tls1_2", "-no_ticket", "-quiet", *arguments,
            ),
            stdin=subprocess.PIPE, stdout=self._log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._wait_listening(namespace, port)

    def _wait_listening(self, namespace, port):
        for _ in range(500):
            listening = subprocess.run(
                namespace.command("ss", "-Hltn", f"sport = :{port}"), capture_output=True, text=True
            )
            if listening.stdout:
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.01)
        self._log.seek(0)
        raise RuntimeError(f"openssl s_server does not listen: {self._log.read().strip()}")

    def close(self):
        self._process.terminate()
        self._process.wait()
        self._process.stdin.close()
        self._log.close()
