# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Cases: run, judged, and printed as tests/run reads them."""

import contextlib
import os
import random
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("MTLSNOOP", str(ROOT / "build" / "mtlsnoop"))
# a factor for all time limits on a slow machine
PATIENCE = int(os.environ.get("MTLSNOOP_PATIENCE", "1"))


class Failure(Exception):
    pass


class Skip(Exception):
    pass


class Suite:
    """Runs cases and prints a line for each."""

    def __init__(self, words):
        self._words = words
        self.failed = 0

    def wants(self, name):
        return not self._words or any(word in name for word in self._words)

    def run(self, name, function, *arguments, **keywords):
        """function may return a remark. It raises Skip if it cannot look, and Failure if a result is not as expected."""
        if not self.wants(name):
            return
        try:
            remark = function(*arguments, **keywords)
            print(f"PASS {name}" + (f": {remark}" if isinstance(remark, str) and remark else ""), flush=True)
        except Skip as reason:
            print(f"SKIP {name}: {reason}", flush=True)
        except Exception as error:  # any error: the next cases still run
            why = str(error) if isinstance(error, Failure) else f"{type(error).__name__}: {error}"
            print(f"FAIL {name}: {why}", flush=True)
            self.failed += 1


def expect(actual, expected, what):
    if actual != expected:
        raise Failure(f"{what}: {actual!r}, expected {expected!r}")


def wait_until(condition, what=None, timeout=5):
    """
    Call condition() every few milliseconds until its result is true, and return the result. At the time limit (seconds, times
    PATIENCE) raise Failure, or return the last result if `what`, the name of the condition, is None.
    """
    timeout *= PATIENCE
    deadline = time.monotonic() + timeout
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            if what is None:
                return found
            raise Failure(f"{what}: not within {timeout} s")
        time.sleep(0.01)


@contextlib.contextmanager
def on_one_cpu():
    """
    Keep this thread, and threads that it starts, on one CPU. A segment that arrives while another CPU is at its socket waits in
    the backlog: TCP has neither taken nor refused the segment then, and bytes that come twice give no certain verdict.
    """
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {random.choice(sorted(before))})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
