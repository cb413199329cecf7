#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
The whole program against live TLS stacks. usage: run.py [WORD...] (only the cases with one of the words in their name)

Clients and servers meet in network namespaces and a cgroup of their own; one mtlsnoop sees both ends of each connection,
and tshark reads the same packets beside it.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

import matrix  # noqa: E402
from harness.certificates import Certificates  # noqa: E402
from expectation import (  # noqa: E402
    by_role, certificate_fields, demand, field_differences, message_differences, oracle_fields, request_fields, role_fields,
    time_differences, type_differences, verdict_fields,
)
from harness.cgroups import own_cgroup  # noqa: E402
from commandline import CommandLine  # noqa: E402
from contract import breaches  # noqa: E402
from exchanges import Exchanges, carry_out  # noqa: E402
from harness import PROGRAM, ROOT, Failure, Skip, Suite, Tracer, expect, server_name_of, wait_until  # noqa: E402
from harness.network import INTERFACE, Network  # noqa: E402
from oracle import Capture  # noqa: E402
from stacks import ASKS, CLIENTS, Environment, nginx_program, start_gnutls, start_nginx, start_openssl  # noqa: E402
from testimony import READERS  # noqa: E402

FIRST_PORT = 27101


class Live:
    """What the cases share."""

    def __init__(self, stack, run):
        self.run = run
        # what others do on this host at the same time is not counted
        self.cgroup = stack.enter_context(own_cgroup())
        directory = self._make_directory(ROOT / "build" / "live")
        self.network = Network(stack)
        self.environment = Environment(self.network, Certificates(directory / "certificates"), directory, stack)
        self.certificates = self.environment.certificates
        self.servers = self._start_servers()

    def _make_directory(self, above):
        """Configuration, logs and captures of a run stay to be looked at, until the next one."""
        above.mkdir(parents=True, exist_ok=True)
        for old in above.iterdir():
            if not os.path.exists(f"/proc/{old.name}"):
                shutil.rmtree(old)
        directory = above / str(self.run)
        directory.mkdir()
        return directory

    def _start_servers(self):
        ports = iter(range(FIRST_PORT, FIRST_PORT + 100))
        servers = [start_openssl(self.environment, next(ports), asks) for asks in ASKS]
        servers += [start_gnutls(self.environment, next(ports), asks) for asks in ASKS]
        program = nginx_program(ROOT)
        if program:
            listeners = [(next(ports), name, asks) for name in ("nginx", "deferred") for asks in ASKS]
            servers += start_nginx(self.environment, program, listeners)
        return servers

    def server(self, stack, asks):
        return next((server for server in self.servers if (server.stack, server.asks) == (stack, asks)), None)

    def asking_server(self):
        """One that completes the handshake whatever the client answers."""
        return self.server("nginx", "required") or self.server("gnutls", "optional")


class Visited:
    """A case of the matrix whose client has run."""

    def __init__(self, live, case):
        self.case = case
        self.started = time.time()
        outputs = CLIENTS[case.client](live.environment, case.visit)
        self.ended = time.time()
        log = live.environment.directory / f"client-{case.visit.name}.log"
        log.write_text("\n".join(outputs))
        self.testimonies = READERS[case.client](outputs)


def check_rule(visited, conversations):
    """The rule that says how the case ends must be what the programs and tshark saw, or the case means nothing."""
    case = visited.case
    expect(len(visited.testimonies), len(case.outcomes), "connections that the client tells of")
    expect(len(conversations), len(case.outcomes), "connections that tshark saw")
    for outcome, testimony, conversation in zip(case.outcomes, visited.testimonies, conversations):
        for name in ("completed", "resumed", "requested", "answer"):
            said = getattr(testimony, name)
            if said is not None:
                expect(said, getattr(outcome, name), f"rule: the {case.client} client says of {name}")
        if testimony.seen is not None and not outcome.resumed:
            expect(testimony.seen, outcome.answer == "certificate", "rule: the server says of a certificate")
        if case.visit.version != "1.3":
            expect(conversation.requested, outcome.requested, "rule: tshark says of requested")
            expect(conversation.answer, outcome.answer, "rule: tshark says of answer")


def matrix_fields(case, index, conversation):
    """Of the connection number index of the case."""
    version, outcome = case.visit.version, case.outcomes[index]
    fields = {"tls.version": version, "tls.version_protocol": "tls", **verdict_fields(outcome, version),
              **request_fields(outcome, version), **certificate_fields(outcome, version, case.visit.pair),
              **oracle_fields(conversation, version)}
    if case.client == "gnutls" and version == "1.3" and case.visit.resume and index == 0:
        # gnutls-cli leaves with nothing but the ticket, which the server may send before the client's Finished: then
        # nothing shows that the server took it
        for path in ("tls.established", "event.outcome", "mtls.end", "mtls.ended_by"):
            del fields[path]
    return fields


def check_matrix_case(visited, conversations, tracer):
    case = visited.case
    check_rule(visited, conversations)
    found = by_role(tracer.wait_for(case.visit.name, 2 * len(case.outcomes), 2), case.visit.name, len(case.outcomes))
    differences = []
    for role, records in found.items():
        for index, (record, conversation) in enumerate(zip(records, conversations)):
            wrong = field_differences(record, {**matrix_fields(case, index, conversation), **role_fields(role)})
            wrong += message_differences(record, conversation)
            wrong += time_differences(record, visited.started, visited.ended)
            differences += [f"{role}: {difference}" for difference in wrong]
    demand(differences)


def check_capture(visits, conversations, path):
    """What tshark wrote, read by mtlsnoop: the same as live, but that it is nobody's end."""
    done = subprocess.run([PROGRAM, "--json", "--read", path], capture_output=True, text=True, timeout=120)
    expect(done.returncode, 0, f"exit status ({done.stderr.strip()})")
    records = {}
    for line in done.stdout.splitlines():
        record = json.loads(line)
        records.setdefault(server_name_of(record), []).append(record)
    differences = []
    for visited in visits:
        name, expected = visited.case.visit.name, len(visited.case.outcomes)
        # told in the order in which they ended
        found = sorted(records.get(name, []), key=lambda record: record["@timestamp"])
        if len(found) != expected:
            differences.append(f"{visited.case.name}: {len(found)} records, expected {expected}")
            continue
        for index, (record, conversation) in enumerate(zip(found, conversations.get(name, []))):
            fields = {**matrix_fields(visited.case, index, conversation), "mtls.role": "observer"}
            wrong = field_differences(record, fields) + message_differences(record, conversation)
            wrong += time_differences(record, visited.started, visited.ended)
            differences += [f"{visited.case.name}: {difference}" for difference in wrong]
    if differences:
        raise Failure(f"{len(differences)} differences, the first of them: " + "; ".join(differences[:5]))


def wait_for_attachment(live, tracer):
    """mtlsnoop is ready when it tells of a connection: what came before is not its to tell."""
    server = live.server("openssl", "never")

    def attached():
        if tracer.process.poll() is not None:
            raise Failure(f"mtlsnoop ended with status {tracer.process.returncode}: {tracer.errors().strip()}")
        name = f"probe-{live.run}.live.test"
        CLIENTS["openssl"](live.environment, matrix.Visit(server, "1.2", name))
        return wait_until(lambda: tracer.records(name), timeout=0.3)

    if not wait_until(attached, timeout=15):
        raise Failure(f"mtlsnoop tells of nothing: {tracer.errors().strip()}")


def check_all_lines(tracer, names, addresses):
    """After the run: every line keeps the contract, and each of these namespaces is of a connection that was made."""
    lines = tracer.lines()
    if not lines:
        raise Failure("there are no lines")
    for line in lines:
        demand([f"{breach} in {line.strip()}" for breach in breaches(line)])
    # plain text to a server of TLS has no name
    ours = {str(server_name_of(record)) for record in tracer.records()
            if record["destination"]["ip"] in addresses and record["mtls"]["client_auth"] != "not_tls"}
    expect(sorted(ours - names), [], "server names of lines that nobody asked for")


def check_errors(tracer):
    """
    Nothing lost, of what this run has made itself: its servers may still close what was open before, and two CPUs may bring
    a stream's segments out of order, which loses nothing.
    """
    harmless = ("(midstream)", "reassembled outside the kernel")
    told = [line for line in tracer.errors().splitlines() if not any(words in line for words in harmless)]
    expect(told, [], "standard error")


def run_matrix(suite, live):
    cases = [case for case in matrix.cases(live.servers, live.certificates, live.run) if suite.wants(case.name)]
    if not cases:
        return
    ports = [server.port for server in live.servers]
    # the wire's evidence is held against the truth; tests/library does that with the libraries'
    options = ["--json", "--library=off", f"--cgroup={live.cgroup}", *(f"--port={port}" for port in ports)]
    with Tracer(*options) as tracer:
        wait_for_attachment(live, tracer)
        capture = Capture(live.environment, live.network.servers, [INTERFACE, "lo"], "matrix")
        visits = [Visited(live, case) for case in cases]
        capture.stop()
        conversations = {}
        for conversation in capture.conversations(ports):
            conversations.setdefault(conversation.server_name, []).append(conversation)
        for visited in visits:
            name = visited.case.visit.name
            suite.run(visited.case.name, check_matrix_case, visited, conversations.get(name, []), tracer)
        suite.run("matrix/tshark", lambda: expect(capture.dropped(), 0, "packets that tshark dropped"))
        suite.run("matrix/from-capture", check_capture, visits, conversations, capture.path)
        suite.run("matrix/exit-status", lambda: expect(tracer.stop(), 0, "exit status on SIGINT"))
        names = {case.visit.name for case in cases} | {f"probe-{live.run}.live.test"}
        suite.run("matrix/contract", check_all_lines, tracer, names, live.network.addresses)
        suite.run("matrix/silence", check_errors, tracer)


def records_of(exchange, tracer):
    if exchange.port:
        return [record for record in tracer.records() if record["destination"]["port"] == exchange.port]
    return tracer.records(exchange.server_name)


def check_exchange(exchange, conversations, tracer):
    if exchange.problem:
        raise Failure(f"the exchange itself went wrong: {exchange.problem}")
    if exchange.fields is None:
        demand([f"a line where none belongs: {record}" for record in records_of(exchange, tracer)])
        return
    tracer.wait_for(exchange.server_name, 2 * exchange.connections, 2)
    found = by_role(records_of(exchange, tracer), exchange.server_name, exchange.connections)
    expect(len(conversations), exchange.connections, "connections that tshark saw")
    differences = []
    for role, records in found.items():
        for record in records:
            wrong = field_differences(record, {**exchange.fields, **role_fields(role)})
            if exchange.types:
                wrong += type_differences(record, exchange.types)
            else:
                wrong += message_differences(record, conversation_of(record, conversations))
            wrong += time_differences(record, *exchange.times)
            differences += [f"{role}: {difference}" for difference in wrong]
    demand(differences)


def conversation_of(record, conversations):
    for conversation in conversations:
        if conversation.client == (record["source"]["ip"], record["source"]["port"]):
            return conversation
    raise Failure(f"tshark saw no connection from {record['source']}")


def run_exchanges(suite, live, stack):
    exchanges = Exchanges(live, stack)
    wanted = [exchange for exchange in exchanges.list if suite.wants(exchange.name)]
    if not wanted:
        return
    ports = [server.port for server in live.servers] + exchanges.ports
    with Tracer("--json", "--library=off", f"--cgroup={live.cgroup}", *(f"--port={port}" for port in ports)) as tracer:
        wait_for_attachment(live, tracer)
        capture = Capture(live.environment, live.network.servers, [INTERFACE, "lo"], "exchanges")
        carry_out(wanted, live.run)
        capture.stop()
        conversations = capture.conversations(ports)
        for exchange in wanted:
            suite.run(exchange.name, check_exchange, exchange,
                      [found for found in conversations if found.server_name == exchange.server_name], tracer)
        suite.run("exchanges/tshark", lambda: expect(capture.dropped(), 0, "packets that tshark dropped"))
        suite.run("exchanges/exit-status", lambda: expect(tracer.stop(), 0, "exit status on SIGINT"))
        names = {exchange.server_name for exchange in wanted} | {f"probe-{live.run}.live.test"}
        suite.run("exchanges/contract", check_all_lines, tracer, names, live.network.addresses)
        suite.run("exchanges/silence", check_errors, tracer)


def run_all(suite):
    with contextlib.ExitStack() as stack:
        live = Live(stack, os.getpid())
        if not live.server("nginx", "never"):
            suite.run("nginx", no_nginx)
        run_matrix(suite, live)
        run_exchanges(suite, live, stack)
        CommandLine(live, stack).run(suite)


def no_nginx():
    raise Skip("there is no nginx: tests/unpack-packages build/stacks nginx nginx-common")


def main():
    if os.geteuid() != 0:
        print("SKIP live: network namespaces and BPF want root")
        return 0
    if not os.access(PROGRAM, os.X_OK):
        print(f"FAIL live: there is no {PROGRAM}: make")
        return 1
    suite = Suite(sys.argv[1:])
    # an exit like any other: what was made is removed
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        run_all(suite)
    except Exception as error:
        print(f"FAIL live: {type(error).__name__}: {error}", flush=True)
        traceback.print_exc()
        return 1
    return 1 if suite.failed else 0


if __name__ == "__main__":
    sys.exit(main())
