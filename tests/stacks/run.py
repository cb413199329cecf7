#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
TLS stacks against each other: what mtlsnoop says of each handshake at both ends is held against what was configured,
and against what the server said that it saw; once inferred alone, once with what the libraries say. Each case is a full
handshake and a second one, which has to resume it where both stacks can. A line for each pair of stacks, and at the end
a table of right, wrong and unknown, with the reasons. One wrong verdict fails; so does one that is unknown, but for the
reasons in ALLOWED_UNKNOWN, and at most GAPS_MAX gaps.

usage: run.py [--all] [WORD...]     only the pairs whose name contains one of the words

Without --all, each suite is tried with one way of asking.
"""
import collections
import contextlib
import itertools
import json
import os
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "live"), str(HERE.parent / "metrics")]

import peers  # noqa: E402
import programs  # noqa: E402
from certificates import DOMAIN, Certificates  # noqa: E402
from harness import PROGRAM, ROOT, Failure, Suite, Tracer, wait_until  # noqa: E402
from network import Network  # noqa: E402
from program import own_cgroup  # noqa: E402

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
ASKS = ("never", "optional", "required")
CERTIFICATES = ("none", "good", "strange")
LIBRARY_MODES = ("off", "auto")  # inferred alone, and with what the libraries say
VISITS = 2

# JSSE resumes no session without an extended master secret (RFC 7627 section 5.3), and Go knows that from 1.21 on.
NOT_RESUMED = {("1.2", frozenset(("go", "java")))}

# JSSE writes each message of its flight by itself. A server that refuses the first, a Certificate or an empty one, may do
# so before the next is there: then nothing shows that the client does not pad, or to what the server's alert is a reply.
ALLOWED_UNKNOWN = {("java", "1.3", "rejected_certificate"): "padding",
                   ("java", "1.3", "rejected_without_certificate"): "abandoned"}
# A packet that comes while another CPU is in the same direction is lost to the walk (docs/design.md, Concurrency). On loopback
# with two CPUs that is rare, and each of the two tracers meets it: more than that is a defect.
GAPS_MAX = 2


def expected_verdict(server, asks, certificate):
    """What the configuration makes of a full handshake."""
    if server.verdict:
        return server.verdict(server.name, asks, certificate)
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
               "name": self.name, "visits": VISITS}
        if pair:
            job.update(certificate=str(pair["rsa"].certificate), key=str(pair["rsa"].key))
        return job

    def expected(self, turn, all_said):
        """The verdict and the suite. What is wrong with the configuration, the server's word tells."""
        said = all_said[turn]
        refused = self.first.startswith("rejected")
        if ("answer" in said) == refused:
            raise Failure(f"{self}: the client says {said}, expected {self.first}")
        if refused:
            return self.first, None
        answers = [one.get("answer") for one in all_said[:turn + 1]]
        seen = self.server.read(answers) if self.server.read else json.loads(answers[-1].splitlines()[-1])
        suite = STANDARD.get(seen["suite"], seen["suite"])
        if None not in (self.suite, suite) and self.suite != suite:
            raise Failure(f"{self}: the server has the suite {suite}")
        pair = frozenset((self.server.name, self.client.name))
        resumed = bool(turn) and (self.listener["version"], pair) not in NOT_RESUMED
        if seen["resumed"] != resumed:
            raise Failure(f"{self}: in visit {turn} the server says that resumed is {seen['resumed']}")
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


class Table:
    def __init__(self):
        self.counts = collections.defaultdict(collections.Counter)
        self.reasons = collections.Counter()
        self.gaps = 0

    def add(self, pair, expected, record):
        actual, reason = record["mtls"]["client_auth"], record["mtls"]["reason"]
        counts = self.counts[pair]
        if actual == expected:
            counts["right"] += 1
            counts[record["mtls"]["evidence"]] += 1
            return None
        if actual == "unknown":
            counts["unknown"] += 1
            self.reasons[pair, reason] += 1
            if ALLOWED_UNKNOWN.get((pair[1], record["tls"]["version"], expected)) == reason:
                return None
            if reason == "gap":
                self.gaps += 1
            if reason == "gap" and self.gaps <= GAPS_MAX:
                return None
            return f"unknown ({reason}), expected {expected}"
        counts["wrong"] += 1
        return f"{actual}, expected {expected}"

    def print(self):
        print("server        client        library  right  cleartext inferred library  wrong  unknown")
        for (server, client, mode), counts in sorted(self.counts.items()):
            print(f"{server:13} {client:13} {mode:7} {counts['right']:6} {counts['cleartext']:10} {counts['inferred']:8} "
                  f"{counts['library']:7} {counts['wrong']:6} {counts['unknown']:8}")
        for ((server, client, mode), reason), count in sorted(self.reasons.items()):
            print(f"unknown: {count} of server {server}, client {client}, library {mode}: {reason}")


class Stacks:
    def __init__(self, stack, directory, everything):
        # what others do on this host at the same time is not looked at
        cgroup = stack.enter_context(own_cgroup())
        self.network = Network(stack)
        self.certificates = Certificates(directory / "certificates")
        self.programs = programs.Programs(self.network, self.certificates, directory, stack)
        self.stack = stack
        self.everything = everything
        self.table = Table()
        self.numbers = itertools.count()
        self.servers, self.clients = {}, {}
        self.tracers = {mode: stack.enter_context(Tracer("--json", f"--library={mode}", f"--cgroup={cgroup}"))
                        for mode in LIBRARY_MODES}
        for tracer in self.tracers.values():
            if not wait_until(lambda: self._attached(tracer), 20):
                raise Failure(f"not attached: {tracer.errors()}")

    @staticmethod
    def _attached(tracer):
        directory = f"/proc/{tracer.process.pid}/fd"
        links = [os.readlink(f"{directory}/{fd}") for fd in os.listdir(directory)
                 if os.path.islink(f"{directory}/{fd}")]
        return sum("bpf_link" in link for link in links) >= 2

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
        if stack.name not in self.clients:
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
        """In the order in which they began, at each end."""
        wrong = []
        expected = [case.expected(turn, said) for turn in range(VISITS)]
        for mode, tracer in self.tracers.items():
            records = tracer.wait_for(case.name, 2 * VISITS)
            for role in ("client", "server"):
                found = [record for record in records if record["mtls"]["role"] == role]
                if len(found) != VISITS:
                    wrong.append(f"{case}, library {mode}: {len(found)} records of the {role}, expected {VISITS}")
                    continue
                found.sort(key=lambda record: record["@timestamp"])
                for turn, record in enumerate(found):
                    where = f"{case}, library {mode}, as {role}, visit {turn}"
                    wrong += [f"{where}: {what}" for what in self.differences((*pair, mode), *expected[turn], record)]
        return wrong

    def differences(self, key, verdict, suite, record):
        found = self.table.add(key, verdict, record)
        if found:
            yield found
        if suite and record["tls"]["cipher"] != suite:
            yield f"the suite {record['tls']['cipher']}, expected {suite}"


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
        clients, others = list(peers.stacks(directory)), list(programs.servers())
        for one in clients + others:
            if one.missing:
                print(f"SKIP stacks: {one.name}: {one.missing}")
        stacks = Stacks(stack, directory, everything)
        for server, client in itertools.product(clients + others, clients):
            if not server.missing and not client.missing:
                suite.run(f"stacks: server {server.name}, client {client.name}", stacks.pair, server, client)
        stacks.table.print()
    return 1 if suite.failed else 0


if __name__ == "__main__":
    sys.exit(main())
