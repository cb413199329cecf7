#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
Early data of TLS 1.3 (0-RTT), taken and refused, between the stacks that have it: what mtlsnoop says at both ends, inferred
alone and with what the libraries say, against what was configured and what the client says became of its early data. A line
for each pair of stacks, and at the end a table. Where a server refuses early data and the session, what comes behind its
flight may be early data still: from lengths alone that is unknown.

usage: early_data.py [--all] [WORD...]     only the pairs whose name contains one of the words

Without --all, with one way of asking, one certificate, and the servers s_server and gnutls-serv.
"""
import contextlib
import itertools
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "live")]

from harness.certificates import DOMAIN, Certificates  # noqa: E402
from harness import PROGRAM, ROOT, Failure, Skip, Suite, wait_until  # noqa: E402
from harness.network import Network  # noqa: E402
from peers import unpacked  # noqa: E402
from harness.cgroups import own_cgroup  # noqa: E402
from programs import verdict_by  # noqa: E402
from stacks import ASKS, REQUEST, Environment, end, nginx_program, start_gnutls, start_nginx, start_openssl  # noqa: E402
from verdicts import Verdicts  # noqa: E402

FIRST_PORT = 27601
SECONDS = 10
PROBED_SECONDS = 60
# The client has a key of the first group alone: the servers, which have the other, ask for another ClientHello.
GROUP = "X25519"
RETRIED_GROUPS = "P-521:X25519"


def installed(name):
    path = nginx_program(ROOT) if name == "nginx" else shutil.which(name)
    if not path:
        raise Skip("not installed")
    return (path,)


def start_openssls(environment, ports, program, *options):
    return [start_openssl(environment, port, asks, "-early_data", "-groups", GROUP, *options, program=program, page=False)
            for port, asks in zip(ports, ASKS)]


def start_replayables(environment, ports, program):
    return start_openssls(environment, ports, program, "-no_anti_replay")


def start_gnutlses(environment, ports, program):
    priority = f"NORMAL:-GROUP-ALL:+GROUP-{GROUP}"
    return [start_gnutls(environment, port, asks, priority, (*program, "--earlydata")) for port, asks in zip(ports, ASKS)]


def start_nginxes(environment, ports, program):
    directives = f"ssl_early_data on; ssl_ecdh_curve {GROUP};"
    return start_nginx(environment, *program, [(port, "nginx", asks) for port, asks in zip(ports, ASKS)], directives)


@dataclass(frozen=True)
class Server:
    """
    once: a session is taken once (RFC 8446 section 8.1), and is gone behind a HelloRetryRequest, too.
    retries: it asks for another ClientHello where early data has come; GnuTLS 3.7.9 breaks off at that. (The gnutls-serv
    of 3.7.1 ends with early data, and is not tried.)
    """

    name: str
    rules: str
    start: object
    program: object
    once: bool = False
    retries: bool = True
    everyday: bool = False


SERVERS = (
    Server("openssl", "openssl", start_openssls, lambda: installed("openssl"), once=True, everyday=True),
    Server("openssl-1.1.1", "openssl", start_openssls, lambda: unpacked("debian-11", "openssl"), once=True),
    Server("openssl-3.5", "openssl", start_openssls, lambda: unpacked("debian-13", "openssl"), once=True),
    Server("openssl-replay", "openssl", start_replayables, lambda: installed("openssl")),
    Server("gnutls", "gnutls", start_gnutlses, lambda: installed("gnutls-serv"), retries=False, everyday=True),
    Server("nginx", "nginx", start_nginxes, lambda: installed("nginx")),
)


@dataclass(frozen=True)
class Visit:
    port: int
    name: str
    certificate: str
    retried: bool = False


class OpenSSL:
    """Keeps its session in a file. It says itself what became of its early data."""

    ways = ("accepted", "retried", "replayed", "elsewhere")

    def __init__(self, environment, program):
        self._environment, self._program = environment, program
        self._session = environment.directory / "session-early.pem"
        self._early = environment.directory / "early.txt"
        self._early.write_text(REQUEST)

    def _command(self, visit, first):
        certificates = self._environment.certificates
        command = ["s_client", "-connect", f"{self._environment.network.servers.address}:{visit.port}", "-tls1_3",
                   "-servername", visit.name, "-CAfile", certificates.authority,
                   "-groups", RETRIED_GROUPS if visit.retried else GROUP]
        pair = {"good": certificates.good, "strange": certificates.stranger}.get(visit.certificate)
        if pair:
            command += ["-cert", pair["rsa"].certificate, "-key", pair["rsa"].key]
        return command + (["-sess_out", self._session] if first else ["-sess_in", self._session, "-early_data", self._early])

    def _visit(self, visit, first):
        """It stays until it has a session, or has said what became of its early data."""
        output = self._environment.directory / "s_client.txt"
        with open(output, "w") as file:
            process = subprocess.Popen(self._environment.network.clients.command(*self._program, *self._command(visit, first)),
                                       stdin=subprocess.PIPE, stdout=file, stderr=file, env=self._environment.variables)
        with contextlib.closing(process.stdin):
            if first:
                wait_until(lambda: process.poll() is not None or self._session.exists(), timeout=SECONDS)
            else:
                wait_until(lambda: process.poll() is not None or "Early data was" in output.read_text(errors="replace"), timeout=SECONDS)
        try:
            process.wait(SECONDS)
        finally:
            end(process)
        text = output.read_text(errors="replace")
        early = re.search(r"^Early data was (accepted|rejected|not sent)", text, re.MULTILINE)
        if not early:
            raise Failure(f"{visit}: s_client says {text[-300:]}")
        return bool(re.search(r"^Reused, ", text, re.MULTILINE)), early[1]

    def visits(self, visits):
        """Whether each was resumed, and what became of its early data."""
        self._session.unlink(missing_ok=True)
        return [self._visit(visit, not turn) for turn, visit in enumerate(visits)]


class GnuTLS:
    """Resumes in the same process alone. That early data was taken shows in its EndOfEarlyData."""

    ways = ("accepted",)

    def __init__(self, environment, program):
        self._environment, self._program = environment, program
        self._early = environment.directory / "early.txt"
        self._early.write_text(REQUEST)

    def visits(self, visits):
        visit = visits[0]
        certificates = self._environment.certificates
        command = [*self._program, "--debug=4", "--port", visit.port, "--sni-hostname", visit.name,
                   "--verify-hostname", visit.name, "--x509cafile", certificates.authority, "--resume", "--waitresumption",
                   "--earlydata", self._early, "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.3"]
        if visit.certificate == "good":
            pair = certificates.good["rsa"]
            command += ["--x509certfile", pair.certificate, "--x509keyfile", pair.key]
        done = subprocess.run(self._environment.network.clients.command(*command, self._environment.network.servers.address),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS,
                              env=self._environment.variables)
        text = done.stdout.decode(errors="replace")
        if "- Handshake was completed" not in text:
            raise Failure(f"{visit}: gnutls-cli says {text[-300:]}")
        early = "accepted" if "END OF EARLY DATA was queued" in text else "rejected"
        # nginx may have answered and closed before it says so; but who takes early data resumes (RFC 8446 section 4.2.10)
        return [(False, "not sent"), (early == "accepted" or "*** This is a resumed session" in text, early)]


CLIENTS = (
    ("s_client", OpenSSL, lambda: installed("openssl"), True),
    ("s_client-1.1.1", OpenSSL, lambda: unpacked("debian-11", "openssl"), False),
    ("s_client-3.5", OpenSSL, lambda: unpacked("debian-13", "openssl"), False),
    ("gnutls-cli", GnuTLS, lambda: installed("gnutls-cli"), True),
    ("gnutls-cli-3.7.1", GnuTLS, lambda: unpacked("debian-11", "gnutls-cli"), False),
)


@dataclass(frozen=True)
class Case:
    server: Server
    way: str
    asks: str
    certificate: str
    name: str

    def __str__(self):
        return f"{self.way} {self.asks} {self.certificate}"

    def visits(self, ports):
        """The first one makes the session; where the last one goes elsewhere, at another port, which does not know it."""
        made = Visit(ports["never" if self.way == "elsewhere" else self.asks], self.name, self.certificate)
        used = Visit(ports[self.asks], self.name, self.certificate, self.way == "retried")
        return [made, used, used] if self.way == "replayed" else [made, used]

    def expected(self):
        """Of each visit: the verdict, whether it is resumed, and what becomes of its early data."""
        full = verdict_by(self.server.rules)
        verdict = full(self.asks, self.certificate)
        resumed = ("resumed", True, "accepted")
        refused = (verdict, False, "rejected")
        if self.way == "elsewhere":
            return [(full("never", self.certificate), False, "not sent"), refused]
        made = (verdict, False, "not sent")
        if self.way == "retried" and not self.server.retries:
            return [made, ("failed_before_request", False, "rejected")]
        if self.way == "retried":
            return [made, refused if self.server.once else ("resumed", True, "rejected")]
        if self.way == "replayed":
            return [made, resumed, refused]
        return [made, resumed]


def allowed(mode, verdict, record):
    """
    From lengths alone nobody knows where early data ends that the server did not take. Its library does, but does not say
    whether the server refuses; and the client's library does not know what becomes of its answer.
    """
    known = mode == "auto" and record["mtls"]["role"] == "server" and not verdict.startswith("rejected")
    return None if known else "early_data"


class EarlyData:
    def __init__(self, stack, directory, everything):
        cgroup = stack.enter_context(own_cgroup())
        self.environment = Environment(Network(stack), Certificates(directory / "certificates"), directory, stack)
        self.everything = everything
        self.verdicts = Verdicts(stack, cgroup)
        self._ports = itertools.count(FIRST_PORT)
        self._numbers = itertools.count()
        self._servers, self._clients = {}, {}
        self._probed = set()

    def _server(self, server):
        if server.name not in self._servers:
            ports = list(itertools.islice(self._ports, len(ASKS)))
            started = server.start(self.environment, ports, server.program())
            self._servers[server.name] = {one.asks: one.port for one in started}
        return self._servers[server.name]

    def _client(self, name, kind, program):
        if name not in self._clients:
            self._clients[name] = kind(self.environment, program())
        return self._clients[name]

    def _name(self, what):
        return f"{what}{next(self._numbers)}-{os.getpid()}.{DOMAIN}"

    def _cases(self, server, client):
        for way in client.ways:
            # whether GnuTLS and nginx take early data once more hangs on how fast it comes
            if way == "replayed" and not server.once:
                continue
            # of what nobody has, no more than one is made
            asked = [("never", "none"), ("optional", "none"), ("optional", "good")]
            if way == "elsewhere":
                asked = [*asked[1:], ("required", "none"), ("required", "strange")]
            for asks, certificate in asked if self.everything else [("optional", "good")]:
                yield Case(server, way, asks, certificate, self._name("e"))

    def _wait_until_probed(self, server, client, ports):
        """
        A program that runs is found within seconds: what it did before is inferred. One that does not stay, with a library of
        its own, may never be.
        """
        if server.name in self._probed:
            return

        def probed():
            visited = self._name("probe")
            client.visits([Visit(ports["never"], visited, "none")] * 2)
            return self.verdicts.from_library(visited)

        if not wait_until(probed, timeout=PROBED_SECONDS):
            raise Failure(f"not probed within {PROBED_SECONDS} s")
        self._probed.add(server.name)

    def pair(self, server, name, kind, program):
        ports = self._server(server)
        client = self._client(name, kind, program)
        self._wait_until_probed(server, client, ports)
        done, wrong = [], []
        for case in self._cases(server, client):
            done.append((case, client.visits(case.visits(ports))))
        for case, said in done:
            expected = case.expected()
            became = [(resumed, early) for _, resumed, early in expected]
            # a client that is refused may still say that all went well, but never that it was resumed
            if said != became:
                wrong.append(f"{case}: the client says {said}, expected {became}")
            verdicts = [(verdict, None) for verdict, *_ in expected]
            wrong += self.verdicts.judge((server.name, name), case, case.name, verdicts, allowed)
        if wrong:
            raise Failure("; ".join(wrong[:10]))


def main():
    if os.geteuid() or not os.access(PROGRAM, os.X_OK):
        print("SKIP early_data: needs root and a built program")
        return 0
    words = sys.argv[1:]
    everything = "--all" in words
    suite = Suite([word for word in words if word != "--all"])
    directory = ROOT / "build" / "stacks-run" / str(os.getpid())
    directory.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, directory, True)
        early = EarlyData(stack, directory, everything)
        for server, (name, kind, program, everyday) in itertools.product(SERVERS, CLIENTS):
            if everything or (server.everyday and everyday):
                suite.run(f"early_data: server {server.name}, client {name}", early.pair, server, name, kind, program)
        early.verdicts.table.print()
    return 1 if suite.failed else 0


if __name__ == "__main__":
    sys.exit(main())
