# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A cgroup of the suite's own: a tracer of that cgroup counts the suite's handshakes and no others of this host."""

import contextlib
import os
from pathlib import Path

from .cases import Failure, wait_until

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
    Remove the cgroup once its last process is gone. The kernel keeps a process in its cgroup for a while after the directory
    shows none: a process with probes first detaches the probes one by one, each with a grace period. If the removal takes
    longer than REMOVED_SECONDS, the next run removes the directory.
    """
    wait_until(lambda: _removed(path), timeout=REMOVED_SECONDS)


def _remove_stale(root):
    for path in root.glob(f"{PREFIX}*"):
        pid = path.name.removeprefix(PREFIX).split("-")[0]
        if not Path(f"/proc/{pid}").exists():
            _removed(path)


@contextlib.contextmanager
def own_cgroup(name=None):
    """Move this process, and processes that it starts, into a new cgroup. A socket belongs to the cgroup of its creation."""
    root = cgroup_root()
    home = next(line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
    _remove_stale(root)
    path = root / f"{PREFIX}{os.getpid()}{f'-{name}' if name else ''}"
    path.mkdir()
    try:
        (path / "cgroup.procs").write_text(str(os.getpid()))
        yield path
    finally:
        (root / home.lstrip("/") / "cgroup.procs").write_text(str(os.getpid()))
        remove_cgroup(path)
