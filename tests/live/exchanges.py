# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
What the matrix does not have: TLS behind other protocols, what is no TLS, handshakes that break off, and shapes that a
stack makes only when told to. Each exchange comes with what its records must say, or that there must be none.
"""

import random
import subprocess
import time
from dataclasses import dataclass, field

import dialogs
import handmade
from harness.certificates import MANY_AUTHORITIES
from expectation import ABSENT, certificate_fields, verdict_fields
from matrix import DECLINED, NOT_REQUESTED, PRESENTED
from stacks import CLIENTS, Visit, run_client, start_openssl

FIRST_PORT = 27151

TOGETHER = 24


@dataclass
class Exchange:
    name: str
    action: object  # called with the server name to use
    fields: dict = None  # of each record; None where there must be no record
    connections: int = 1
    port: int = None  # of a server that has this exchange alone: its records are found by it
    types: dict = None  # of the messages in cleartext, where tshark does not find them
    server_name: str = ""
    problem: str = ""  # the action failed: the exchange did not take place as it should
    times: tuple = field(default=(0, 0))


def outcome_fields(outcome, version="1.2", pair=None):
    return {"tls.version": version, **verdict_fields(outcome, version), **certificate_fields(outcome, version, pair)}


def broken_off(client_auth, end, by=ABSENT, **others):
    """A handshake that did not complete."""
    fields = {"mtls.client_auth": client_auth, "mtls.end": end, "mtls.ended_by": by, "mtls.evidence": "cleartext",
              "mtls.reason": None, "tls.established": False, "event.outcome": "failure", "mtls.answer": None}
    fields.update({path.replace("__", "."): value for path, value in others.items()})
    return fields


# RFC 5246 section 7.3: after the request, before the client's second flight
UNANSWERED = {"mtls__requested": True, "tls__version": "1.2"}
# RFC 5246 section 7.3, RFC 5077 section 3.1: a full handshake with a request, a certificate, and a ticket
REQUESTED_TYPES = {"client": [1, 11, 16, 15], "server": [2, 11, 12, 13, 14, 4]}
# the answer is not known where it is not known whether there was a request
NOT_KNOWN = {"mtls__requested": None, "mtls__answer": ABSENT}


class Exchanges:
    def __init__(self, live, stack):
        self._live = live
        self._stack = stack
        self._environment = live.environment
        self._clients = live.network.clients
        self._address = live.network.servers.address
        self._good = live.certificates.good["rsa"]
        self.ports = []
        self.list = []
        self._add_starttls()
        self._add_proxies()
        self._add_other_traffic()
        self._add_broken_off()
        self._add_addresses()
        self._add_shapes()

    def _add(self, name, action, fields, **options):
        self.list.append(Exchange(name, action, fields, **options))

    def _next_port(self):
        self.ports.append(FIRST_PORT + len(self.ports))
        return self.ports[-1]

    def _listen(self, serve, address=None):
        port = self._next_port()
        listening = self._live.network.servers.listen(address or self._address, port)
        dialogs.Listener(listening, serve, self._stack)
        return port

    def _connect(self, port):
        return self._clients.connect(self._address, port)

    def _openssl(self, server_name, port, *options, said="hello\n", pair=None):
        """s_client, with the good certificate; it has to end well."""
        command = ["openssl", "s_client", "-connect", f"{self._address}:{port}", "-servername", server_name, "-ign_eof"]
        command += ["-CAfile", self._live.certificates.authority, "-verify_return_error"]
        pair = pair or self._good
        command += ["-cert", pair.certificate, "-key", pair.key, *options]
        output = run_client(self._environment, command, said)
        if "exit status 0" not in output:
            raise RuntimeError(f"s_client: {output[-300:]}")

    def _curl(self, server_name, port, *options):
        """curl without a certificate; returns its exit status."""
        command = ["curl", "--silent", "--show-error", "--max-time", "5", "--noproxy", "*", "--tls-max", "1.2"]
        command += ["--resolve", f"{server_name}:{port}:{self._address}", *options, f"https://{server_name}:{port}/"]
        return subprocess.run(self._clients.command(*command), env=self._environment.variables, capture_output=True,
                              stdin=subprocess.DEVNULL).returncode

    def _add_starttls(self):
        for protocol, dialog in dialogs.STARTTLS.items():
            port = self._listen(dialogs.then_tls(dialog, self._live.certificates))

            def action(server_name, protocol=protocol, port=port):
                self._openssl(server_name, port, "-tls1_2", "-starttls", protocol, "-name", "live.test")

            # tshark takes a reply that is shorter than a record's header for the begin of one, and misses what follows
            types = REQUESTED_TYPES if protocol in ("sieve", "postgres") else None
            self._add(f"starttls/{protocol}", action, outcome_fields(PRESENTED, pair=self._good), types=types)

    def _add_proxies(self):
        """Four sockets: the proxy is a client too, and what it passes on has the same server name."""
        server = self._live.asking_server()
        port = self._listen(dialogs.proxy(lambda host, to: self._live.network.servers.connect(self._address, to)))

        def by_openssl(server_name):
            self._openssl(server_name, server.port, "-tls1_2", "-proxy", f"{self._address}:{port}",
                          said="GET / HTTP/1.0\r\n\r\n")

        def by_curl(server_name):
            status = self._curl(server_name, server.port, "--noproxy", "", "--proxy", f"http://{self._address}:{port}",
                                "--cacert", self._live.certificates.authority, "--cert", self._good.certificate,
                                "--key", self._good.key)
            if status:
                raise RuntimeError(f"curl: exit status {status}")

        for client, action in (("openssl", by_openssl), ("curl", by_curl)):
            self._add(f"connect-proxy/{client}", action, outcome_fields(PRESENTED, pair=self._good), connections=2)

    def _add_other_traffic(self):
        def converse(port, *said):
            with self._connect(port) as connected:
                for text in said:
                    connected.sendall(text)
                    time.sleep(0.02)
                    connected.recv(4096)

        # 16 03 is how a ClientHello begins: what follows has to be looked at, too
        noise = random.Random(20261123)
        lookalikes = [b"\x16\x03\x01\x02\x00" + bytes([kind]) + noise.randbytes(200) for kind in (0, 2, 14, 99, 255)]
        traffic = {
            "http": (dialogs.http, [b"GET / HTTP/1.1\r\nHost: live.test\r\n\r\n"]),
            "ssh": (dialogs.ssh, [b"SSH-2.0-client\r\n", bytes(range(48))]),
            "random": (dialogs.echo, [noise.randbytes(size) for size in (1, 5, 80, 1400, 4000)]),
            "lookalike": (dialogs.echo, lookalikes),
        }
        for name, (serve, said) in traffic.items():
            port = self._listen(serve)
            self._add(f"no-tls/{name}", lambda _, port=port, said=said: converse(port, *said), port=port, fields=None)

        server = self._live.asking_server()
        self._add("no-tls/http-to-tls-server", lambda _: converse(server.port, b"GET / HTTP/1.0\r\n\r\n"), fields=None)

        port = self._listen(dialogs.http_refusal)
        self._add("no-tls/tls-to-http-server", lambda name: self._curl(name, port),
                  broken_off("failed_before_request", "not_tls", "server", **NOT_KNOWN))

    def _handmade(self, port, server_name, pair=None):
        return handmade.Client(self._connect(port), self._live.certificates, server_name, pair)

    def _add_broken_off(self):
        asking = self._live.asking_server().port
        mute = self._listen(dialogs.silence)

        def after_hello(server_name):
            with self._handmade(mute, server_name) as client:
                client.socket.sendall(client.hello())
                time.sleep(0.05)

        def after_request(server_name, reset=False):
            with self._handmade(asking, server_name) as client:
                client.socket.sendall(client.hello())
                client.answer()
                if reset:
                    client.reset()

        def after_certificate(server_name):
            with self._handmade(asking, server_name, self._good) as client:
                client.socket.sendall(client.hello())
                client.socket.sendall(handmade.records(client.answer())[0])
                time.sleep(0.05)

        self._add("broken-off/client-closes-after-hello", after_hello,
                  broken_off("failed_before_request", "closed", "client", **NOT_KNOWN))
        self._add("broken-off/client-closes-after-request", after_request,
                  broken_off("unanswered", "closed", "client", **UNANSWERED))
        self._add("broken-off/client-resets-after-request", lambda name: after_request(name, reset=True),
                  broken_off("unanswered", "reset", "client", **UNANSWERED))
        self._add("broken-off/client-closes-after-certificate", after_certificate,
                  broken_off("unknown", "closed", "client", mtls__reason="abandoned", mtls__requested=True,
                             mtls__answer="certificate", tls__client__subject=self._good.subject))
        # curl without --cacert does not trust the server: it says so before it answers
        distrust = {"mtls__alert__from": "client", "mtls__alert__description": "unknown_ca", "tls__version": "1.2"}
        self._add("broken-off/client-distrusts-asking-server", lambda name: self._curl(name, asking),
                  broken_off("unanswered", "alert", "client", mtls__requested=True, **distrust))
        not_asking = self._live.server("openssl", "never").port
        self._add("broken-off/client-distrusts-server", lambda name: self._curl(name, not_asking),
                  broken_off("not_requested", "alert", "client", mtls__requested=False, **distrust))
        modern = start_openssl(self._environment, self._next_port(), "required", "-no_tls1", "-no_tls1_1")
        self._add("broken-off/server-refuses-version",
                  lambda name: CLIENTS["curl"](self._environment, Visit(modern, "1.0", name, self._good)),
                  broken_off("failed_before_request", "alert", "server", mtls__alert__description="protocol_version",
                             **NOT_KNOWN))

    def _add_addresses(self):
        server = self._live.asking_server()
        for client in CLIENTS:
            self._add(f"ipv6/{client}",
                      lambda name, client=client: CLIENTS[client](
                          self._environment, Visit(server, "1.2", name, self._good, address6=True)),
                      {**outcome_fields(PRESENTED, pair=self._good), "network.type": "ipv6",
                       "source.ip": self._clients.address6, "destination.ip": self._live.network.servers.address6})
        # a socket of the family IPv6 that is spoken to over IPv4: the wire has IPv4
        port = self._listen(dialogs.then_tls(lambda connection: None, self._live.certificates), "::")
        self._add("ipv4-at-ipv6-socket", lambda name: self._openssl(name, port, "-tls1_2"),
                  {**outcome_fields(PRESENTED, pair=self._good), "network.type": "ipv4",
                   "source.ip": self._clients.address, "destination.ip": self._address})

    def _add_shapes(self):
        server = self._live.asking_server()
        get = "GET / HTTP/1.0\r\n\r\n"

        def dribble(server_name):
            """A segment for each byte, in both of the client's flights."""
            with self._handmade(server.port, server_name, self._good) as client:
                for byte in client.hello():
                    client.socket.sendall(bytes([byte]))
                for byte in client.answer():
                    client.socket.sendall(bytes([byte]))
                client.finish()

        self._add("shape/byte-by-byte", dribble, outcome_fields(PRESENTED, pair=self._good))

        fragments = start_openssl(self._environment, self._next_port(), "optional", "-max_send_frag", "512", "-tls1_2")
        self._add("shape/messages-over-many-records",
                  lambda name: self._openssl(name, fragments.port, "-max_send_frag", "512", said=get),
                  outcome_fields(PRESENTED, pair=self._good))

        retry = start_openssl(self._environment, self._next_port(), "optional", "-groups", "P-384", "-tls1_3")
        self._add("shape/hello-retry-request",
                  lambda name: self._openssl(name, retry.port, "-groups", "X25519:P-384", said=get),
                  outcome_fields(PRESENTED, "1.3", self._good))

        self._add_long_bodies(get)

        def together(server_name):
            """Many at once, under one name."""
            command = self._clients.command("openssl", "s_client", "-connect", f"{self._address}:{server.port}",
                                            "-servername", server_name, "-tls1_2", "-ign_eof")
            clients = [subprocess.Popen(command, env=self._environment.variables, stdin=subprocess.PIPE,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(TOGETHER)]
            for client in clients:
                client.communicate(get.encode(), 20)

        self._add("shape/many-at-once", together, outcome_fields(DECLINED), connections=TOGETHER)

        def much_data(server_name):
            """What comes after the handshake is none of its business."""
            with self._handmade(self._live.server("gnutls", "never").port, server_name) as client:
                client.socket.sendall(client.hello())
                client.socket.sendall(client.answer())
                client.finish()
                for _ in range(200):
                    client.say(b"x" * 16000 + b"\n")

        self._add("shape/much-data", much_data, outcome_fields(NOT_REQUESTED))

    def _add_long_bodies(self, get):
        """Bodies far longer than a segment: a certificate with many names, and a request with many authorities."""
        certificates = self._live.certificates
        long_pair, many = certificates.make_long(), certificates.make_many_authorities()
        server = self._live.server("openssl", "optional")
        self._add("shape/long-certificate",
                  lambda name: self._openssl(name, server.port, "-tls1_2", said=get, pair=long_pair),
                  outcome_fields(PRESENTED, pair=long_pair))
        asking = start_openssl(self._environment, self._next_port(), "optional", authority=many)
        self._add("shape/many-authorities", lambda name: self._openssl(name, asking.port, "-tls1_2", said=get),
                  {**outcome_fields(PRESENTED, pair=self._good),
                   "mtls.certificate_request.authorities_total": 1 + MANY_AUTHORITIES})


def carry_out(exchanges, run):
    for number, exchange in enumerate(exchanges):
        exchange.server_name = f"x{number}-{run}.live.test"
        started = time.time()
        try:
            exchange.action(exchange.server_name)
        except Exception as error:  # told of by its case
            exchange.problem = f"{type(error).__name__}: {error}"
        exchange.times = started, time.time()
