#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Many open TLS connections on one host: what they take in the kernel and in the process, and what a packet of an
established connection costs beside them. The bytes of one real handshake are replayed over real sockets between addresses
of 127.0.0.0/8 in a network namespace of its own: for the hooks that is a handshake, and it costs no cryptography.

A process may often have no more than 20,000 descriptors, and a connection takes two: as many processes share them as it
takes. The kernel's memory is what the general caches of /proc/slabinfo grow by, beside a run without any hook: the
whole host's, so nothing else should go on. The LRU hash of the device hook is not in it, for it is allocated at the start.

usage: scale.py [CONNECTIONS]     100000 where not told otherwise
"""

import contextlib
import multiprocessing
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "kernel")]

import endpoints  # noqa: E402
from harness import Failure, wait_until  # noqa: E402
from truth import Tracer  # noqa: E402
from harness.namespaces import Namespace  # noqa: E402

STATISTICS = pathlib.Path("/proc/sys/kernel/bpf_stats_enabled")
A_FEW = 1000
STEP = 50  # connections that a process opens in one go
PINGS = 100000  # in all, whether over few connections or over many
FIRST_PORT = 10000
# of a connection without any hook: two sockets, their inodes and files; and what Python keeps of them
BYTES_NEEDED = 16 * 1024
SECONDS_MAX = 300  # for each step of the workers


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
    """Those of one process, between two addresses that no other has."""

    def __init__(self, number, port, script):
        self._client, self._script, self._pairs = f"127.2.{number}.1", script, []
        self._listener = socket.create_server((f"127.1.{number}.1", port), backlog=16)

    def open(self, count):
        for _ in range(count):
            client = socket.socket()
            client.bind((self._client, FIRST_PORT + len(self._pairs)))
            client.connect(self._listener.getsockname())
            server, _ = self._listener.accept()
            self._pairs.append((client, server))
            for from_client, data in self._script:
                one, other = (client, server) if from_client else (server, client)
                one.sendall(data)
                other.recv(len(data), socket.MSG_WAITALL)

    def ping(self, rounds):
        for _ in range(rounds):
            for client, server in self._pairs:
                client.send(b"\x17\x03\x03\x00\x20" + bytes(32))
                server.recv(64)


def work(namespace, number, port, script, pipe):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with namespace.entered():
        connections = Connections(number, port, script)
    while command := pipe.recv():
        with namespace.entered():
            getattr(connections, command[0])(command[1])
        pipe.send(command)


class Worker:
    def __init__(self, namespace, number, port, script):
        self._pipe, other = multiprocessing.Pipe()
        self._process = multiprocessing.Process(target=work, args=(namespace, number, port, script, other), daemon=True)
        self._process.start()
        # so that a worker that ends shows as the end of the pipe
        other.close()

    def tell(self, *command):
        self._pipe.send(command)

    def wait(self):
        if not self._pipe.poll(SECONDS_MAX):
            raise Failure(f"a worker was not done within {SECONDS_MAX} s")
        self._pipe.recv()

    def close(self):
        with contextlib.suppress(OSError):
            self._pipe.send(None)
        self._process.join(30)
        self._process.kill()


class Workers:
    def __init__(self, stack, namespace, port, script, count):
        self._workers, self._open = [], 0
        for number in range(count):
            self._workers.append(stack.enter_context(contextlib.closing(Worker(namespace, number, port, script))))

    def open(self, total, caught_up=lambda opened: True):
        """
        Until there are so many; returns how many there are. It is not faster than the tracer tells of them: what is
        measured are open connections, not a host on which they all begin in the same second.
        """
        while self._open * len(self._workers) < total:
            each = min(-(-total // len(self._workers)) - self._open, STEP)
            for worker in self._workers:
                worker.tell("open", each)
                worker.wait()
            self._open += each
            opened = self._open * len(self._workers)
            with contextlib.suppress(Failure):
                wait_until(lambda: caught_up(opened), "records", 5)
        return self._open * len(self._workers)

    def ping(self):
        """In one after the other, so that few connections and many are pinged in the same way."""
        for worker in self._workers:
            worker.tell("ping", max(PINGS // (self._open * len(self._workers)), 1))
            worker.wait()


class CountingTracer(Tracer):
    """Its records are counted: there are too many of them to be kept."""

    records_read = 0
    records_each = 2  # of a connection: both its ends are here

    def caught_up(self, connections):
        return self.records_read >= connections * self.records_each

    def _read(self):
        for _ in self.process.stdout:
            self.records_read += 1


class DeviceTracer(CountingTracer):
    records_each = 1

    def _attached(self):
        return self.process.poll() is None and "Uid:\t65534" in pathlib.Path(f"/proc/{self.process.pid}/status").read_text()


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


def anonymous(pid):
    """KiB that the process has written, and no other shares."""
    return int(re.search(r"RssAnon:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])


def slab():
    """Bytes in use of objects without a cache of their own: socket storage is among them, sockets, inodes and files are not."""
    lines = pathlib.Path("/proc/slabinfo").read_text().splitlines()[2:]
    kept = [line.split() for line in lines if line.startswith("kmalloc")]
    return sum(int(fields[1]) * int(fields[3]) for fields in kept)


def cost(workers, tracer):
    """Nanoseconds of a run, while the workers ping."""
    programs = programs_of(tracer.process.pid)
    before = runs_of(programs)
    workers.ping()
    after = runs_of(programs)
    return (after[1] - before[1]) / max(after[0] - before[0], 1)


def measure_alone(workers, count):
    workers.open(A_FEW)
    before = slab()
    opened = workers.open(count)
    each = (slab() - before) / (opened - A_FEW)
    print(f"no hook: {opened} connections, {each:.0f} bytes of kmalloc for each", flush=True)
    return each


def measure(name, tracer, workers, count, without):
    empty = anonymous(tracer.process.pid)
    workers.open(A_FEW, tracer.caught_up)
    few = cost(workers, tracer)
    before = slab()
    opened = workers.open(count, tracer.caught_up)
    tracer.wait_polled()
    grown, each = anonymous(tracer.process.pid) - empty, (slab() - before) / (opened - A_FEW)
    many = cost(workers, tracer)
    said = tracer.stop(timeout=120)
    print(f"{name}: {few:.0f} ns a packet beside {A_FEW} connections, {many:.0f} ns beside {opened}; {each:.0f} bytes of "
          f"kmalloc for each connection, {each - without:.0f} more than without; the process grew by {grown} KiB; "
          f"{tracer.records_read} records", flush=True)  # fmt: skip
    print("    " + (said.replace("\n", "\n    ") or "nothing lost"), flush=True)


@contextlib.contextmanager
def scene(name, script, count):
    """A namespace of its own, since the ports of closed connections stay taken for a minute; a port; who connects there."""
    with contextlib.ExitStack() as stack:
        namespace = stack.enter_context(contextlib.closing(Namespace(name)))
        with namespace.socket() as chosen:
            chosen.bind(("127.0.0.1", 0))
            port = chosen.getsockname()[1]
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        processes = -(-2 * count // (limit - 100))
        yield namespace, port, Workers(stack, namespace, port, script, processes)


def enough_memory(count):
    available = int(re.search(r"MemAvailable:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())[1]) * 1024
    if available < count * BYTES_NEEDED:
        print(f"{count} connections take up to {count * BYTES_NEEDED >> 20} MiB, and there are {available >> 20}")
    return available >= count * BYTES_NEEDED


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100000
    if os.geteuid():
        print("needs root")
        return 1
    if not enough_memory(count):
        return 1
    # so that what it has changed is put back
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    counted = STATISTICS.read_text()
    STATISTICS.write_text("1")
    try:
        with tempfile.TemporaryDirectory() as directory:
            script = flights(endpoints.Keys(directory))
        with scene("alone", script, count) as (_, _, workers):
            without = measure_alone(workers, count)
        with scene("sockets", script, count) as (_, port, workers), CountingTracer("-P", str(port)) as tracer:
            measure("sockets", tracer, workers, count, without)
        with scene("device", script, count) as (namespace, port, workers):
            # ip netns exec hides the cgroups; the socket hook sees all namespaces anyway
            with DeviceTracer("-i", "lo", "-P", str(port), before=namespace.command()) as tracer:
                measure("device", tracer, workers, count, without)
    finally:
        STATISTICS.write_text(counted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
