# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""mtlsnoop as a child process."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time

from .cases import PATIENCE, PROGRAM, Failure, expect, wait_until


class TracerProcess:
    """The process: its standard error, its end. A subclass reads standard output."""

    def __init__(self, command, stdout=subprocess.PIPE, variables=None):
        self._errors = tempfile.TemporaryFile(mode="w+")
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=stdout, stderr=self._errors,
                                        text=True, env=variables)
        self._reader = None

    def read_lines(self, take):
        """Call take(line) for each line of standard output, in a thread."""

        def read():
            for line in self.process.stdout:
                take(line)

        self._reader = threading.Thread(target=read, name="tracer", daemon=True)
        self._reader.start()

    def errors(self):
        self._errors.seek(0)
        return self._errors.read()

    def has_ended(self):
        return self.process.poll() is not None

    def wait_for_end(self, timeout=10):
        """Wait for the end, and return the exit status. A process that does not end is killed: Failure."""
        timeout *= PATIENCE
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failure(f"still runs after {timeout} s") from None
        if self._reader:
            self._reader.join(5)
        return status

    def stop(self, number=signal.SIGINT, timeout=10):
        """Send the signal, wait for the end, and return the exit status."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        return self.wait_for_end(timeout)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if not self.has_ended():
            self.process.kill()
        self.process.wait()
        if self._reader:
            self._reader.join(5)
            self.process.stdout.close()
        self._errors.close()


class Tracer(TracerProcess):
    """A tracer whose lines are collected, and its JSON records by server name."""

    def __init__(self, *options, prefix=(), variables=None):
        # the tracer reports to a service manager when it is attached: sd_notify(3)
        self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._manager.bind("")
        variables = {**(variables or os.environ), "NOTIFY_SOCKET": "@" + self._manager.getsockname()[1:].decode()}
        super().__init__([*prefix, PROGRAM, *options], variables=variables)
        self._lines = []
        self._records = []
        self._lock = threading.Lock()
        self.read_lines(self._take)

    def _take(self, line):
        # a line that is no JSON is no record: the case on the contract reports such a line
        record = json.loads(line) if line.startswith("{") else None
        with self._lock:
            self._lines.append(line)
            if record:
                self._records.append(record)

    def wait_for_start(self, timeout=60):
        """Handshakes after the start are reported; earlier handshakes may be missing."""
        deadline = time.monotonic() + timeout
        self._manager.settimeout(0.1)
        while time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError):
                if self._manager.recv(4096).startswith(b"READY=1"):
                    return
            if self.has_ended():
                raise Failure(f"mtlsnoop ended with status {self.process.returncode}: {self.errors().strip()}")
        raise Failure(f"mtlsnoop is not ready after {timeout} s: {self.errors().strip()}")

    def lines(self):
        with self._lock:
            return list(self._lines)

    def records(self, server_name=None):
        """The JSON records, of one server name or all."""
        with self._lock:
            return [record for record in self._records if server_name in (None, server_name_of(record))]

    def wait_for(self, server_name, count, timeout=5):
        wait_until(lambda: len(self.records(server_name)) >= count, timeout=timeout)
        return self.records(server_name)

    def wait(self, timeout=10):
        """Wait for the end, and return the exit status."""
        return self.wait_for_end(timeout)

    def __exit__(self, *error):
        super().__exit__(*error)
        self._manager.close()


class HookTracer(TracerProcess):
    """A tracer for tests of the hooks: JSON records by the client's address and port, no probes unless options ask for them."""

    def __init__(self, *options, program=PROGRAM, before=()):
        """before: words of the command line before the program (ip netns exec); the started process becomes the program."""
        alone = [] if any(option.startswith(("-i", "--interface")) for option in options) else ["--library=off"]
        super().__init__([*before, program, "--json", *alone, *options])
        self.lines = []
        self.garbled = []  # lines that are no JSON: at most one, if the tracer was killed while writing
        self._records = {}
        self._lock = threading.Lock()
        self.read_lines(self._take)
        try:
            wait_until(self._attached, "attaching", 20)
        except Failure as failure:
            self.kill()
            raise Failure(f"{failure}: {self.messages()}") from None

    def _attached(self):
        if self.has_ended():
            raise Failure(f"exit status {self.process.returncode}")
        return len(self.links()) >= 2

    def links(self):
        """The descriptors of BPF links."""
        found = []
        directory = f"/proc/{self.process.pid}/fd"
        for fd in os.listdir(directory):
            with contextlib.suppress(OSError):
                # perf links of uprobes have another name
                if os.readlink(f"{directory}/{fd}") == "anon_inode:bpf_link":
                    found.append(fd)
        return found

    def _take(self, line):
        try:
            record = json.loads(line)
        except ValueError:
            self.garbled.append(line)
            return
        with self._lock:
            self.lines.append(record)
            key = record["source"]["ip"], record["source"]["port"]
            self._records.setdefault(key, []).append(record)

    def records(self, client, role=None):
        """The records of the client at (address, port), in order of arrival."""
        with self._lock:
            found = list(self._records.get(client, []))
        return [record for record in found if role in (None, record["mtls"]["role"])]

    def wait(self, client, role, count=1, timeout=3):
        """Wait until the client has count records in this role, or the time is over; return the records."""
        wait_until(lambda: len(self.records(client, role)) >= count, timeout=timeout)
        return self.records(client, role)

    def wait_polled(self):
        """Wait until the reader has looked at the ring buffer, which the reader does every 50 ms."""
        time.sleep(0.2)

    def messages(self):
        return self.errors().strip()

    def stop(self, number=signal.SIGINT, timeout=10):
        """Send the signal, wait for the end, and return the messages."""
        try:
            super().stop(number, timeout)
        except Failure:
            raise Failure(f"does not end within {timeout * PATIENCE} s of {signal.Signals(number).name}") from None
        expect(self.garbled, [], "lines that are no JSON")
        return self.messages()

    def __exit__(self, *error):
        # cases read lines and messages after the end
        if not self.has_ended():
            self.kill()


def server_name_of(record):
    return record.get("tls", {}).get("client", {}).get("server_name")
