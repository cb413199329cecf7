# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Cases, and mtlsnoop as a child process."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("MTLSNOOP", ROOT / "build" / "mtlsnoop")
# how much longer than on an ordinary machine everything may take
PATIENCE = int(os.environ.get("MTLSNOOP_PATIENCE", "1"))


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

    def run(self, name, function, *arguments):
        """function raises Failure where what it found is not what it expects, Skip where it cannot look."""
        if not self.wants(name):
            return
        try:
            function(*arguments)
            print(f"PASS {name}", flush=True)
        except Skip as reason:
            print(f"SKIP {name}: {reason}", flush=True)
        except Exception as error:  # whatever it was, the cases after it still run
            why = str(error) if isinstance(error, Failure) else f"{type(error).__name__}: {error}"
            print(f"FAIL {name}: {why}", flush=True)
            self.failed += 1


def expect(actual, expected, what):
    if actual != expected:
        raise Failure(f"{what}: {actual!r}, expected {expected!r}")


def wait_until(condition, timeout=5):
    """Look now and then whether condition() holds; returns what it returned last."""
    deadline = time.monotonic() + timeout * PATIENCE
    while True:
        found = condition()
        if found or time.monotonic() > deadline:
            return found
        time.sleep(0.01)


class Tracer:
    """A running mtlsnoop. Its lines are collected as they come."""

    def __init__(self, *options, prefix=(), variables=None):
        self._errors = tempfile.TemporaryFile(mode="w+")
        command = [*prefix, str(PROGRAM), *map(str, options)]
        # it tells a service manager when it is attached, and reads: sd_notify(3)
        self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._manager.bind("")
        variables = {**(variables or os.environ), "NOTIFY_SOCKET": "@" + self._manager.getsockname()[1:].decode()}
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._errors,
                                        text=True, env=variables)
        self._lines = []
        self._records = []
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            # what is no JSON is no record: the contract's case tells of it
            record = json.loads(line) if line.startswith("{") else None
            with self._lock:
                self._lines.append(line)
                if record:
                    self._records.append(record)

    def wait_for_start(self, timeout=60):
        """What comes from here on is its to tell; what came before may not be."""
        deadline = time.monotonic() + timeout
        self._manager.settimeout(0.1)
        while time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError):
                if self._manager.recv(4096).startswith(b"READY=1"):
                    return
            if self.process.poll() is not None:
                raise Failure(f"mtlsnoop ended with status {self.process.returncode}: {self.errors().strip()}")
        raise Failure(f"mtlsnoop is not ready after {timeout} s: {self.errors().strip()}")

    def lines(self):
        with self._lock:
            return list(self._lines)

    def records(self, server_name=None):
        """Its JSON lines, of one server name or all."""
        with self._lock:
            return [record for record in self._records if server_name in (None, server_name_of(record))]

    def wait_for(self, server_name, count, timeout=5):
        wait_until(lambda: len(self.records(server_name)) >= count, timeout)
        return self.records(server_name)

    def errors(self):
        self._errors.seek(0)
        return self._errors.read()

    def wait(self, timeout=10):
        """Wait for its end, and return its exit status."""
        try:
            status = self.process.wait(timeout * PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failure(f"still runs after {timeout * PATIENCE} s") from None
        self._reader.join(5)
        return status

    def stop(self, number=signal.SIGINT):
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        return self.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join(5)
        self.process.stdout.close()
        self._manager.close()
        self._errors.close()


def server_name_of(record):
    return record.get("tls", {}).get("client", {}).get("server_name")
