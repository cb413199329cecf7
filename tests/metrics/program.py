# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""mtlsnoop with its metrics, in a network namespace and a cgroup of its own."""

import contextlib
import ctypes
import http.client
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from exposition import Metrics
from harness import PROGRAM, Failure, expect, wait_until
from traffic import ADDRESS

PORT = 9813
START_SECONDS = 60  # probes are attached one by one, each behind those of all others on this host
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


def own_network():
    if _libc.unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


class Tracer:
    """mtlsnoop with its metrics on ADDRESS:PORT."""

    def __init__(self, cgroup, *options, metrics=f"{ADDRESS}:{PORT}", stdout=subprocess.DEVNULL, prefix=()):
        self.address, _, port = metrics.rpartition(":")
        self.port = int(port)
        self._errors = tempfile.TemporaryFile(mode="w+")
        command = [*prefix, PROGRAM, f"--metrics={metrics}", *map(str, options)]
        command += [f"--cgroup={cgroup}"] if cgroup else []
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=self._errors)

    def get(self, path="/metrics", method="GET", timeout=5, **headers):
        """Status, header fields, body."""
        connection = http.client.HTTPConnection(self.address.strip("[]"), self.port, timeout=timeout)
        with contextlib.closing(connection):
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode("ascii")

    def metrics(self, **arguments):
        status, headers, body = self.get(**arguments)
        expect(status, 200, "status of /metrics")
        return Metrics(body, headers["Content-Type"] == OPENMETRICS)

    def wait_for_start(self):
        def answers():
            if self.process.poll() is not None:
                raise Failure(f"mtlsnoop ended with status {self.process.returncode}: {self.errors().strip()}")
            with contextlib.suppress(OSError):
                return self.get("/healthz")[0] == 200
        if not wait_until(answers, START_SECONDS):
            raise Failure(f"no answer: {self.errors().strip()}")
        return self

    def wait_for_handshakes(self, count, timeout=10):
        """Both ends are counted, each as what it is."""
        wait_until(lambda: self.metrics().total("mtlsnoop_handshakes_total") >= 2 * count, timeout)
        metrics = self.metrics()
        expect(metrics.total("mtlsnoop_handshakes_total"), 2 * count, "handshakes of both roles")
        return metrics

    def status(self, name):
        return next(line.split()[1] for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
                    if line.startswith(f"{name}:"))

    def errors(self):
        """But for programs of others on this host that it does not probe."""
        self._errors.seek(0)
        return "".join(line for line in self._errors if not line.startswith("mtlsnoop: not probed: "))

    def stop(self, timeout=5):
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failure(f"still runs {timeout} s after SIGTERM") from None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._errors.close()
