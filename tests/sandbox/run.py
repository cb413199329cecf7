#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
What mtlsnoop may still do once it reads what strangers send. usage: run.py [WORD...] (only the cases with one of the words in
their name)

attempts.c tries, behind the same privileges_drop() and sandbox_enter(), what an attacker would; the program itself is asked
through /proc, and watched with strace while it works: it must never meet its own filter.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path += [str(TESTS / "live"), str(TESTS / "metrics")]

from certificates import Certificates  # noqa: E402
from harness import PROGRAM, ROOT, Failure, Skip, Suite, expect, wait_until  # noqa: E402
from program import Tracer, own_cgroup, own_network  # noqa: E402
from traffic import Server, shake_hands  # noqa: E402

ATTEMPTS = ROOT / "build" / "tests" / "attempts"
CAPTURE = ROOT / "tests" / "captures" / "own" / "tls-1.3-presented.pcap"

KILLED = "SIGSYS"
REFUSED = "ENOSYS"

# what comes of each attempt: without a sandbox but without privileges, while a capture is read, live
OUTCOMES = {
    "read-shadow": ("EACCES", REFUSED, REFUSED),
    "read-file": ("done", REFUSED, REFUSED),
    "write-file": ("done", REFUSED, REFUSED),
    "remove-file": ("ENOENT", REFUSED, REFUSED),
    "socket": ("done", REFUSED, REFUSED),
    "send-elsewhere": ("ECONNREFUSED", REFUSED, REFUSED),
    "send": ("done", REFUSED, "done"),
    "execute": ("done", KILLED, KILLED),
    "execute-descriptor": ("done", KILLED, KILLED),
    "fork": ("done", REFUSED, REFUSED),
    "thread": ("done", REFUSED, REFUSED),
    "ptrace": ("done", KILLED, KILLED),
    "read-process": ("EPERM", KILLED, KILLED),
    "write-process": ("EPERM", KILLED, KILLED),
    "signal-process": ("EPERM", REFUSED, REFUSED),
    "signal-thread": ("EPERM", REFUSED, REFUSED),
    "abort": ("SIGABRT", "SIGABRT", "SIGABRT"),
    "bpf-load": ("EPERM", REFUSED, REFUSED),
    "bpf-map": ("EPERM", REFUSED, REFUSED),
    "bpf-info": ("EBADFD", REFUSED, "EBADFD"),
    "map-code": ("done", REFUSED, REFUSED),
    "make-code": ("done", REFUSED, REFUSED),
    "mount": ("EPERM", REFUSED, REFUSED),
    "namespace": (None, REFUSED, REFUSED),  # the host's own affair
    "user": ("done", REFUSED, REFUSED),
    "terminal": ("ENOTTY", REFUSED, REFUSED),
    "own-descriptor": ("done", REFUSED, REFUSED),
    "io-uring": (None, REFUSED, REFUSED),
    "ia32": (None, KILLED, KILLED),
    "memory": ("done", "done", "done"),
    "time": ("done", "done", "done"),
    "random": ("done", "done", "done"),
    "poll": ("done", REFUSED, "done"),
}

WORKS = ("none", "capture", "live")

NO_PRIVILEGES = {"Uid": {"65534"}, "Gid": {"65534"}, "Groups": set(), "NoNewPrivs": {"1"}, "Seccomp": {"2"},
                 **dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), {"0" * 16})}


def outcome_of(work, attempt):
    done = subprocess.run([ATTEMPTS, work, attempt], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=20)
    if done.stderr:
        raise Failure(f"standard error is {done.stderr.strip()!r}")
    if done.returncode < 0:
        return signal.Signals(-done.returncode).name
    return done.stdout.strip()


def check_attempt(attempt, work, expected):
    outcome = outcome_of(work, attempt)
    if expected is None:
        if work == "none" and outcome == REFUSED:
            raise Skip("this kernel does not have it")
        return
    if attempt == "ia32" and os.uname().machine != "x86_64":
        raise Skip("on x86-64 alone")
    expect(outcome, expected, f"{attempt}, {work}")


def check_all_attempts(suite):
    known = subprocess.run([ATTEMPTS, "list"], capture_output=True, text=True, check=True).stdout.split()
    suite.run("attempts: each has its outcome here", lambda: expect(sorted(known), sorted(OUTCOMES), "attempts"))
    for attempt, outcomes in OUTCOMES.items():
        for work, expected in zip(WORKS, outcomes):
            suite.run(f"attempt: {attempt} ({work})", check_attempt, attempt, work, expected)


def tasks_of(process):
    """Its threads, and those of every process that it has started and that runs."""
    for task in sorted(Path(f"/proc/{process}/task").iterdir()):
        yield task
        for child in (task / "children").read_text().split():
            yield from tasks_of(child)


def status_of(task):
    fields = dict(line.split(":", 1) for line in (task / "status").read_text().splitlines())
    return {name: set(fields[name].split()) for name in NO_PRIVILEGES}


def check_tasks(process, threads):
    tasks = list(tasks_of(process))
    for task in tasks:
        expect(status_of(task), NO_PRIVILEGES, f"status of {task}")
    expect(len(tasks), threads, "threads and processes")


def check_live(cgroup):
    with Tracer(cgroup, "--quiet") as tracer:
        tracer.wait_for_start()
        # the filter comes right behind the start of the thread that has answered
        wait_until(lambda: status_of(Path(f"/proc/{tracer.process.pid}"))["Seccomp"] == {"2"})
        check_tasks(tracer.process.pid, 2)
        expect(tracer.stop(), 0, "exit status")


def check_capture():
    """It waits for more than the capture's head, and can be looked at meanwhile."""
    head, rest = CAPTURE.read_bytes()[:100], CAPTURE.read_bytes()[100:]
    with subprocess.Popen([PROGRAM, "--json", "-r", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            process.stdin.write(head)
            process.stdin.flush()
            wait_until(lambda: status_of(Path(f"/proc/{process.pid}"))["Seccomp"] == {"2"})
            check_tasks(process.pid, 1)
            output, _ = process.communicate(rest, timeout=20)
        finally:
            process.kill()
    expect((process.returncode, output.count(b'"client_auth":"presented"')), (0, 1), "exit status, handshakes presented")


def strace(*options):
    if not shutil.which("strace"):
        raise Skip("strace is not installed")
    # the traced program keeps its place as the child, so that signals go to it
    return ["strace", "-D", "-f", "-q", *options]


def refusals(log):
    """The calls behind the filter that it refused."""
    _, loaded, behind = log.partition("SECCOMP_SET_MODE_FILTER")
    expect(loaded, "SECCOMP_SET_MODE_FILTER", "what loads the filter")
    return [line for line in behind.splitlines() if REFUSED in line or KILLED in line]


def wait_for_log(path):
    """strace writes the end a moment after it was."""
    if not wait_until(lambda: "+++ exited with" in path.read_text(errors="replace")):
        raise Failure("strace tells of no end")
    return path.read_text(errors="replace")


def meets_no_filter(cgroup, directory):
    """Handshakes of both versions, scrapes in both formats, refusals, losses told, the end."""
    certificates = Certificates(directory)
    server = Server(certificates, "required")
    path = directory / "live.strace"
    with contextlib.closing(server), Tracer(cgroup, "--json", prefix=strace("-o", path)) as tracer:
        tracer.wait_for_start()
        for version in ("TLSv1.2", "TLSv1.3"):
            for pair in (certificates.good["ecdsa"], None):
                shake_hands(server, version, pair)
        tracer.wait_for_handshakes(4)
        tracer.get("/", "POST")
        tracer.get("/metrics", Accept="application/openmetrics-text")
        tracer.get("/" + "x" * 20000)
        with socket.create_connection((tracer.address, tracer.port)) as connection:
            connection.send(b"\0\1\2garbage\r\n\r\n")
            connection.recv(100)
        expect(tracer.stop(), 0, "exit status")
    expect(refusals(wait_for_log(path)), [], "calls that the filter refused")


def capture_meets_no_filter(directory):
    path = directory / "capture.strace"
    done = subprocess.run([*strace("-o", path), PROGRAM, "-t", "-r", CAPTURE], capture_output=True, text=True, timeout=60)
    expect((done.returncode, done.stderr), (0, ""), "exit status, standard error")
    expect(refusals(wait_for_log(path)), [], "calls that the filter refused")


def goes_on_without(directory):
    """A kernel without seccomp, played by strace: told once, and read all the same."""
    path = directory / "without.strace"
    done = subprocess.run([*strace("-o", path, "-e", "inject=seccomp:error=ENOSYS"), PROGRAM, "--json", "-r", CAPTURE],
                          capture_output=True, text=True, timeout=60)
    expect((done.returncode, done.stdout.count('"client_auth":"presented"')), (0, 1), "exit status, handshakes presented")
    if not re.fullmatch(r"mtlsnoop: going on without a filter for system calls \(seccomp\): [^\n]*\n", done.stderr):
        raise Failure(f"standard error is {done.stderr!r}, expected one line that tells of it")


def main():
    suite = Suite(sys.argv[1:])
    if not ATTEMPTS.exists() or not os.access(PROGRAM, os.X_OK):
        print(f"FAIL sandbox: there is no {PROGRAM} or no {ATTEMPTS}: make all tests")
        return 1
    if os.geteuid() != 0:
        print("SKIP sandbox: it needs root")
        return 0
    check_all_attempts(suite)
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        suite.run("capture: no privileges, and a filter", check_capture)
        suite.run("capture: meets no filter", capture_meets_no_filter, directory)
        suite.run("without seccomp it goes on, and says so", goes_on_without, directory)
        own_network()
        cgroup = stack.enter_context(own_cgroup())
        suite.run("live: no privileges, and a filter, in every thread", check_live, cgroup)
        suite.run("live: meets no filter", meets_no_filter, cgroup, directory)
    return 1 if suite.failed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    sys.exit(main())
