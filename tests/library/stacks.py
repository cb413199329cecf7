#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
TLS libraries other than OpenSSL, as they see their own handshakes: GnuTLS, and Go with and without symbols, in TLS 1.2
and 1.3, asked in all ways, with all certificates. What is expected is what both ends were configured to do, and what the
client says became of it. usage: stacks.py [WORD...] (only the cases with one of the words in their name)
"""

import contextlib
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "live")]

from harness.certificates import Certificates  # noqa: E402
from expectation import ABSENT, field  # noqa: E402
from go_program import DEBIAN, build_go  # noqa: E402
from harness import ROOT, Failure, Skip, Suite, Tracer, expect, wait_until  # noqa: E402
from matrix import CERTIFICATES, DECLINED, NOT_REQUESTED, PRESENTED, REJECTED, REJECTED_WITHOUT, RESUMED  # noqa: E402
from harness.network import Network  # noqa: E402
from stacks import ASKS, CLIENTS, Environment, Visit, end, start_gnutls, wait_for_port  # noqa: E402
from stacks import Server  # noqa: E402

FIRST_PORT = 27301
VERSIONS = ("1.2", "1.3")
ROLES = ("client", "server")
VISIT_SECONDS = 15
PROBED_SECONDS = 20

# Ways to link what is otherwise the same program.
BUILDS = {"go": (), "go-stripped": ("-ldflags=-s -w",), "go-pie": ("-buildmode=pie", "-ldflags=-s -w")}

# Debian's own Go, and one that was unpacked: tests/unpack-release trixie build/go golang-1.24-go golang-1.24-src
TOOLCHAINS = {"": DEBIAN, "-1.24": str(ROOT / "build" / "go" / "usr" / "lib" / "go-1.24")}

# The server has none of the groups that the client has keys of: HelloRetryRequest.
RETRY = "NORMAL:-GROUP-ALL:+GROUP-SECP521R1"


class GoClient:
    """One that stays: a program that ends at once is over before its file is known."""

    def __init__(self, environment, program):
        self._process = subprocess.Popen(environment.network.clients.command(program, "visit"), stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True, env=environment.variables)
        self._address = environment.network.servers.address
        environment.stack.callback(self._process.stdout.close)
        environment.stack.callback(self._process.stdin.close)
        environment.stack.callback(end, self._process)

    def __call__(self, environment, visit):
        pair = (visit.pair.certificate, visit.pair.key) if visit.pair else ("-", "-")
        words = (f"{self._address}:{visit.server.port}", visit.name, visit.version, *pair)
        expired = threading.Timer(VISIT_SECONDS, self._process.kill)
        expired.start()
        try:
            print(*words, file=self._process.stdin, flush=True)
            return self._process.stdout.readline().strip()
        finally:
            expired.cancel()


def visit_with_gnutls(environment, visit):
    return CLIENTS["gnutls"](environment, visit)[0]


def start_go(environment, name, program, port, asks):
    certificates = environment.certificates
    address = f"{environment.network.servers.address}:{port}"
    process = environment.start(environment.network.servers, f"{name}-{asks}", program, "serve", address, asks,
                                certificates.server["rsa"].certificate, certificates.server["rsa"].key,
                                certificates.authority)
    wait_for_port(environment.network.servers, port, process)
    return Server("go", asks, port)


@dataclass(frozen=True)
class Stack:
    name: str
    servers: tuple
    client: object


@dataclass(frozen=True)
class Case:
    name: str
    stack: Stack
    visit: Visit
    kind: str  # of the certificate

    def outcomes(self):
        """Of its connections, in order."""
        first = outcome_of(self.visit.server, self.kind)
        return (first, RESUMED) if self.visit.resume else (first,)


def outcome_of(server, kind):
    """By what the documentation of both says of their settings."""
    if server.asks == "never":
        return NOT_REQUESTED
    if server.asks == "required" and kind != "good":
        return REJECTED_WITHOUT if kind == "none" else REJECTED
    return DECLINED if kind == "none" else PRESENTED


class Library:
    """What the cases share."""

    def __init__(self, stack):
        self._directory = self._make_directory(ROOT / "build" / "library")
        self.network = Network(stack)
        self.environment = Environment(self.network, Certificates(self._directory / "certificates"), self._directory,
                                       stack)
        self._ports = iter(range(FIRST_PORT, FIRST_PORT + 100))
        self.stacks = [self._start_gnutls()]
        self._retrying = start_gnutls(self.environment, next(self._ports), "optional", RETRY)
        self.missing = {}
        for release, toolchain in TOOLCHAINS.items():
            for build, options in BUILDS.items():
                self._start_go(f"{build}{release}", toolchain, options)

    def _make_directory(self, above):
        """What a run has made stays to be looked at, until the next one."""
        above.mkdir(parents=True, exist_ok=True)
        for old in above.iterdir():
            if not os.path.exists(f"/proc/{old.name}"):
                shutil.rmtree(old)
        directory = above / str(os.getpid())
        directory.mkdir()
        return directory

    def _start_gnutls(self):
        servers = tuple(start_gnutls(self.environment, next(self._ports), asks) for asks in ASKS)
        return Stack("gnutls", servers, visit_with_gnutls)

    def _start_go(self, name, toolchain, options):
        program = build_go(self._directory, name, toolchain, options, HERE / "go" / "peer.go")
        if isinstance(program, str):
            self.missing[name] = program
            return
        servers = tuple(start_go(self.environment, name, program, next(self._ports), asks) for asks in ASKS)
        self.stacks.append(Stack(name, servers, GoClient(self.environment, program)))

    def ports(self):
        return [self._retrying.port] + [server.port for stack in self.stacks for server in stack.servers]

    def _case(self, stack, server, version, kind, what="", resume=""):
        certificates = self.environment.certificates
        pair = {"none": None, "good": certificates.good["ecdsa"], "stranger": certificates.stranger["rsa"]}[kind]
        name = f"{stack.name}/{what or server.asks}/{version}/{kind}"
        sni = f"{name.replace('/', '-').replace('.', '-')}-{os.getpid()}.live.test"
        return Case(name, stack, Visit(server, version, sni, pair, resume), kind)

    def cases(self):
        for stack in self.stacks:
            yield from (self._case(stack, server, "1.3", kind) for server in stack.servers for kind in CERTIFICATES)
            # all of it is in cleartext: that what the library says beside it does not contradict
            yield from (self._case(stack, server, "1.2", "good") for server in stack.servers)
        gnutls, optional = self.stacks[0], self.stacks[0].servers[1]
        yield from (self._case(gnutls, self._retrying, "1.3", kind, "retry") for kind in ("none", "good"))
        yield from (self._case(gnutls, optional, version, "good", "resumed", "ticket") for version in VERSIONS)


def expected_fields(case, outcome):
    version = case.visit.version
    shown = outcome.answer == "certificate"
    # a resumption is read in ServerHello, and up to TLS 1.2 all is
    inferred = version == "1.3" and not outcome.resumed
    return {
        "mtls.client_auth": outcome.client_auth,
        "mtls.requested": outcome.requested,
        "mtls.answer": outcome.answer,
        "mtls.evidence": "library" if inferred else "cleartext",
        "mtls.reason": None,
        "tls.version": version,
        "tls.client.subject": case.visit.pair.subject if shown else ABSENT,
    }


def check_said(case, said):
    """The rule must be what the client saw: Go says nil where all was well, gnutls-cli that the handshake was completed."""
    completed = case.outcomes()[0].completed
    if case.stack.name == "gnutls":
        expect("Fatal error" not in said and "certificate is required" not in said.lower(), completed,
               "rule: gnutls-cli says that all went well")
    else:
        expect(said == "<nil>", completed, f"rule: the client says that all went well ({said})")


def check(case, said, tracer):
    """Each connection is told of by both ends, in the order in which they were made."""
    check_said(case, said)
    outcomes = case.outcomes()
    found = tracer.wait_for(case.visit.name, 2 * len(outcomes), 6)
    differences = []
    for role in ROLES:
        records = [record for record in found if record["mtls"]["role"] == role]
        expect(len(records), len(outcomes), f"records of the {role}")
        for record, outcome in zip(records, outcomes):
            for path, expected in expected_fields(case, outcome).items():
                if field(record, path) != expected:
                    differences.append(f"{role}: {path} is {field(record, path)!r}, expected {expected!r}")
    if differences:
        raise Failure("; ".join(differences))


def wait_until_probed(library, stack, tracer):
    """A program that runs is found within seconds: what it did before is inferred."""
    attempts = iter(range(1000))

    def probed():
        visit = Visit(stack.servers[0], "1.3", f"probe{next(attempts)}-{stack.name.replace('.', '-')}-{os.getpid()}.live.test")
        stack.client(library.environment, visit)
        records = tracer.wait_for(visit.name, 2, 6)
        return len(records) == 2 and all(field(record, "mtls.evidence") == "library" for record in records)

    if not wait_until(probed, timeout=PROBED_SECONDS):
        raise Failure(f"not probed within {PROBED_SECONDS} s: {tracer.errors().strip()}")


def skip(reason):
    raise Skip(reason)


def main():
    suite = Suite(sys.argv[1:])
    if os.geteuid():
        print("SKIP stacks: needs root")
        return 0
    with contextlib.ExitStack() as stack:
        library = Library(stack)
        for name, reason in library.missing.items():
            suite.run(name, skip, reason)
        cases = [case for case in library.cases() if suite.wants(case.name)]
        ports = [f"--port={port}" for port in library.ports()]
        with Tracer("--json", *ports) as tracer:
            for each in library.stacks:
                wait_until_probed(library, each, tracer)
            said = [case.stack.client(library.environment, case.visit) for case in cases]
            for case, words in zip(cases, said):
                suite.run(case.name, check, case, words, tracer)
            expect(tracer.stop(), 0, "exit status")
    return 1 if suite.failed else 0


if __name__ == "__main__":
    sys.exit(main())
