# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""mtlsnoop with its metrics, in a network namespace and a cgroup of its own."""

import contextlib
import http.client
import signal
import subprocess
from pathlib import Path

from .cases import PROGRAM, Failure, expect, wait_until
from .exposition import Metrics
from .namespaces import own_network
from .servers import ADDRESS
from .tracer import TracerProcess

__all__ = ["OPENMETRICS", "PORT", "START_SECONDS", "MetricsTracer", "own_network"]

PORT = 9813
START_SECONDS = 60  # probes are attached one by one, each after the grace period of all others on this host
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class MetricsTracer(TracerProcess):
    """mtlsnoop with its metrics on ADDRESS:PORT."""

    def __init__(self, cgroup, *options, metrics=f"{ADDRESS}:{PORT}", stdout=subprocess.DEVNULL, prefix=()):
        self.address, _, port = metrics.rpartition(":")
        self.port = int(port)
        command = [*prefix, PROGRAM, f"--metrics={metrics}", *options, *([f"--cgroup={cgroup}"] if cgroup else [])]
        super().__init__(command, stdout=stdout)

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
        if not wait_until(answers, timeout=START_SECONDS):
            raise Failure(f"no answer: {self.errors().strip()}")
        return self

    def wait_for_handshakes(self, count, timeout=10):
        """Wait until both ends of count handshakes are counted, and check that no more are."""
        wait_until(lambda: self.metrics().total("mtlsnoop_handshakes_total") >= 2 * count, timeout=timeout)
        metrics = self.metrics()
        expect(metrics.total("mtlsnoop_handshakes_total"), 2 * count, "handshakes of both roles")
        return metrics

    def status(self, name):
        return next(line.split()[1] for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
                    if line.startswith(f"{name}:"))

    def errors(self):
        """Standard error without the lines about programs of others on this host that are not probed."""
        return "".join(line for line in super().errors().splitlines(keepends=True) if not line.startswith("mtlsnoop: not probed: "))

    def stop(self, number=signal.SIGTERM, timeout=5):
        return super().stop(number, timeout)
