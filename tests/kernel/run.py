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

import endpoints
import listener_cases
import path_cases
import peer_cases
from harness import PROGRAM, Suite, Tracer


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


def main():
    reason = obstacle()
    if reason:
        print(f"SKIP kernel: {reason}")
        return 0
    suite = Suite(sys.argv[1:])
    with contextlib.ExitStack() as stack:
        keys = endpoints.Keys(stack.enter_context(tempfile.TemporaryDirectory(prefix="mtlsnoop-kernel-")))
        tracer = stack.enter_context(Tracer())
        for module in (path_cases, peer_cases, listener_cases):
            with contextlib.ExitStack() as inner:
                module.run(suite, inner, keys, tracer)
        print(tracer.stop())
    return 1 if suite.failed else 0


if __name__ == "__main__":
    sys.exit(main())
