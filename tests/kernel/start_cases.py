# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What it says where it cannot begin, each time in a mount namespace of its own; and that its advice helps."""

import re
import shlex
import subprocess

from harness import PATIENCE, PROGRAM, Failure, Skip, expect

LARGEST_BUFFER = "1024M"
COMMAND = f"{shlex.quote(PROGRAM)} --json --library=off --duration=0.1"
CANNOT_MOUNT = 99


def start(*lines):
    """Run these lines of shell; returns the exit status of the last and what was said."""
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", "\n".join(lines)], stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=30 * PATIENCE,
    )  # fmt: skip
    said = done.stderr.strip()
    if done.returncode == CANNOT_MOUNT:
        raise Failure(f"the case's own mounts: {said}")
    return done.returncode, said


def mounting(*command):
    return f"{shlex.join(command)} || exit {CANNOT_MOUNT}"


def refused(*lines):
    """Returns what it said in its last line, having ended with status 1."""
    status, said = start(*lines)
    expect(status, 1, f"exit status ({said})")
    return said.splitlines()[-1]


def without_cgroup():
    """One hierarchy may be mounted at several places, and on itself."""
    with open("/proc/self/mountinfo") as mounts:
        points = [line.split()[4] for line in mounts if " - cgroup2 " in line]
    hidden = [mounting("umount", "-l", point) for point in reversed(points)]
    said = refused(*hidden, COMMAND)
    advice = re.fullmatch(r"mtlsnoop: no cgroup v2 hierarchy is mounted; mount one, anywhere: (.*)", said)
    if not advice:
        raise Failure(f"what was said: {said!r}")
    # the directory that it makes is not left on this host
    status, said = start(*hidden, mounting("mount", "-t", "tmpfs", "none", "/run"), advice[1], COMMAND)
    expect(status, 0, f"exit status with {advice[1]!r} ({said})")


def without_btf():
    said = refused(mounting("mount", "-t", "tmpfs", "none", "/sys/kernel/btf"), COMMAND)
    if not re.search(r"did not load the BPF programs: it has no BTF; it needs CONFIG_DEBUG_INFO_BTF", said):
        raise Failure(f"what was said: {said!r}")


def without_memory():
    with open("/proc/meminfo") as told:
        total = int(re.search(r"^MemTotal:\s+(\d+) kB", told.read(), re.MULTILINE)[1])
    if total > 1 << 20:
        raise Skip(f"{total >> 10} MiB hold the largest --buffer")
    said = refused(f"{COMMAND} --buffer={LARGEST_BUFFER}")
    if "Cannot allocate memory; there is not enough memory: try a smaller --buffer" not in said:
        raise Failure(f"what was said: {said!r}")
    status, said = start(COMMAND)
    expect(status, 0, f"exit status with the default ({said})")


def run(suite):
    suite.run("start: no cgroup v2 hierarchy is mounted", without_cgroup)
    suite.run("start: a kernel without BTF", without_btf)
    suite.run("start: too little memory", without_memory)
