# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How long mtlsnoop takes from exec to the headings of its table, which it prints when it is attached."""

import subprocess
import time
from statistics import median

from children import PROGRAM, Broken, Child, cpu_ns
from rounds import print_table

RUNS = 10


def _start(*options):
    start = time.monotonic()
    with Child(PROGRAM, *options, stdout=subprocess.PIPE) as child:
        heading = child.process.stdout.readline()
        elapsed = time.monotonic() - start
        if not heading.startswith("TIME"):
            raise Broken(f"mtlsnoop began with {heading!r}")
        return elapsed * 1000, cpu_ns(child.pid) / 1e6


def run(place, _stack, _rounds):
    samples = [_start("-g", place.cgroup) for _ in range(RUNS)]
    rows = [[name, f"{median(values):.0f}", f"{min(values):.0f}", f"{max(values):.0f}"]
            for name, values in zip(("elapsed", "CPU time"), zip(*samples))]
    print_table(f"From exec to attached, {RUNS} runs: milliseconds", ["", "median", "least", "most"], rows,
                ["Goal: under 300."])
