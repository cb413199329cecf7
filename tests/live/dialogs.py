# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Small servers for what comes before TLS, or instead of it: enough of each protocol for a real client to go on."""

import contextlib
import socket
import ssl
import struct
import threading


class Connection:
    """A socket that is spoken to in lines or in bytes."""

    def __init__(self, connected):
        self.socket = connected
        self._held = b""

    def say(self, *lines):
        self.socket.sendall("".join(line + "\r\n" for line in lines).encode())

    def hear(self, end=b"\r\n"):
        """Up to and with end."""
        while end not in self._held:
            self._more(4096)
        heard, end, self._held = self._held.partition(end)
        return heard + end

    def hear_bytes(self, count):
        """No more than that: TLS may follow at once, and is not this class's to read."""
        while len(self._held) < count:
            self._more(count - len(self._held))
        heard, self._held = self._held[:count], self._held[count:]
        return heard

    def _more(self, at_most):
        received = self.socket.recv(at_most)
        if not received:
            raise EOFError
        self._held += received


def smtp(connection):
    connection.say("220 live.test ESMTP")
    connection.hear()
    connection.say("250-live.test", "250 STARTTLS")
    connection.hear()
    connection.say("220 go ahead")


def pop3(connection):
    connection.say("+OK live.test")
    connection.hear()
    connection.say("+OK go ahead")


def imap(connection):
    connection.say("* OK live.test")
    connection.hear()
    connection.say("* CAPABILITY IMAP4rev1 STARTTLS", ". OK done")
    connection.hear()
    connection.say(". OK go ahead")


def ftp(connection):
    connection.say("220-live.test", "220 ready")
    connection.hear()
    connection.say("234 go ahead")


def nntp(connection):
    connection.say("200 live.test")
    connection.hear()
    connection.say("101 capabilities", "STARTTLS", ".")
    connection.hear()
    connection.say("382 go ahead")


def sieve(connection):
    connection.say('"IMPLEMENTATION" "live"', '"STARTTLS"', "OK")
    connection.hear()
    connection.say("OK")


def xmpp(connection):
    connection.hear(b"version='1.0'>")
    connection.socket.sendall(b"<stream:stream xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
                              b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>")
    connection.hear(b"/>")
    connection.socket.sendall(b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")


def irc(connection):
    connection.hear()
    connection.say(":live.test 670 client :go ahead")


def telnet(connection):
    # IAC DO START_TLS; then both say IAC SB START_TLS FOLLOWS IAC SE (draft-altman-telnet-starttls)
    follows = bytes([255, 250, 46, 1, 255, 240])
    connection.socket.sendall(bytes([255, 253, 46]))
    connection.hear(follows)
    connection.socket.sendall(follows)


def ldap(connection):
    # ExtendedRequest in BER with a short length, answered by an ExtendedResponse: success (RFC 4511 section 4.14)
    header = connection.hear_bytes(2)
    connection.hear_bytes(header[1])
    connection.socket.sendall(bytes.fromhex("300c 020101 7807 0a0100 0400 0400"))


def postgres(connection):
    connection.hear_bytes(8)
    connection.socket.sendall(b"S")


def mysql(connection):
    # a greeting of protocol 10 with CLIENT_SSL; the client's SSLRequest has no answer: ClientHello follows at once
    greeting = b"\x0a8.0.live\0"
    greeting += struct.pack("<I8sBHBHHB10x13s", 1, b"saltsalt", 0, 0xffff, 33, 2, 0xffff, 21, b"x" * 12)
    connection.socket.sendall(struct.pack("<I", len(greeting)) + greeting)
    length = int.from_bytes(connection.hear_bytes(4)[:3], "little")
    connection.hear_bytes(length)


# What openssl s_client -starttls knows.
STARTTLS = {"smtp": smtp, "lmtp": smtp, "pop3": pop3, "imap": imap, "ftp": ftp, "nntp": nntp, "sieve": sieve,
            "xmpp": xmpp, "xmpp-server": xmpp, "irc": irc, "telnet": telnet, "ldap": ldap, "postgres": postgres,
            "mysql": mysql}


def tls_context(certificates):
    """A server that asks for a certificate and takes what it gets."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server["rsa"].certificate, certificates.server["rsa"].key)
    context.load_verify_locations(certificates.authority)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def then_tls(dialog, certificates):
    """The dialog, and then TLS in which one line is answered."""

    def serve(connection):
        dialog(connection)
        with tls_context(certificates).wrap_socket(connection.socket, server_side=True) as wrapped:
            wrapped.recv(4096)
            wrapped.sendall(b"bye\n")
            with contextlib.suppress(OSError):
                wrapped.unwrap().close()

    return serve


def http_refusal(connection):
    connection.socket.recv(4096)
    connection.say("HTTP/1.1 400 Bad Request", "Connection: close", "", "this is no TLS")


def http(connection):
    connection.hear(b"\r\n\r\n")
    connection.say("HTTP/1.1 200 OK", "Connection: close", "", "hello")


def ssh(connection):
    connection.say("SSH-2.0-live")
    connection.hear()
    # a key exchange begins in binary: length, padding, SSH_MSG_KEXINIT (RFC 4253 section 6)
    connection.socket.sendall(struct.pack(">IBB", 44, 10, 20) + bytes(range(42)))
    connection.hear_bytes(48)


def echo(connection):
    while received := connection.socket.recv(4096):
        connection.socket.sendall(received)


def silence(connection):
    while connection.socket.recv(4096):
        pass


def proxy(reach):
    """HTTP CONNECT; reach(host, port) makes the connection behind it."""

    def serve(connection):
        host, port = connection.hear(b"\r\n\r\n").split()[1].decode().rsplit(":", 1)
        with reach(host, int(port)) as behind:
            connection.say("HTTP/1.1 200 Connection established", "")
            back = threading.Thread(target=_relay, args=(behind, connection.socket), daemon=True)
            back.start()
            _relay(connection.socket, behind)
            back.join(5)

    return serve


def _relay(source, destination):
    with contextlib.suppress(OSError):
        while received := source.recv(16384):
            destination.sendall(received)
        destination.shutdown(socket.SHUT_WR)


class Listener:
    """Serves each connection by a thread that ends with it."""

    def __init__(self, listening, serve, stack):
        self._listening = listening
        self._serve = serve
        stack.callback(listening.close)
        # close() alone does not wake accept(), shutdown() does
        stack.callback(listening.shutdown, socket.SHUT_RDWR)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connected, _ = self._listening.accept()
                threading.Thread(target=self._converse, args=(connected,), daemon=True).start()

    def _converse(self, connected):
        connected.settimeout(15)
        # what goes wrong here the client's side tells
        with connected, contextlib.suppress(OSError, EOFError):
            self._serve(Connection(connected))
