#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Many open TLS connections on one host: what they take in the kernel and in the process, and what a packet of an
established connection costs beside them. The bytes of one real handshake are replayed over real sockets between addresses
of 127.0.0.0/8 in a network namespace of its own: for the hooks that is a handshake, and it costs no cryptography.

usage: scale.py [CONNECTIONS [BUILD]]     100000 where not told otherwise; of descriptors it takes two for each
"""

import contextlib
import os
import pathlib
import re
import resource
import socket
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests" / "kernel")]

import endpoints  # noqa: E402
from harness import PROGRAM, Tracer  # noqa: E402
from namespaces import Namespace  # noqa: E402

STATISTICS = pathlib.Path("/proc/sys/kernel/bpf_stats_enabled")
A_FEW = 1000
PINGS = 20
PORT = 4430


def flights(keys):
    """[(from the client, bytes)] of a handshake with a request and a certificate."""
    client = endpoints.MemoryTls(endpoints.context(keys, False, certificate="client.crt"))
    server = endpoints.MemoryTls(endpoints.context(keys, True, request=True), server_side=True)
    found, ends, turn = [], (client, server), 0
    while not (client.done and server.done):
        data = ends[turn].step()
        if data:
            found.append((turn == 0, data))
            ends[not turn].feed(data)
        turn = not turn
    return found


class Connections:
    def __init__(self, namespace, script):
        self._namespace, self._script, self.pairs = namespace, script, []
        self._listener = namespace.socket()
        self._listener.bind(("0.0.0.0", PORT))
        self._listener.listen(1024)

    def open(self, count):
        with self._namespace.entered():
            for number in range(len(self.pairs), len(self.pairs) + count):
                client = socket.socket()
                # 20,000 ports of each address
                client.bind((f"127.0.{number // 20000 + 1}.1", 20000 + number % 20000))
                client.connect(("127.0.0.1", PORT))
                server, _ = self._listener.accept()
                self.pairs.append((client, server))
                for from_client, data in self._script:
                    one, other = (client, server) if from_client else (server, client)
                    one.sendall(data)
                    other.recv(len(data), socket.MSG_WAITALL)

    def ping(self, count):
        for _ in range(PINGS):
            for client, server in self.pairs[:count]:
                client.send(b"\x17\x03\x03\x00\x20" + bytes(32))
                server.recv(64)

    def close(self):
        for pair in self.pairs:
            for end in pair:
                end.close()
        self._listener.close()


def programs_of(pid):
    found = set()
    for info in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
        with contextlib.suppress(OSError):
            found.update(re.findall(r"^prog_id:\t(\d+)$", info.read_text(), re.MULTILINE))
    return found


def runs_of(programs):
    runs = nanoseconds = 0
    for program in programs:
        shown = subprocess.run(["bpftool", "prog", "show", "id", program], capture_output=True, text=True).stdout
        found = re.search(r"run_time_ns (\d+) run_cnt (\d+)", shown)
        if found:
            nanoseconds, runs = nanoseconds + int(found[1]), runs + int(found[2])
    return runs, nanoseconds


def resident(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])


class DeviceTracer(Tracer):
    def _attached(self):
        return self.process.poll() is None and "Uid:\t65534" in pathlib.Path(f"/proc/{self.process.pid}/status").read_text()


def cost(connections, tracer, count):
    programs = programs_of(tracer.process.pid)
    before = runs_of(programs)
    connections.ping(count)
    after = runs_of(programs)
    return (after[1] - before[1]) / max(after[0] - before[0], 1)


def measure(name, kind, options, script, count):
    # of its own: the ports of connections that were closed stay taken for a minute
    with contextlib.closing(Namespace(name)) as namespace, contextlib.closing(Connections(namespace, script)) as connections:
        # ip netns exec hides the cgroups; the socket hook sees all namespaces anyway
        with kind(*options, before=namespace.command() if kind is DeviceTracer else ()) as tracer:
            empty = resident(tracer.process.pid)
            connections.open(A_FEW)
            few = cost(connections, tracer, A_FEW)
            connections.open(count - A_FEW)
            many = cost(connections, tracer, min(count, 10 * A_FEW))
            tracer.wait_polled()
            grown = resident(tracer.process.pid) - empty
            said = tracer.stop(timeout=120)
    print(f"{name}: {few:.0f} ns a packet beside {A_FEW} connections, {many:.0f} ns beside {count}; "
          f"{len(tracer.lines)} records, the process grew by {grown} KiB", flush=True)  # fmt: skip
    print("    " + (said.replace("\n", "\n    ") or "nothing lost"))


def raise_descriptors(count):
    """Two for each connection, and some more; returns how many connections there is room for."""
    wanted = 2 * count + 100
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
        return count
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(f"this user may not have more than {hard} descriptors (ulimit -Hn)")
    return (hard - 100) // 2


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100000
    if os.geteuid():
        print("needs root")
        return 1
    count = raise_descriptors(count)
    counted = STATISTICS.read_text()
    STATISTICS.write_text("1")
    try:
        with tempfile.TemporaryDirectory() as directory:
            script = flights(endpoints.Keys(directory))
            measure("sockets", Tracer, ["-P", str(PORT)], script, count)
            measure("device", DeviceTracer, ["-i", "lo", "-P", str(PORT)], script, count)
    finally:
        STATISTICS.write_text(counted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
