#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
TLS stacks against each other: what mtlsnoop says of each handshake at both ends is held against what was configured,
and against what the server said that it saw; once inferred alone, once with what the libraries say. Each case is a full
handshake and a second one, which has to resume it where both stacks can. A line for each pair of stacks, and at the end
a table of right, wrong and unknown, with the reasons. One wrong verdict fails; so does one that is unknown, but for the
reasons in ALLOWED_UNKNOWN, and at most two gaps (verdicts.py).

usage: run.py [--all] [WORD...]     only the pairs whose name contains one of the words

Without --all, each suite is tried with one way of asking, and some pairs are left out.
"""
import contextlib
import itertools
import json
import os
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "live")]

import clients  # noqa: E402
import peers  # noqa: E402
import programs  # noqa: E402
from harness.cgroups import own_cgroup  # noqa: E402
from harness.certificates import DOMAIN, Certificates  # noqa: E402
from harness import PROGRAM, ROOT, Failure, Suite  # noqa: E402
from harness.network import Network  # noqa: E402
from stacks import Environment  # noqa: E402
from verdicts import Verdicts  # noqa: E402

# As OpenSSL names them, and as the registry does.
SUITES = {
    "1.2": {"ECDHE-RSA-AES128-GCM-SHA256": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "ECDHE-RSA-AES256-GCM-SHA384": "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            "ECDHE-RSA-CHACHA20-POLY1305": "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"},
    "1.3": {name: name for name in ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")},
}
CCM = {
    "1.2": {"ECDHE-ECDSA-AES128-CCM": "TLS_ECDHE_ECDSA_WITH_AES_128_CCM"},
    "1.3": {name: name for name in ("TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256")},
}
STANDARD = {name: standard for table in (SUITES, CCM) for names in table.values() for name, standard in names.items()}
# What two of them choose that are told nothing.
STANDARD["ECDHE-ECDSA-AES256-GCM-SHA384"] = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
ASKS = ("never", "optional", "required")
CERTIFICATES = ("none", "good", "strange")
VISITS = 2

# JSSE resumes no session without an extended master secret (RFC 7627 section 5.3), and Go knows that from 1.21 on. But the
# tickets of Go's servers are to live for 0 seconds (RFC 5077 section 3.3: not specified), and JSSE keeps none of these.
NOT_RESUMED = {("1.2", "go", "java"), ("1.2", "java", "go"), ("1.2", "go-1.24", "java")}
# curl takes no tickets up to TLS 1.2; that with GnuTLS none at all, without which TLS 1.3 has no sessions.
TAKES_NO_TICKETS = {("1.2", "curl"), ("1.2", "curl-gnutls"), ("1.3", "curl-gnutls")}
KEEPS_NO_SESSIONS = {"go", "go-1.24", "node"}
# nginx forgets the session of whom it refuses in HTTP.
FORGETS_SESSIONS = {"nginx"}

# JSSE writes each message of its flight by itself. A server that refuses a Certificate may do so before the next is there:
# where its length is one that somebody may pad to, it could be any answer. One in 28 certificates has such a length.
ALLOWED_UNKNOWN = {("java", "1.3", "rejected_certificate"): "padding"}

def expected_verdict(server, asks, certificate):
    """What the configuration makes of a full handshake."""
    if server.verdict:
        return server.verdict(asks, certificate)
    if asks == "never":
        return "not_requested"
    if certificate == "none":
        return "declined" if asks == "optional" else "rejected_without_certificate"
    if certificate == "strange" and (asks == "required" or server.refuses_strange):
        return "rejected_certificate"
    return "presented"


class Case:
    def __init__(self, number, server, client, listener, certificate, port):
        self.listener, self.certificate, self.port = listener, certificate, port
        self.server, self.client = server, client
        # the same for both visits: servers resume no session of another name
        self.name = f"s{number}-{os.getpid()}.{DOMAIN}"
        self.first = expected_verdict(server, listener["asks"], certificate)
        # None where it is left to both sides
        version = listener["version"]
        chosen = version in server.sets_suites or version in client.sets_suites
        self.suite = listener["standard"] if chosen else None

    def __str__(self):
        return f"TLS {self.listener['version']} {self.listener['suite']} {self.listener['asks']} {self.certificate}"

    def job(self, certificates):
        pair = {"good": certificates.good, "strange": certificates.stranger}.get(self.certificate)
        job = {**{key: self.listener[key] for key in ("version", "suite", "standard", "authority")}, "port": self.port,
               "name": self.name, "visits": VISITS, "refused": self.first.startswith("rejected")}
        if pair:
            job.update(certificate=str(pair["rsa"].certificate), key=str(pair["rsa"].key))
        return job

    def _seen(self, answers):
        """What the server says of the last visit; nothing where it was asked for nothing."""
        if not answers[-1]:
            return {"certificate": None, "resumed": None, "suite": None}
        return self.server.read(answers) if self.server.read else json.loads(answers[-1].splitlines()[-1])

    def _resumed(self, turn):
        version, asks, server, client = self.listener["version"], self.listener["asks"], self.server.name, self.client.name
        if not turn or (version, server, client) in NOT_RESUMED:
            return False
        if (version, client) not in TAKES_NO_TICKETS:
            return True
        if version == "1.3" or server in KEEPS_NO_SESSIONS:
            return False
        unwelcome = self.certificate == "strange" or (self.certificate == "none" and asks == "required")
        return not (server in FORGETS_SESSIONS and asks != "never" and unwelcome)

    def expected(self, turn, all_said):
        """The verdict and the suite. What is wrong with the configuration, the server's word tells."""
        said = all_said[turn]
        refused = self.first.startswith("rejected")
        if ("answer" in said) == refused:
            raise Failure(f"{self}: the client says {said}, expected {self.first}")
        if refused:
            return self.first, None
        seen = self._seen([one.get("answer") for one in all_said[:turn + 1]])
        suite = STANDARD.get(seen["suite"], seen["suite"])
        if None not in (self.suite, suite) and self.suite != suite:
            raise Failure(f"{self}: the server has the suite {suite}")
        resumed = self._resumed(turn)
        for who, word in (("server", seen["resumed"]), ("client", said.get("resumed"))):
            if word not in (None, resumed):
                raise Failure(f"{self}: in visit {turn} the {who} says that resumed is {word}")
        if not resumed and seen["certificate"] not in (None, self.first == "presented"):
            raise Failure(f"{self}: the server saw {seen}, expected {self.first}")
        return "resumed" if resumed else self.first, suite or self.suite


def listeners(server, certificates):
    for version in SUITES:
        taken = [suite for suite in CCM[version] if suite in server.ccm]
        for suite, asks in itertools.product([*SUITES[version], *taken], ASKS):
            pair = certificates.server["ecdsa" if "ECDSA" in suite else "rsa"]
            yield {"version": version, "suite": suite, "standard": STANDARD[suite], "asks": asks,
                   "authority": str(certificates.authority), "certificate": str(pair.certificate), "key": str(pair.key)}


class Stacks:
    def __init__(self, stack, directory, everything):
        # what others do on this host at the same time is not looked at
        cgroup = stack.enter_context(own_cgroup())
        self.network = Network(stack)
        self.certificates = Certificates(directory / "certificates")
        self.environment = Environment(self.network, self.certificates, directory, stack)
        self.programs = programs.Programs(self.environment)
        self.stack = stack
        self.everything = everything
        self.numbers = itertools.count()
        self.servers, self.clients = {}, {}
        self.verdicts = Verdicts(stack, cgroup)

    def _peer(self, namespace, stack, mode):
        return peers.Peer(self.stack, namespace, stack.command, mode, self.network.servers.address)

    def server(self, stack):
        """Its listeners, each with its port. It is started once."""
        if stack.name not in self.servers:
            jobs = list(listeners(stack, self.certificates))
            if stack.start:
                started = self.programs.start(stack)
                ports = [started[job["asks"]] for job in jobs]
            else:
                ports = self._peer(self.network.servers, stack, "server").ask(jobs)
            self.servers[stack.name] = list(zip(jobs, ports))
        return self.servers[stack.name]

    def client(self, stack):
        if stack.name not in self.clients and stack.client:
            self.clients[stack.name] = stack.client(self.environment, stack.command)
        elif stack.name not in self.clients:
            self.clients[stack.name] = self._peer(self.network.clients, stack, "client")
        return self.clients[stack.name]

    def wanted(self, server, client, listener):
        """The same handshake is not made twice, where none of both is told the suite."""
        version, suite, asks = listener["version"], listener["suite"], listener["asks"]
        suites = list(SUITES[version])
        chosen = version in server.sets_suites + client.sets_suites
        if suite in CCM[version]:
            return suite in client.ccm and chosen and (self.everything or asks == "required")
        if not chosen:
            return suite == suites[0]
        # one of them for each way of asking
        return self.everything or suites.index(suite) == ASKS.index(asks)

    def pair(self, server, client):
        ports = self.server(server)
        visitor = self.client(client)
        done, wrong = [], []
        for (listener, port), certificate in itertools.product(ports, CERTIFICATES):
            if self.wanted(server, client, listener):
                case = Case(next(self.numbers), server, client, listener, certificate, port)
                done.append((case, visitor.ask(case.job(self.certificates))))
        for case, said in done:
            wrong += self.judge((server.name, client.name), case, said)
        if wrong:
            raise Failure("; ".join(wrong[:10]))

    def judge(self, pair, case, said):
        def allowed(mode, verdict, record):
            return ALLOWED_UNKNOWN.get((pair[1], record["tls"]["version"], verdict))

        expected = [case.expected(turn, said) for turn in range(VISITS)]
        return self.verdicts.judge(pair, case, case.name, expected, allowed)


def every_day(server, client):
    return server.daily is None and (client.daily is None or server.name in client.daily)


def main():
    if os.geteuid() or not os.access(PROGRAM, os.X_OK):
        print("SKIP stacks: needs root and a built program")
        return 0
    words = sys.argv[1:]
    everything = "--all" in words
    suite = Suite([word for word in words if word != "--all"])
    directory = ROOT / "build" / "stacks-run" / str(os.getpid())
    directory.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, directory, True)
        both = list(peers.stacks(directory, peers.KINDS))
        servers = both + list(programs.servers())
        visitors = both + list(peers.stacks(directory, peers.CLIENT_KINDS)) + list(clients.clients())
        for one in dict.fromkeys(servers + visitors):
            if one.missing:
                print(f"SKIP stacks: {one.name}: {one.missing}")
        stacks = Stacks(stack, directory, everything)
        for server, client in itertools.product(servers, visitors):
            if not server.missing and not client.missing and (everything or every_day(server, client)):
                suite.run(f"stacks: server {server.name}, client {client.name}", stacks.pair, server, client)
        stacks.verdicts.table.print()
    return 1 if suite.failed else 0


if __name__ == "__main__":
    sys.exit(main())
