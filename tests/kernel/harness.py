# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Cases, the tracer as a child process, and the truth that its records are held against."""

import contextlib
import json
import os
import random
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# how much longer than on an ordinary machine everything may take
PATIENCE = int(os.environ.get("MTLSNOOP_PATIENCE", "1"))
PROGRAM = os.environ.get("MTLSNOOP", os.path.join(ROOT, "build", "mtlsnoop"))


class Failure(Exception):
    pass


class Skip(Exception):
    pass


class Suite:
    """Runs cases and prints a line for each."""

    def __init__(self, words):
        self._words = words
        self.failed = 0

    def wants(self, name):
        return not self._words or any(word in name for word in self._words)

    def run(self, name, function, *arguments, **keywords):
        """function may return a remark, or raise Skip, or anything else where it fails."""
        if not self.wants(name):
            return
        try:
            remark = function(*arguments, **keywords)
            print(f"PASS {name}" + (f": {remark}" if remark else ""), flush=True)
        except Skip as reason:
            print(f"SKIP {name}: {reason}", flush=True)
        except Exception as error:  # whatever it was, the cases after it still run
            why = str(error) if isinstance(error, Failure) else f"{type(error).__name__}: {error}"
            print(f"FAIL {name}: {why}", flush=True)
            self.failed += 1


def expect(actual, expected, what):
    if actual != expected:
        raise Failure(f"{what}: {actual!r}, expected {expected!r}")


def wait_until(condition, what, timeout=5):
    """Look every few milliseconds whether condition() holds; returns what it returned."""
    timeout *= PATIENCE
    deadline = time.monotonic() + timeout
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise Failure(f"{what}: not within {timeout} s")
        time.sleep(0.01)


@contextlib.contextmanager
def on_one_cpu():
    """
    This thread, and those that it begins. A segment that comes while another CPU is at its socket waits behind it: TCP has
    neither taken nor refused it then, and of bytes that come twice no verdict would be certain.
    """
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {random.choice(sorted(before))})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass(frozen=True)
class Truth:
    """What a record must say; None where the case leaves it open."""

    client_auth: str
    requested: bool
    answer: str
    messages: tuple = None
    version: str = "1.2"
    evidence: str = "cleartext"
    established: bool = True


# RFC 5246 section 7.3: the order of a full handshake is fixed
HELLOS, REQUEST, DONE, KEY_EXCHANGE = (1, 2, 11, 12), (13,), (14,), (16,)
NOT_REQUESTED = Truth("not_requested", False, None, HELLOS + DONE + KEY_EXCHANGE)
DECLINED = Truth("declined", True, "empty", HELLOS + REQUEST + DONE + (11,) + KEY_EXCHANGE)
PRESENTED = Truth("presented", True, "certificate", HELLOS + REQUEST + DONE + (11,) + KEY_EXCHANGE + (15,))


def handshake_types(record):
    return tuple(step["type"] for step in record["mtls"]["messages"])


def differences(record, truth):
    """How a record differs from the truth, as text; empty where it does not."""
    mtls = record["mtls"]
    pairs = [
        ("client_auth", mtls.get("client_auth"), truth.client_auth),
        ("reason", mtls.get("reason"), None),
        ("requested", mtls.get("requested"), truth.requested),
        ("answer", mtls.get("answer"), truth.answer),
        ("evidence", mtls.get("evidence"), truth.evidence),
        ("version", record.get("tls", {}).get("version"), truth.version),
        ("established", record.get("tls", {}).get("established"), truth.established),
    ]
    if truth.messages is not None:
        pairs.append(("messages", handshake_types(record), truth.messages))
    return [f"{what} {actual!r}, expected {expected!r}" for what, actual, expected in pairs if actual != expected]


class Tracer:
    """A running mtlsnoop whose records are collected by the client's address and port."""

    def __init__(self, *options, program=PROGRAM, before=()):
        """before: what stands before the program in its command line, and turns into it (ip netns exec)."""
        self._stderr = tempfile.TemporaryFile(mode="w+")
        # what the hooks see is tried here, and not what libraries would add to it
        alone = [] if any(option.startswith(("-i", "--interface")) for option in options) else ["--library=off"]
        self.process = subprocess.Popen(
            [*before, program, "--json", *alone, *options], stdout=subprocess.PIPE, stderr=self._stderr, text=True
        )
        self.lines = []
        self.garbled = []  # lines that are no JSON: there may be one where it was killed in the midst of it
        self._records = {}
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, name="tracer", daemon=True)
        self._reader.start()
        try:
            wait_until(self._attached, "attaching", 20)
        except Failure as failure:
            self.kill()
            raise Failure(f"{failure}: {self.messages()}") from None

    def _attached(self):
        if self.process.poll() is not None:
            raise Failure(f"exit status {self.process.returncode}")
        # a cgroup is told of by one line in /proc/PID/fdinfo of each link
        return len(self.links()) >= 2

    def links(self):
        found = []
        directory = f"/proc/{self.process.pid}/fd"
        for fd in os.listdir(directory):
            with contextlib.suppress(OSError):
                # libbpf makes the perf links of uprobes without a name of their own
                if os.readlink(f"{directory}/{fd}") == "anon_inode:bpf_link":
                    found.append(fd)
        return found

    def _read(self):
        for line in self.process.stdout:
            try:
                record = json.loads(line)
            except ValueError:
                self.garbled.append(line)
                continue
            with self._lock:
                self.lines.append(record)
                key = record["source"]["ip"], record["source"]["port"]
                self._records.setdefault(key, []).append(record)

    def records(self, client, role=None):
        """The records of the client at (address, port), as they came."""
        with self._lock:
            found = list(self._records.get(client, []))
        return [record for record in found if role in (None, record["mtls"]["role"])]

    def wait(self, client, role, count=1, timeout=3):
        """Wait until count records of the client are there in this role."""
        with contextlib.suppress(Failure):
            wait_until(lambda: len(self.records(client, role)) >= count, "record", timeout)
        return self.records(client, role)

    def check(self, client, truth, roles=("client", "server")):
        """In each of the roles there must be one record of the client, and it must say the truth."""
        for role in roles:
            found = self.wait(client, role)
            expect(len(found), 1, f"records of {client[0]}:{client[1]} as {role}")
            wrong = differences(found[0], truth)
            if wrong:
                raise Failure(f"{role}: {'; '.join(wrong)}")

    def wait_polled(self):
        """Until the reader, which looks at the ring buffer every 50 ms, has surely done so."""
        time.sleep(0.2)

    def messages(self):
        self._stderr.seek(0)
        return self._stderr.read().strip()

    def stop(self, number=signal.SIGINT, timeout=10):
        """End it, and return what it wrote on standard error."""
        timeout *= PATIENCE
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failure(f"does not end within {timeout} s of {signal.Signals(number).name}") from None
        self._reader.join(5)
        expect(self.garbled, [], "lines that are no JSON")
        return self.messages()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()
