#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
The tests of the BPF programs on kernels that people run: Debian's, in emulated machines; and what the verifier made of
each program, there and on this host. usage: run.py [--all] [--release NAME] [--cpus N] [WORD...]

The oldest and the newest kernel run what fits a minute and a half; all machines, or those of a release or a number of
CPUs, all that is of use there. WORD chooses cases: SUITE/WORD, as in the suite.
"""

import argparse
import os
import platform
import subprocess
import sys
from dataclasses import replace

import machine
from machine import BUILD, X86, Machine

MACHINES = [
    Machine(X86, "bullseye", 2, ("clsact",), everyday=True),
    Machine(X86, "trixie", 2, ("tcx", "clsact"), everyday=True),
    Machine(X86, "bookworm", 2, ("clsact",)),
    Machine(X86, "bullseye", 1, ("clsact",), whole=False),
    Machine(X86, "trixie", 1, ("tcx",), whole=False),
]


def obstacle():
    return "for x86-64 alone" if platform.machine() != "x86_64" else machine.obstacle(X86)


def host_verified(output):
    objects = sorted((BUILD / "bpf").glob("*.bpf.o"))
    done = subprocess.run([BUILD / "tests" / "verify", *objects], capture_output=True, text=True)
    output.note_verified(platform.release().split("-")[0], done.stdout)


def choose(arguments):
    if arguments.all or arguments.release or arguments.cpus:
        return machine.choose(MACHINES, arguments)
    return [replace(one, whole=False) for one in MACHINES if one.everyday]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--release", choices=sorted({one.release for one in MACHINES}))
    parser.add_argument("--cpus", type=int, choices=sorted({one.cpus for one in MACHINES}))
    parser.add_argument("words", nargs="*")
    arguments = parser.parse_args()
    reason = obstacle()
    if reason:
        print(f"SKIP kernels: {reason}")
        return 0
    # minutes of an emulated processor: what is run every day has to fit into ten
    if len(sys.argv) == 1 and not os.environ.get("CI"):
        print("SKIP kernels: minutes long: with CI=true, or by make check-kernels")
        return 0
    output = machine.Output()
    machine.run(choose(arguments), arguments.words, output)
    host_verified(output)
    print(output.table(), end="")
    return 1 if output.failed else 0


if __name__ == "__main__":
    sys.exit(main())
