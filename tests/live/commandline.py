# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the command line promises: formats, filters, ends, errors, and that nothing stays behind."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import dialogs
import handmade
from harness.cgroups import cgroup_root, remove_cgroup
from exchanges import NOT_KNOWN, UNANSWERED, broken_off
from expectation import ABSENT, by_role, demand, field, field_differences, sha256_of
from harness import PROGRAM, ROOT, Failure, Skip, Tracer, expect, wait_until
from stacks import CLIENTS, Visit

NOBODY = 65534
HUNG_PORT = 27201
MUTE_PORT = 27202


def run_program(*options, **others):
    """Run it to its end, which has to come by itself."""
    return subprocess.run([PROGRAM, *map(str, options)], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          timeout=20, **others)


def one_line(text, *parts):
    """An error message: one line that names what it is about."""
    if len(text.splitlines()) != 1 or not text.startswith("mtlsnoop: "):
        raise Failure(f"standard error is {text!r}, expected one line that begins with 'mtlsnoop: '")
    for part in parts:
        if part not in text:
            raise Failure(f"standard error is {text!r}, expected {part!r} in it")


class KernelObjects:
    """The BPF programs, links and maps that a process holds, by their ids: the kernel never uses one twice."""

    def __init__(self, pid):
        self.ids = {"prog": set(), "link": set(), "map": set()}
        for descriptor in os.listdir(f"/proc/{pid}/fdinfo"):
            # it may have been closed meanwhile
            with contextlib.suppress(FileNotFoundError):
                text = Path(f"/proc/{pid}/fdinfo/{descriptor}").read_text()
                for kind, ids in self.ids.items():
                    ids.update(re.findall(rf"^{kind}_id:\s+(\d+)", text, re.MULTILINE))

    def alive(self):
        """Those that the kernel still has."""
        return [f"{kind} {number}" for kind, ids in self.ids.items() for number in sorted(ids, key=int)
                if subprocess.run(["bpftool", kind, "show", "id", number], capture_output=True).returncode == 0]

    def attached(self):
        """Those programs that a cgroup still has."""
        tree = subprocess.run(["bpftool", "cgroup", "tree", cgroup_root()], capture_output=True, text=True).stdout
        return sorted(self.ids["prog"] & {line.split()[0] for line in tree.splitlines() if line.split()}, key=int)


class CommandLine:
    def __init__(self, live, stack):
        self._live = live
        self._stack = stack
        self._good = live.certificates.good["rsa"]
        self._asking = live.server("openssl", "optional")
        self._insisting = live.server("openssl", "required")
        self._not_asking = live.server("openssl", "never")
        self._visits = 0
        self._cgroup = f"--cgroup={live.cgroup}"

    def run(self, suite):
        for name in sorted(name for name in dir(self) if name.startswith("case_")):
            suite.run("commandline/" + name.removeprefix("case_").replace("_", "-"), getattr(self, name))

    def _visit(self, server, pair=None, client="openssl"):
        """A handshake of TLS 1.2; its server name and what the client printed."""
        self._visits += 1
        name = f"v{self._visits}-{self._live.run}.live.test"
        return name, CLIENTS[client](self._live.environment, Visit(server, "1.2", name, pair))[0]

    def _ports(self):
        return [f"--port={server.port}" for server in (self._asking, self._insisting, self._not_asking)]

    def _own(self):
        """What keeps another run of these cases out, which has the same ports."""
        return [self._cgroup, *self._ports()]

    def _traced(self, visits, *options, ports=None):
        """The output of a tracer during visits, a function; it has to end with status 0 on SIGINT."""
        with Tracer(self._cgroup, *options, *(self._ports() if ports is None else ports)) as tracer:
            tracer.wait_for_start()
            result = visits()
            # the program looks every 50 ms
            time.sleep(0.3)
            expect(tracer.stop(), 0, "exit status")
            return result, tracer

    def case_table(self):
        def visits():
            return {self._visit(self._asking, self._good)[0]: ["TLSv1.2", "yes", "certificate", "presented"],
                    self._visit(self._asking)[0]: ["TLSv1.2", "yes", "empty", "declined"],
                    self._visit(self._not_asking)[0]: ["TLSv1.2", "no", "-", "not_requested"],
                    self._visit(self._insisting)[0]: ["TLSv1.2", "yes", "empty", "rejected_without_certificate"]}

        expected, tracer = self._traced(visits, "--both-ends")
        lines = tracer.lines()
        expect(lines[0].split(), "TIME ROLE SERVER CLIENT SNI VERSION ASKED ANSWER RESULT MS PROCESS WHERE".split(), "header")
        found = {}
        for line in lines[1:]:
            words = line.split()
            # after the milliseconds comes the process, if it is known
            if not re.fullmatch(r"\d\d:\d\d:\d\d", words[0]) or not re.search(r" \d+\.\d\d(?: \S+/\d+(?: \S+)?)?$", line.rstrip()):
                raise Failure(f"the line {line!r} has no time first or no milliseconds and process last")
            if not words[2].startswith("10.77.0.2:2710") or not words[3].startswith("10.77.0.1:"):
                raise Failure(f"the line {line!r} does not have the server's address and the client's")
            found.setdefault(words[4], {})[words[1]] = [*words[5:8], words[8].rstrip(":")]
        expect(found, {name: {"server": words, "client": words} for name, words in expected.items()}, "lines")

    def case_table_of_both_ends(self):
        """One line for both ends, within the columns that there are; JSON and --count count the ends."""
        def visits():
            return [self._visit(self._asking, self._good)[0], self._visit(self._not_asking)[0]]

        names, tracer = self._traced(visits)
        lines = tracer.lines()[1:]
        expect(sorted((line.split()[4], line.split()[1]) for line in lines), sorted((name, "both") for name in names),
               "names, roles")
        for line in lines:
            if " -> " not in line:
                raise Failure(f"the line {line!r} does not have both processes")

    def case_trace_as_curl_shows_it(self):
        (_, curl), tracer = self._traced(lambda: self._visit(self._asking, self._good, "curl"), "--trace")
        ladders = "".join(tracer.lines()).rstrip("\n").split("\n\n")
        blocks = {ladder.split(" as ")[1].split(":")[0]: ladder for ladder in ladders}
        expect(sorted(blocks), ["client", "server"], "roles of the ladders")
        # curl decrypts Finished, and counts the header of a message, 4 bytes
        steps = re.findall(r"TLSv1.2 \((OUT|IN)\), TLS handshake, (.*) \((\d+)\):\n[{}] \[(\d+) bytes data", curl)
        expected = [(way, name, int(number), int(length) - 4) for way, name, number, length in steps if number != "20"]
        expect([step[2] for step in expected], [1, 2, 11, 12, 13, 14, 11, 16, 15], "what curl shows")
        turned = {"OUT": "IN", "IN": "OUT"}
        for role, block in blocks.items():
            shown = re.findall(r"\((OUT|IN)\) +TLS handshake, (.*) \((\d+)\), (\d+) bytes?", block)
            found = [(way, name, int(number), int(length)) for way, name, number, length in shown if number != "4"]
            expect(found, expected if role == "client" else [(turned[way], *rest) for way, *rest in expected],
                   f"ladder as {role}")
            if "\n* presented; evidence: cleartext; asked: yes; answer: certificate; completed" not in block:
                raise Failure(f"the ladder does not end in its verdict: {block!r}")

    def case_requested_only(self):
        def visits():
            self._visit(self._not_asking)
            return self._visit(self._asking)[0], self._visit(self._asking, self._good)[0]

        names, tracer = self._traced(visits, "--json", "-R")
        expect(sorted(field(record, "tls.client.server_name") for record in tracer.records()), sorted(names * 2),
               "server names")

    def case_port(self):
        names, tracer = self._traced(lambda: [self._visit(server)[0] for server in (self._asking, self._not_asking)],
                                     "--json", ports=["-P", self._not_asking.port])
        expect([field(record, "tls.client.server_name") for record in tracer.records()], [names[1]] * 2, "server names")

    def case_port_repeated(self):
        ports = ["-P", self._not_asking.port, "-P", self._asking.port]
        names, tracer = self._traced(lambda: [self._visit(server)[0] for server in (self._asking, self._insisting,
                                                                                     self._not_asking)],
                                     "--json", ports=ports)
        expect(sorted(field(record, "tls.client.server_name") for record in tracer.records()),
               sorted([names[0], names[2]] * 2), "server names")

    def case_count(self):
        with Tracer("--json", "-n", 3, *self._own()) as tracer:
            tracer.wait_for_start()
            for _ in range(3):
                self._visit(self._asking)
            expect(tracer.wait(5), 0, "exit status")
            expect(len(tracer.lines()), 3, "lines")

    def case_count_of_requested(self):
        """-n counts what is printed."""
        with Tracer("--json", "-R", "-n", 2, *self._own()) as tracer:
            tracer.wait_for_start()
            self._visit(self._not_asking)
            time.sleep(0.3)
            expect(tracer.process.poll(), None, "exit status after handshakes that do not count")
            name, _ = self._visit(self._asking)
            expect(tracer.wait(5), 0, "exit status")
            expect([field(record, "tls.client.server_name") for record in tracer.records()], [name] * 2, "server names")

    def case_duration(self):
        started = time.monotonic()
        with Tracer("--json", "-d", "2.5", *self._own()) as tracer:
            tracer.wait_for_start()
            name, _ = self._visit(self._asking)
            expect(tracer.wait(30), 0, "exit status")
            seconds = time.monotonic() - started
            expect(len(tracer.records(name)), 2, "records")
        if seconds < 2.5:
            raise Failure(f"it took {seconds:.2f} s, expected 2.5 and what it takes to start")

    def case_quiet(self):
        with Tracer("--quiet", "-n", 2, *self._own()) as tracer:
            tracer.wait_for_start()
            self._visit(self._asking)
            expect(tracer.wait(5), 0, "exit status")
            expect(tracer.lines(), [], "lines")

    def case_redact_json(self):
        name, tracer = self._traced(lambda: self._visit(self._asking, self._good)[0], "--json", "--redact")
        for records in by_role(tracer.records(name), name).values():
            demand(field_differences(records[0], {
                "tls.client.subject": ABSENT, "tls.client.issuer": ABSENT, "tls.client.not_after": ABSENT,
                "tls.client.hash.sha256": sha256_of(self._good), "mtls.client_auth": "presented"}))
        expect([line for line in tracer.lines() if "good client" in line], [], "lines with the subject")

    def case_redact_trace(self):
        _, tracer = self._traced(lambda: self._visit(self._asking, self._good), "--trace", "--redact")
        text = "".join(tracer.lines())
        expect("good client" in text, False, "the subject is in the ladder")
        expect(sha256_of(self._good) in text, True, "the fingerprint is in the ladder")

    def case_help(self):
        done = run_program("--help")
        expect((done.returncode, done.stderr), (0, ""), "exit status and standard error")
        for option in "--cgroup --read --port --requested --trace --json --quiet --duration --count".split():
            if option not in done.stdout:
                raise Failure(f"{option} is not in {done.stdout!r}")

    def case_version(self):
        version = re.search(r"^VERSION := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
        done = run_program("--version")
        expect((done.returncode, done.stdout, done.stderr), (0, f"mtlsnoop {version}\n", ""), "status, output, error")

    def case_wrong_usage(self):
        wrong = [["--nonsense"], ["-P", "0"], ["-P", "65536"], ["-P", "44x"], ["-n", "0"], ["-n", "-1"], ["-d", "0"],
                 ["-d", "1 s"], ["surplus"], ["--trace", "--json"], ["--quiet", "--json"], ["--buffer", "100000"],
                 ["--read", "x", "--cgroup", "y"], ["--handshake-timeout", "soon"], ["--max-connections", "none"],
                 ["-P"]]
        differences = []
        for options in wrong:
            done = run_program(*options)
            if done.returncode != 2 or done.stdout or options[-1].lstrip("-") not in done.stderr:
                differences.append(f"{options}: status {done.returncode}, {done.stdout!r}, error {done.stderr!r}")
        demand(differences)

    def case_no_such_cgroup(self):
        done = run_program("--cgroup", "/nonexistent/cgroup")
        expect((done.returncode, done.stdout), (1, ""), "exit status and output")
        one_line(done.stderr, "/nonexistent/cgroup", "No such file or directory")

    def case_not_a_cgroup(self):
        done = run_program("--cgroup", "/tmp")
        expect((done.returncode, done.stdout), (1, ""), "exit status and output")
        one_line(done.stderr, "cgroup")

    def case_not_root(self):
        with tempfile.TemporaryDirectory() as directory:
            # nobody may not enter wherever the repository is
            os.chmod(directory, 0o755)
            program = shutil.copy(PROGRAM, directory)
            nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", program]
            done = subprocess.run(nobody, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=20)
        expect((done.returncode, done.stdout), (1, ""), "exit status and output")
        one_line(done.stderr, "root", "CAP_BPF", "CAP_NET_ADMIN")

    def case_full_disk(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([PROGRAM, "-d", "5"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=20,
                                  stdin=subprocess.DEVNULL)
        expect(done.returncode, 1, "exit status")
        if "No space left on device" not in done.stderr:
            raise Failure(f"standard error is {done.stderr!r}, expected what the kernel said")

    def case_cgroup(self):
        """Only the client is in the cgroup: the server's end of the same connection is not told of."""
        directory = cgroup_root() / f"mtlsnoop-test-{self._live.run}-client"
        directory.mkdir()
        try:
            name, tracer = self._traced(lambda: self._visit_from(directory), "--json", "--cgroup", directory)
            expect([record["mtls"]["role"] for record in tracer.records(name)], ["client"], "roles")
            expect(tracer.records(name)[0]["mtls"]["client_auth"], "declined", "client_auth")
        finally:
            remove_cgroup(directory)

    def _visit_from(self, cgroup):
        home = Path("/proc/self/cgroup").read_text().split("0::", 1)[1].strip()
        (cgroup / "cgroup.procs").write_text(str(os.getpid()))
        try:
            # children stay in the cgroup that they are born in
            return self._visit(self._asking)[0]
        finally:
            (cgroup_root() / home.lstrip("/") / "cgroup.procs").write_text(str(os.getpid()))

    def case_two_at_once(self):
        with Tracer("--json", *self._own()) as first, Tracer("--json", *self._own()) as second:
            first.wait_for_start()
            second.wait_for_start()
            name, _ = self._visit(self._asking)
            for tracer in (first, second):
                expect(len(tracer.wait_for(name, 2)), 2, "records")
            expect(first.stop(), 0, "exit status")
            # the end of one is nothing to the other
            name, _ = self._visit(self._asking)
            expect(len(second.wait_for(name, 2)), 2, "records after the other's end")
            expect(second.stop(), 0, "exit status")

    def _leave_nothing(self, number, status):
        with Tracer("--json", *self._own()) as tracer:
            tracer.wait_for_start()
            objects = KernelObjects(tracer.process.pid)
            # receive, send and create; or that they are gone would mean nothing
            expect(len(objects.attached()), 3, "programs attached while it runs")
            for kind, ids in objects.ids.items():
                expect(bool(ids), True, f"holds a {kind}")
            expect(tracer.stop(number), status, "exit status")
        # the kernel frees them after a grace period
        wait_until(lambda: not objects.alive() and not objects.attached(), timeout=30)
        expect((objects.alive(), objects.attached()), ([], []), "left in the kernel, still attached")

    def case_nothing_stays_after_sigint(self):
        self._leave_nothing(signal.SIGINT, 0)

    def case_nothing_stays_after_sigterm(self):
        self._leave_nothing(signal.SIGTERM, 0)

    def case_nothing_stays_after_sigkill(self):
        self._leave_nothing(signal.SIGKILL, -signal.SIGKILL)

    def _handmade(self, port, name):
        return handmade.Client(self._live.network.clients.connect(self._live.network.servers.address, port),
                               self._live.certificates, name)

    def case_handshake_timeout(self):
        """Two clients that fall silent: one before the server has said anything, one after its request."""
        listening = self._live.network.servers.listen(self._live.network.servers.address, HUNG_PORT)
        dialogs.Listener(listening, dialogs.silence, self._stack)
        asking = self._live.server("gnutls", "optional").port
        before, after = (f"hung-{when}-{self._live.run}.live.test" for when in ("before", "after"))
        with Tracer("--json", "--handshake-timeout", 2, "-P", HUNG_PORT, "-P", asking) as tracer:
            tracer.wait_for_start()
            with self._handmade(HUNG_PORT, before) as early, self._handmade(asking, after) as late:
                started = time.monotonic()
                early.socket.sendall(early.hello())
                late.socket.sendall(late.hello())
                late.answer()
                for name in (before, after):
                    tracer.wait_for(name, 2, 30)
                seconds = time.monotonic() - started
            expect(tracer.stop(), 0, "exit status")
            # a time-out is no end: what follows would correct these records
            open_end = {"mtls__reason": "unfinished", "tls__established": None, "event__outcome": "unknown", "mtls__answer": ABSENT}
            expected = {before: broken_off("unknown", "timeout", mtls__requested=None, **open_end),
                        after: broken_off("unknown", "timeout", **{**UNANSWERED, **open_end})}
            # then the clients close
            corrected = {before: "failed_before_request", after: "unanswered"}
            for name, fields in expected.items():
                records = tracer.records(name)
                first = [record for record in records if not record["mtls"]["corrects"]]
                for told in by_role(first, name).values():
                    demand(field_differences(told[0], fields))
                ids = {record["event"]["id"] for record in first}
                for record in records:
                    if record["mtls"]["corrects"]:
                        expect(record["mtls"]["corrects"] in ids, True, "the corrected record is one of the first")
                        demand(field_differences(record, {"mtls.client_auth": corrected[name], "mtls.end": "closed",
                                                          "tls.established": False}))
        if seconds < 2:
            raise Failure(f"told after {seconds:.2f} s, expected 2 at least")

    def case_handshake_without_a_process(self):
        """A server that writes nothing: its record has no process, which only a selection by process reports."""
        listening = self._live.network.servers.listen(self._live.network.servers.address, MUTE_PORT)
        dialogs.Listener(listening, dialogs.silence, self._stack)
        line = ("mtlsnoop: 1 handshake has no process to select by: this host wrote nothing to the connection, or the "
                "process was gone")
        for expression, expected in (("verdict != not_requested", []), ("process.name == nobody", [line])):
            with Tracer(self._cgroup, "--library=off", f"--port={MUTE_PORT}", expression) as tracer:
                tracer.wait_for_start()
                with self._handmade(MUTE_PORT, f"mute-{self._live.run}.live.test") as client:
                    client.socket.sendall(client.hello())
                time.sleep(0.3)
                expect(tracer.stop(), 0, "exit status")
                found = [told for told in tracer.errors().splitlines() if "process" in told]
                expect(found, expected, f"standard error with {expression}")

    def case_stopped_in_a_handshake(self):
        """What has not ended when the tracer does is unknown."""
        asking = self._live.server("gnutls", "optional").port
        name = f"unfinished-{self._live.run}.live.test"
        with Tracer("--json", "-P", asking) as tracer:
            tracer.wait_for_start()
            with self._handmade(asking, name) as client:
                client.socket.sendall(client.hello())
                client.answer()
                expect(tracer.stop(), 0, "exit status")
            for records in by_role(tracer.records(name), name).values():
                demand(field_differences(records[0], {
                    "mtls.client_auth": "unknown", "mtls.reason": "unfinished", "mtls.requested": True,
                    "mtls.end": "none", "tls.established": None, "event.outcome": "unknown"}))

    def case_connection_older_than_the_tracer(self):
        """Begun before, the handshake after: it may be told or not, but nothing wrong may be told."""
        asking = self._live.server("gnutls", "optional").port
        name = f"older-{self._live.run}.live.test"
        with self._handmade(asking, name) as client, Tracer("--json", "-P", asking) as tracer:
            tracer.wait_for_start()
            client.socket.sendall(client.hello())
            client.socket.sendall(client.answer())
            client.finish()
            time.sleep(0.3)
            expect(tracer.stop(), 0, "exit status")
            wrong = [record["mtls"]["client_auth"] for record in tracer.records(name)
                     if record["mtls"]["client_auth"] not in ("declined", "unknown")]
            expect(wrong, [], "verdicts that are neither right nor unknown")

    def case_reads_a_capture_unprivileged(self):
        """As nobody, from standard input: what tshark wrote of this run."""
        capture = self._live.environment.directory / "matrix.pcapng"
        if not capture.exists():
            raise Skip("the matrix was not run")
        with tempfile.TemporaryDirectory() as directory, open(capture, "rb") as packets:
            os.chmod(directory, 0o755)
            program = shutil.copy(PROGRAM, directory)
            nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", program]
            done = subprocess.run([*nobody, "--json", "-R", "-n", "5", "-r", "-"], stdin=packets, capture_output=True,
                                  text=True, timeout=20)
        expect(done.returncode, 0, f"exit status ({done.stderr.strip()})")
        records = [json.loads(line) for line in done.stdout.splitlines()]
        expect([(record["mtls"]["role"], record["mtls"]["requested"]) for record in records], [("observer", True)] * 5,
               "roles and requests")
