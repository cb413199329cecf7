# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Nanoseconds that the BPF programs take per packet, as the kernel counts them."""

import itertools
import time
from statistics import median

from children import Helper, Tracer, cpu_ns, kernel_objects
from established import KINDS, TRANSPORTS, transfer
from handshakes import DRAIN_SECONDS, VERSIONS, client_arguments
from rounds import print_table

SECONDS = 0.3
ROUNDS = 5  # time in a program varies less than what is compared elsewhere
DIRECTIONS = ("receive", "send")


class RunTimes:
    """Nanoseconds and runs of the programs of a process since this was made."""

    def __init__(self, pid):
        self._pid = pid
        self._start = self._read()

    def _read(self):
        objects = kernel_objects(self._pid)
        return {direction: objects.run_time(direction) for direction in DIRECTIONS}

    def stop(self):
        now = self._read()
        self.nanoseconds = {direction: now[direction][0] - self._start[direction][0] for direction in DIRECTIONS}
        self.runs = {direction: now[direction][1] - self._start[direction][1] for direction in DIRECTIONS}

    def per_run(self, *directions):
        return sum(self.nanoseconds[one] for one in directions) / max(1, sum(self.runs[one] for one in directions))


class Watch:
    """What a helper's work takes in the programs of mtlsnoop, in the empty ones, in mtlsnoop and in the servers."""

    def __init__(self, helper, tracer, observer, servers):
        helper.wait_ready()
        self.programs, self.empty = RunTimes(tracer.pid), RunTimes(observer.pid)
        own, served = cpu_ns(tracer.pid), cpu_ns(*servers)
        helper.start()
        self.figures = helper.figures()
        self.programs.stop()
        self.empty.stop()
        time.sleep(DRAIN_SECONDS)
        self.own_ns, self.servers_ns = cpu_ns(tracer.pid) - own, cpu_ns(*servers) - served


def _per_run_cells(watches):
    return [*(f"{median([watch.programs.per_run(direction) for watch in watches]):.0f}" for direction in DIRECTIONS),
            f"{median([watch.empty.per_run(*DIRECTIONS) for watch in watches]):.0f}"]


def _per_handshake_cells(watches):
    cells = []
    for watch in watches:
        _, _, count, client_ns = watch.figures
        bpf_ns = sum(watch.programs.nanoseconds.values())
        cells.append((sum(watch.programs.runs.values()) / count, bpf_ns / count / 1000, watch.own_ns / count / 1000,
                      100 * (bpf_ns + watch.own_ns) / (client_ns + watch.servers_ns + watch.own_ns)))
    return [f"{median(column):.1f}" for column in zip(*cells)]


def run(place, stack, _rounds):
    place.start_servers(stack)
    rows = []
    with Helper("observe", place.cgroup) as observer, Tracer("-q", "-g", place.cgroup) as tracer:
        observer.wait_ready()

        def watch(make):
            watches = []
            for _ in range(ROUNDS):
                with make() as helper:
                    watches.append(Watch(helper, tracer, observer, place.servers))
            return watches

        for version, asks in itertools.product(VERSIONS, (False, True)):
            arguments = client_arguments(place, version, "ecdsa", asks, SECONDS)
            watches = watch(lambda: Helper("client", *arguments))
            rows.append([f"handshakes, TLS {version}", "asked" if asks else "", *_per_run_cells(watches),
                         *_per_handshake_cells(watches)])
        for transport, pattern in KINDS:
            watches = watch(lambda: transfer(place, transport, pattern, SECONDS))
            rows.append([f"established {TRANSPORTS[transport]}", pattern, *_per_run_cells(watches),
                         "", "", "", ""])
    print_table("BPF programs: nanoseconds of a run (one per packet and endpoint), and a handshake's share, median",
                ["traffic", "", "receive ns", "send ns", "empty ns", "runs", "BPF us", "-q own us", "% of CPU"], rows,
                ["An empty program on the same packets shows what taking the time costs: that is in all figures.",
                 "Per handshake (ECDSA keys): runs and time at both endpoints together, mtlsnoop's own CPU time, and",
                 "what both are of the CPU time of client, server and mtlsnoop."])
