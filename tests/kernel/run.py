#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The BPF programs in the running kernel, with real sockets in network namespaces of their own.

usage: run.py [WORD...]     only the cases whose name contains one of the words
"""

import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from harness import cgroups  # noqa: E402
import endpoints  # noqa: E402
import listener_cases  # noqa: E402
import load_cases  # noqa: E402
import path_cases  # noqa: E402
import peer_cases  # noqa: E402
import program_cases  # noqa: E402
import start_cases  # noqa: E402
import veth_cases  # noqa: E402
from harness import PROGRAM, Failure, Suite, expect  # noqa: E402
from truth import Tracer  # noqa: E402


def obstacle():
    """Why nothing can be tested here, None where it can."""
    if os.geteuid():
        return "needs root"
    if not os.path.exists(PROGRAM):
        return f"{PROGRAM} is not built"
    if not os.path.exists("/dev/net/tun"):
        return "no /dev/net/tun"
    missing = [tool for tool in ("ip", "ss", "openssl", "bpftool") if not shutil.which(tool)]
    return f"{', '.join(missing)} not installed" if missing else None


def ends_well(tracer):
    """After all that: it still runs, lost nothing, and ends when it is told to."""
    said = tracer.stop()
    expect(tracer.process.returncode, 0, f"exit status ({said})")
    for word in ("no room", "two CPUs", "no memory", "defect"):
        if word in said:
            raise Failure(said)
    return said.replace("mtlsnoop: ", "").replace("\n", "; ")


def main():
    reason = obstacle()
    if reason:
        print(f"SKIP kernel: {reason}")
        return 0
    suite = Suite(sys.argv[1:])
    program_cases.run(suite)
    start_cases.run(suite)
    with contextlib.ExitStack() as stack:
        keys = endpoints.Keys(stack.enter_context(tempfile.TemporaryDirectory(prefix="mtlsnoop-kernel-")))
        with cgroups.own_cgroup("hooks") as cgroup, Tracer("--cgroup", str(cgroup)) as tracer:
            for module in (path_cases, veth_cases, peer_cases, listener_cases):
                with contextlib.ExitStack() as network:
                    module.run(suite, network, keys, tracer)
            suite.run("end: SIGINT ends it with status 0", ends_well, tracer)
        with contextlib.ExitStack() as network:
            load_cases.run(suite, network, keys)
    return 1 if suite.failed else 0


if __name__ == "__main__":
    sys.exit(main())
