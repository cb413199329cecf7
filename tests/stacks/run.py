#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
TLS stacks against each other, each as one process that makes many handshakes: what mtlsnoop says of each at both ends is
held against what was configured, and against what the server said it saw; once inferred alone, once with what the
libraries say. Each case is a full handshake and a second one that may resume it. A line for each pair of stacks, and at
the end a table of right, wrong and unknown, with the reasons. One wrong verdict fails; so does an unknown one: between
these stacks there is none that could not be told.

usage: run.py [WORD...]     only the pairs whose name contains one of the words
"""
import collections
import contextlib
import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "live"))

from certificates import DOMAIN, Certificates  # noqa: E402
from harness import PROGRAM, ROOT, Failure, Suite, Tracer, wait_until  # noqa: E402
from network import Network  # noqa: E402

SUITES = {
    "1.2": ("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305"),
    "1.3": ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"),
}
ASKS = ("never", "optional", "required")
CERTIFICATES = ("none", "good", "strange")
LIBRARY_MODES = ("off", "auto")  # inferred alone, and with what the libraries say
PEERS = {"python": [sys.executable, str(HERE / "python_peer.py")], "node": ["node", str(HERE / "node_peer.js")]}
# Python sets no suites of TLS 1.3: one that is not on both sides' mind is left to the other
SETS_SUITES = {"python": {"1.2"}, "node": {"1.2", "1.3"}}


class Peer:
    """A process that speaks lines of JSON."""

    def __init__(self, stack, namespace, name, mode, address):
        command = namespace.command(*PEERS[name], mode, address)
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        stack.callback(self.close)

    def close(self):
        self.process.kill()
        self.process.communicate()

    def ask(self, what):
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise Failure("the peer has ended")
        return json.loads(line)


def expected_verdict(server, asks, certificate):
    """What the configuration makes of a full handshake. Python's CERT_OPTIONAL refuses what it cannot verify; Node does not."""
    if asks == "never":
        return "not_requested"
    if certificate == "none":
        return "declined" if asks == "optional" else "rejected_without_certificate"
    refuses = asks == "required" or server == "python"
    if certificate == "strange" and refuses:
        return "rejected_certificate"
    return "presented"


class Case:
    def __init__(self, number, server, client, listener, certificate, port):
        self.listener, self.certificate, self.port = listener, certificate, port
        self.server, self.client = server, client
        self.names = [f"s{number}-{turn}-{os.getpid()}.{DOMAIN}" for turn in range(2)]
        self.first = expected_verdict(server, listener["asks"], certificate)

    def __str__(self):
        return f"TLS {self.listener['version']} {self.listener['suite']} {self.listener['asks']} {self.certificate}"

    def job(self, certificates):
        pair = {"good": certificates.good, "strange": certificates.stranger}.get(self.certificate)
        job = {**{key: self.listener[key] for key in ("version", "suite", "authority")}, "port": self.port,
               "names": self.names}
        if pair:
            job.update(certificate=str(pair["rsa"].certificate), key=str(pair["rsa"].key))
        return job

    def expected(self, said):
        """The verdict, and what is wrong with the configuration: the server's word of it."""
        refused = self.first.startswith("rejected")
        # up to TLS 1.2 a refused client hears of it in the handshake, later it may be told as its connection's end
        if ("error" in said) != refused:
            raise Failure(f"{self}: the client says {said}, expected {self.first}")
        if refused:
            return self.first
        if said["resumed"]:
            return "resumed"
        if said["certificate"] != (self.first == "presented"):
            raise Failure(f"{self}: the server saw {said}, expected {self.first}")
        return self.first


def listeners(server, certificates):
    for version, suites in SUITES.items():
        chosen = suites if version in SETS_SUITES[server] else suites[:1]
        for suite, asks in itertools.product(chosen, ASKS):
            yield {"version": version, "suite": suite, "asks": asks, "authority": str(certificates.authority),
                   "certificate": str(certificates.server["rsa"].certificate), "key": str(certificates.server["rsa"].key)}


class Table:
    def __init__(self):
        self.counts = collections.defaultdict(collections.Counter)
        self.reasons = collections.Counter()

    def add(self, pair, expected, record):
        actual, reason = record["mtls"]["client_auth"], record["mtls"]["reason"]
        if actual == expected:
            self.counts[pair]["right"] += 1
            return None
        if actual == "unknown":
            self.counts[pair]["unknown"] += 1
            self.reasons[pair, reason] += 1
            return f"unknown ({reason}), expected {expected}"
        self.counts[pair]["wrong"] += 1
        return f"{actual}, expected {expected}"

    def print(self):
        print("server   client   library  right  wrong  unknown")
        for (server, client, mode), counts in sorted(self.counts.items()):
            print(f"{server:8} {client:8} {mode:8} {counts['right']:5} {counts['wrong']:6} {counts['unknown']:8}")
        for ((server, client, mode), reason), count in sorted(self.reasons.items()):
            print(f"unknown: {count} of server {server}, client {client}, library {mode}: {reason}")


class Stacks:
    def __init__(self, stack, directory):
        self.network = Network(stack)
        self.certificates = Certificates(directory / "certificates")
        self.stack = stack
        self.table = Table()
        self.numbers = itertools.count()
        self.tracers = {mode: stack.enter_context(Tracer("--json", f"--library={mode}")) for mode in LIBRARY_MODES}
        for tracer in self.tracers.values():
            if not wait_until(lambda: self._attached(tracer), 20):
                raise Failure(f"not attached: {tracer.errors()}")

    @staticmethod
    def _attached(tracer):
        directory = f"/proc/{tracer.process.pid}/fd"
        links = [os.readlink(f"{directory}/{fd}") for fd in os.listdir(directory)
                 if os.path.islink(f"{directory}/{fd}")]
        return sum("bpf_link" in link for link in links) >= 2

    def peer(self, namespace, name, mode):
        return Peer(self.stack, namespace, name, mode, self.network.servers.address)

    def pair(self, server, client):
        jobs = list(listeners(server, self.certificates))
        ports = self.peer(self.network.servers, server, "server").ask(jobs)
        visitor = self.peer(self.network.clients, client, "client")
        wrong, done = [], []
        for listener, port in zip(jobs, ports):
            for certificate in CERTIFICATES:
                case = Case(next(self.numbers), server, client, listener, certificate, port)
                done.append((case, visitor.ask(case.job(self.certificates))))
        for case, said in done:
            wrong += self.judge((server, client), case, said)
        if wrong:
            raise Failure("; ".join(wrong[:10]))

    def judge(self, pair, case, said):
        wrong = []
        for (turn, one), mode in itertools.product(enumerate(said), LIBRARY_MODES):
            expected = case.expected(one)
            records = self.tracers[mode].wait_for(case.names[turn], 2)
            if len(records) != 2:
                wrong.append(f"{case}, library {mode}: {len(records)} records, expected 2")
            for record in records:
                found = self.table.add((*pair, mode), expected, record)
                if found:
                    wrong.append(f"{case}, library {mode}, as {record['mtls']['role']}, turn {turn}: {found}")
        return wrong


def main():
    if os.geteuid() or not os.access(PROGRAM, os.X_OK):
        print("SKIP stacks: needs root and a built program")
        return 0
    suite = Suite(sys.argv[1:])
    directory = ROOT / "build" / "stacks-run" / str(os.getpid())
    directory.mkdir(parents=True, exist_ok=True)
    names = [name for name in PEERS if shutil.which(PEERS[name][0])]
    for name in sorted(PEERS.keys() - set(names)):
        print(f"SKIP stacks: {name}: not installed")
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, directory, True)
        stacks = Stacks(stack, directory)
        for server, client in itertools.product(names, repeat=2):
            suite.run(f"stacks: server {server}, client {client}", stacks.pair, server, client)
        stacks.table.print()
    return 1 if suite.failed else 0


if __name__ == "__main__":
    sys.exit(main())
