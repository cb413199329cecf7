# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A cgroup of our own: a tracer of it counts what the cases do, and not what others do on this host."""

import contextlib
import os
from pathlib import Path

from harness import Failure, wait_until

PREFIX = "mtlsnoop-test-"
REMOVED_SECONDS = 20


def cgroup_root():
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        if " - cgroup2 " in line and fields[3] == "/":
            return Path(fields[4])
    raise Failure("no cgroup v2 hierarchy is mounted")


def _removed(path):
    with contextlib.suppress(OSError):
        path.rmdir()
        return True


def remove_cgroup(path):
    """
    A process is in its cgroup until the kernel is done with it, also when the directory shows it no more. One that had probes
    detaches them first, one by one, each with a grace period and behind those of all others on this host: where that takes too
    long the next run removes the directory.
    """
    wait_until(lambda: _removed(path), REMOVED_SECONDS)


def _remove_stale(root):
    for path in root.glob(f"{PREFIX}*"):
        pid = path.name.removeprefix(PREFIX).split("-")[0]
        if not Path(f"/proc/{pid}").exists():
            _removed(path)


@contextlib.contextmanager
def own_cgroup():
    """This process, and what it starts, is in a cgroup that nobody else is in."""
    root = cgroup_root()
    home = next(line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
    _remove_stale(root)
    path = root / f"{PREFIX}{os.getpid()}"
    path.mkdir()
    try:
        (path / "cgroup.procs").write_text(str(os.getpid()))
        yield path
    finally:
        (root / home.lstrip("/") / "cgroup.procs").write_text(str(os.getpid()))
        remove_cgroup(path)
