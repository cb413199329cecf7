#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
Renegotiation in TLS 1.2, live: s_server and s_client with their keys R and r, gnutls-serv with gnutls-cli
--rehandshake. One mtlsnoop sees the wire alone, another one the libraries too; each has to tell of it once at each end.
usage: renegotiations.py [WORD...] (only the cases with one of the words in their name)

What a case expects comes from how the programs were started, and has to agree with the messages that the client prints.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

sys.path.append(str(Path(__file__).resolve().parents[1]))

from harness.certificates import Certificates  # noqa: E402
from expectation import ABSENT, by_role, demand, field_differences  # noqa: E402
from harness import ROOT, Failure, Suite, Tracer, expect, server_name_of, wait_until  # noqa: E402
from matrix import DECLINED, NOT_REQUESTED, PRESENTED, RESUMED, Outcome  # noqa: E402
from harness.network import Side  # noqa: E402
from stacks import Environment, end, start_gnutls, wait_for_port  # noqa: E402

FIRST_PORT = 27501
PROBE_PORT = FIRST_PORT + 30
PORTS = 60
STEP_SECONDS = 15      # the programs and mtlsnoop, for each step
SETTLED_SECONDS = 1.5  # longer than mtlsnoop waits for what a library or the wire may still say
PROBED_SECONDS = 20

GNUTLS = "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+{}:-MAC-ALL:+{}"
SUITES = {
    ("openssl", "GCM"): "ECDHE-RSA-AES128-GCM-SHA256",
    ("openssl", "CBC"): "ECDHE-RSA-AES128-SHA256",
    ("gnutls", "GCM"): GNUTLS.format("AES-128-GCM", "AEAD"),
    ("gnutls", "CBC"): GNUTLS.format("AES-128-CBC", "SHA1"),
}

NOT_RESUMED = ("-no_ticket", "-no_cache")

# HandshakeType by the names that the programs print, where they tell what is asked here
OPENSSL_MESSAGES = re.compile(r"^(>>>|<<<) TLS 1\.\d, Handshake \[length ([0-9a-f]{4})\], (\w+)", re.MULTILINE)
GNUTLS_MESSAGES = re.compile(r"HSK\[\w+\]: ([A-Z ]+?)(?: \(\d+\))? was (queued|received)[^\[]*\[(\d+)", re.MULTILINE)
EMPTY_CERTIFICATE = 4 + 3  # with its header, RFC 5246 section 7.4.6


@dataclass(frozen=True)
class Case:
    stack: str
    suite: str
    what: str
    first: Outcome
    second: Outcome
    server: tuple = NOT_RESUMED  # options of s_server; of gnutls-serv what it asks
    key: str = ""                # typed to s_server, where upper case at the client to s_client
    by_client: bool = False
    has_certificate: bool = False
    port: int = 0

    @property
    def name(self):
        return f"renegotiation {self.stack} {self.suite}: {self.what}"


ASKING = (*NOT_RESUMED, "-verify", "1", "-client_renegotiation")


def all_cases():
    """s_server -verify asks once in a connection, whatever the answer (SSL_VERIFY_CLIENT_ONCE); its key R asks."""
    cases = []
    for suite in ("GCM", "CBC"):
        for what, first, second, options in (
                ("R at the server, presented", NOT_REQUESTED, PRESENTED, {"key": "R", "has_certificate": True}),
                ("R at the server, declined", NOT_REQUESTED, DECLINED, {"key": "R"}),
                ("r at the server, not asked", NOT_REQUESTED, NOT_REQUESTED, {"key": "r", "has_certificate": True}),
                ("r at the server, resumed", NOT_REQUESTED, RESUMED, {"key": "r", "server": ()}),
                ("R at the client, declined before", DECLINED, NOT_REQUESTED,
                 {"key": "R", "by_client": True, "server": ASKING}),
                ("R at the client, presented before", PRESENTED, NOT_REQUESTED,
                 {"key": "R", "by_client": True, "server": ASKING, "has_certificate": True})):
            cases.append(Case("openssl", suite, what, first, second, **options))
        for what, outcome, options in (
                ("not asked", NOT_REQUESTED, {"server": "never"}),
                ("declined", DECLINED, {"server": "optional"}),
                ("presented", PRESENTED, {"server": "optional", "has_certificate": True})):
            cases.append(Case("gnutls", suite, what, outcome, outcome, **options))
    return [replace(case, port=FIRST_PORT + number) for number, case in enumerate(cases)]


def openssl_messages(log):
    """(from the client, name, length) of each message in the log of s_client -msg."""
    return [(arrow == ">>>", name, int(length, 16)) for arrow, length, name in OPENSSL_MESSAGES.findall(log)]


def gnutls_messages(log):
    """The same of gnutls-cli -d 4; its names as openssl has them. Headers count in what was queued alone."""
    return [(how == "queued", name.title().replace(" ", ""), int(length))
            for name, how, length in GNUTLS_MESSAGES.findall(log)]


def outcomes(messages):
    """How the client says that its handshakes went, one after the other."""
    found = []
    begins = [index for index, (ours, name, _) in enumerate(messages) if ours and name == "ClientHello"]
    for begin, behind in zip(begins, [*begins[1:], len(messages)]):
        handshake = messages[begin:behind]
        received = [name for ours, name, _ in handshake if not ours]
        answers = [length for ours, name, length in handshake if ours and name == "Certificate"]
        answer = None if not answers else "empty" if answers[0] == EMPTY_CERTIFICATE else "certificate"
        finished = {ours for ours, name, _ in handshake if name == "Finished"} == {True, False}
        found.append((finished, "Certificate" not in received, "CertificateRequest" in received, answer))
    return found


def outcome_as_said(outcome):
    return outcome.completed, outcome.resumed, outcome.requested, outcome.answer


class Peers:
    """The network namespace, what is in it, and what is known of the clients' logs."""

    def __init__(self, stack):
        # another run of this has another one, and so other lines
        self.address = f"127.{os.getpid() >> 16 & 127 | 128}.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
        self.namespace = Side("renegotiation", self.address, None)
        stack.callback(self.namespace.close)
        self.namespace.ip("link", "set", "lo", "up")
        self.directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mtlsnoop-renegotiation-")))
        network = SimpleNamespace(clients=self.namespace, servers=self.namespace)
        self.certificates = Certificates(self.directory / "certificates")
        self.environment = Environment(network, self.certificates, self.directory, stack)

    def log(self, name):
        return (self.directory / f"{name}.log").read_text(errors="replace")

    def wait_for(self, name, pattern, count=1):
        if not wait_until(lambda: len(re.findall(pattern, self.log(name), re.MULTILINE)) >= count, timeout=STEP_SECONDS):
            raise Failure(f"{name} does not say {pattern!r} {count} times: {self.log(name)[-300:]!r}")

    def identity(self, case, certificate, key):
        pair = self.certificates.good["rsa"]
        return (certificate, pair.certificate, key, pair.key) if case.has_certificate else ()


def say(process, text):
    process.stdin.write(text.encode())
    process.stdin.flush()


def run_openssl(peers, case):
    pair = peers.certificates.server["rsa"]
    server_log, client_log = f"server-{case.port}", f"client-{case.port}"
    server = peers.environment.start(
        peers.namespace, server_log, "openssl", "s_server", "-accept", f"{peers.address}:{case.port}", "-tls1_2",
        "-cipher", SUITES["openssl", case.suite], "-cert", pair.certificate, "-key", pair.key,
        "-CAfile", peers.certificates.authority, *case.server, stdin=subprocess.PIPE)
    peers.wait_for(server_log, "^ACCEPT")
    client = peers.environment.start(
        peers.namespace, client_log, "openssl", "s_client", "-connect", f"{peers.address}:{case.port}", "-msg",
        "-servername", f"case-{case.port}.live.test", *peers.identity(case, "-cert", "-key"), stdin=subprocess.PIPE)
    peers.wait_for(client_log, "Verify return code")
    say(client, "hello\n")
    peers.wait_for(server_log, "^hello")
    say(client if case.by_client else server, case.key + "\n")
    peers.wait_for(client_log, "^<<< .*, Finished", 2)
    peers.wait_for(client_log, "^>>> .*, Finished", 2)
    say(client, "again\n")
    peers.wait_for(server_log, "^again")
    say(client, "Q\n")
    client.wait(STEP_SECONDS)
    end(server)
    return outcomes(openssl_messages(peers.log(client_log)))


def run_gnutls(peers, case):
    priority = SUITES["gnutls", case.suite]
    start_gnutls(peers.environment, case.port, case.server, priority)
    name = f"client-{case.port}"
    client = peers.environment.start(
        peers.namespace, name, "gnutls-cli", "-d", "4", "--rehandshake", "--no-ca-verification", "--priority", priority,
        "--port", case.port, "--sni-hostname", f"case-{case.port}.live.test",
        *peers.identity(case, "--x509certfile", "--x509keyfile"), peers.address, stdin=subprocess.PIPE)
    peers.wait_for(name, "ReHandshake was completed")
    say(client, "GET / HTTP/1.0\r\n\r\n")
    client.wait(STEP_SECONDS)
    return outcomes(gnutls_messages(peers.log(name)))


RUN = {"openssl": run_openssl, "gnutls": run_gnutls}


def expected_fields(case, libraries):
    """Of a block cipher the wire does not tell a ClientKeyExchange from anything else."""
    outcome = case.second
    fields = {"mtls.renegotiation": True, "mtls.client_auth": outcome.client_auth, "mtls.requested": outcome.requested,
              "mtls.answer": outcome.answer, "mtls.reason": None,
              "mtls.evidence": "library" if libraries else "inferred",
              "tls.established": True, "tls.version": "1.2", "event.outcome": "success", "mtls.end": "completed"}
    if case.suite == "CBC" and outcome is NOT_REQUESTED and not libraries:
        fields.update({"mtls.client_auth": "unknown", "mtls.requested": None, "mtls.answer": ABSENT,
                       "mtls.reason": "encrypted"})
    if libraries:
        fields["tls.client.server_name"] = f"case-{case.port}.live.test"
        fields["tls.resumed"] = outcome.resumed
    elif outcome.resumed:
        fields["tls.resumed"] = True
    return fields


def check(case, peers, tracer, libraries):
    server = {"ip": peers.address, "port": case.port}
    records = [record for record in tracer.records() if record["destination"] == server]
    if case.stack == "gnutls":
        # whether the port listens was tried by a connection without a handshake, which is not told of
        names = {str(server_name_of(record)) for record in records}
        expect(names - {f"case-{case.port}.live.test", "None"}, set(), "server names that nobody asked for")
    later = [record for record in records if record["mtls"].get("renegotiation")]
    differences = []
    for role, found in by_role(later, "the renegotiation").items():
        wrong = field_differences(found[0], expected_fields(case, libraries))
        if found[0]["mtls"].get("conflict"):
            wrong.append("library and wire disagree")
        differences += [f"{role}: {difference}" for difference in wrong]
    first = [record for record in records if record not in later]
    for role, found in by_role(first, "the first handshake").items():
        wrong = field_differences(found[0], {"mtls.client_auth": case.first.client_auth, "mtls.evidence": "cleartext"})
        differences += [f"{role}, first: {difference}" for difference in wrong]
    demand(differences)


class Told:
    """A case that has run: what the client says of it, or what went wrong."""

    def __init__(self, peers, case):
        self.case = case
        try:
            self.said, self.problem = RUN[case.stack](peers, case), None
        except (Failure, OSError, RuntimeError, subprocess.TimeoutExpired) as problem:
            self.said, self.problem = None, problem


def check_told(told, peers, tracers):
    if told.problem:
        raise Failure(f"the exchange itself went wrong: {told.problem}")
    # or the case means nothing
    expect(told.said, [outcome_as_said(told.case.first), outcome_as_said(told.case.second)],
           "rule: completed, resumed, requested, answer, as the client says")
    for libraries, tracer in tracers.items():
        try:
            check(told.case, peers, tracer, libraries)
        except Failure as failure:
            raise Failure(f"{'with libraries' if libraries else 'the wire alone'}: {failure}") from None


def wait_until_probed(peers, tracers, stacks):
    """A library is known from its first handshake on that mtlsnoop tells with it."""
    def probed(stack, port):
        def told(libraries, tracer):
            of_port = [record for record in tracer.records() if record["destination"]["port"] == port]
            return any(not libraries or "library" in record["mtls"] for record in of_port)

        server = NOT_RESUMED if stack == "openssl" else "never"
        RUN[stack](peers, Case(stack, "GCM", "probe", NOT_REQUESTED, NOT_REQUESTED, server, "r", port=port))
        return wait_until(lambda: all(told(*one) for one in tracers.items()), timeout=1)

    for number, stack in enumerate(stacks):
        deadline = time.monotonic() + PROBED_SECONDS
        port = PROBE_PORT + 15 * number
        while not probed(stack, port):
            port += 1
            if time.monotonic() > deadline:
                told = "; ".join(tracer.errors().strip() for tracer in tracers.values())
                raise Failure(f"mtlsnoop tells of no handshake of {stack} with its library: {told}")


def run_all(suite, cases):
    ports = [f"--port={port}" for port in range(FIRST_PORT, FIRST_PORT + PORTS)]
    with contextlib.ExitStack() as stack:
        peers = Peers(stack)
        tracers = {libraries: stack.enter_context(Tracer("--json", f"--library={mode}", *ports))
                   for libraries, mode in ((False, "off"), (True, "auto"))}
        wait_until_probed(peers, tracers, sorted({case.stack for case in cases}))
        tolds = [Told(peers, case) for case in cases]
        time.sleep(SETTLED_SECONDS)
        for told in tolds:
            suite.run(told.case.name, check_told, told, peers, tracers)
        for libraries, tracer in tracers.items():
            suite.run(f"renegotiation: exit status {'with libraries' if libraries else 'with the wire alone'}",
                      lambda: expect(tracer.stop(), 0, f"exit status ({tracer.errors().strip()})"))


def main():
    if os.geteuid():
        print("SKIP renegotiation: network namespaces and BPF want root")
        return 0
    suite = Suite(sys.argv[1:])
    cases = [case for case in all_cases() if suite.wants(case.name)]
    for stack, program in (("openssl", "openssl"), ("gnutls", "gnutls-serv"), ("gnutls", "gnutls-cli")):
        if not shutil.which(program) and any(case.stack == stack for case in cases):
            print(f"SKIP renegotiation {stack}: no {program}")
            cases = [case for case in cases if case.stack != stack]
    # an exit like any other: what was made is removed
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        if cases:
            run_all(suite, cases)
    except Exception as error:
        print(f"FAIL renegotiation: {type(error).__name__}: {error}", flush=True)
        return 1
    return 1 if suite.failed else 0


if __name__ == "__main__":
    sys.exit(main())
