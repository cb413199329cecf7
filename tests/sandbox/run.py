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
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path.append(str(TESTS))

from harness.certificates import Certificates  # noqa: E402
from harness import PROGRAM, ROOT, Failure, Skip, Suite, expect, wait_until  # noqa: E402
from harness.cgroups import own_cgroup  # noqa: E402
from harness.scraped import MetricsTracer, own_network  # noqa: E402
from harness.servers import Server, shake_hands  # noqa: E402

ATTEMPTS = ROOT / "build" / "tests" / "attempts"
CAPTURE = ROOT / "tests" / "captures" / "own" / "tls-1.3-presented.pcap"

# include/uapi/linux/capability.h
CAP_DAC_READ_SEARCH, CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_SYS_ADMIN = 2, 12, 19, 21
CAP_PERFMON, CAP_BPF, CAP_CHECKPOINT_RESTORE = 38, 39, 40

KILLED = "SIGSYS"
REFUSED = "ENOSYS"
DETACHERS = 24  # DETACHER_THREADS

# what comes of each attempt, without privileges: without a sandbox, while a capture is read, live, and in the children that
# read files, attach to interfaces, attach to libraries, look up host names, write the store, look up processes, and parse ELF
# files
OUTCOMES = {
    "read-shadow": ("EACCES", REFUSED, REFUSED, "EACCES", REFUSED, "EACCES", "EACCES", "EACCES", "EACCES", REFUSED),
    "read-file": ("done", REFUSED, REFUSED, "done", REFUSED, "done", "done", "done", "done", REFUSED),
    "write-file": ("done", REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, "done", REFUSED, REFUSED),
    "remove-file": ("ENOENT", REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, "ENOENT", REFUSED, REFUSED),
    "socket": ("done", REFUSED, REFUSED, REFUSED, "done", REFUSED, "done", REFUSED, REFUSED, REFUSED),
    "send-elsewhere": ("ECONNREFUSED", REFUSED, REFUSED, REFUSED, "ECONNREFUSED", REFUSED, "ECONNREFUSED", REFUSED, REFUSED, REFUSED),
    "send": ("done", "done", "done", "done", "done", "done", "done", "done", "done", "done"),
    "execute": ("done", KILLED, KILLED, KILLED, KILLED, KILLED, KILLED, KILLED, KILLED, KILLED),
    "execute-descriptor": ("done", KILLED, KILLED, KILLED, KILLED, KILLED, KILLED, KILLED, KILLED, KILLED),
    "fork": ("done", REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, "done"),
    "thread": ("done", REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED),
    "ptrace": ("done", KILLED, KILLED, KILLED, KILLED, KILLED, KILLED, KILLED, KILLED, KILLED),
    "read-process": ("EPERM", KILLED, KILLED, KILLED, KILLED, KILLED, KILLED, KILLED, KILLED, KILLED),
    "write-process": ("EPERM", KILLED, KILLED, KILLED, KILLED, KILLED, KILLED, KILLED, KILLED, KILLED),
    "signal-process": ("EPERM", REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED),
    "signal-thread": ("EPERM", REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED),
    "abort": ("SIGABRT", "SIGABRT", "SIGABRT", "SIGABRT", "SIGABRT", "SIGABRT", "SIGABRT", "SIGABRT", "SIGABRT", "SIGABRT"),
    "bpf-load": ("EPERM", REFUSED, REFUSED, REFUSED, REFUSED, "EPERM", REFUSED, REFUSED, REFUSED, REFUSED),
    "bpf-map": ("EPERM", REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED),
    "bpf-info": ("EBADFD", REFUSED, "EBADFD", REFUSED, "EBADFD", REFUSED, REFUSED, REFUSED, REFUSED, REFUSED),
    "map-code": ("done", REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED),
    "make-code": ("done", REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED),
    "mount": ("EPERM", REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED),
    "namespace": (None, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED),  # the host's own affair
    "user": ("done", REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED),
    "terminal": ("ENOTTY", REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED),
    "own-descriptor": ("done", REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED),
    "io-uring": (None, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED),
    "ia32": (None, KILLED, KILLED, KILLED, KILLED, KILLED, KILLED, KILLED, KILLED, KILLED),
    "memory": ("done", "done", "done", "done", "done", "done", "done", "done", "done", "done"),
    "time": ("done", "done", "done", "done", "done", "done", "done", "done", "done", "done"),
    "random": ("done", "done", "done", "done", "done", "done", "done", "done", "done", "done"),
    "poll": ("done", "done", "done", "done", "done", "done", "done", "done", "done", REFUSED),
}

WORKS = ("none", "capture", "live", "files", "interfaces", "library", "names", "store", "attribution", "elf")

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


def processes_of(process):
    """It, and every process that it has started and that runs."""
    yield process
    for task in Path(f"/proc/{process}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from processes_of(int(child))


def status_of(task):
    fields = dict(line.split(":", 1) for line in (task / "status").read_text().splitlines())
    return {name: set(fields[name].split()) for name in NO_PRIVILEGES}


def parent_of(process):
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def check_process(process, threads, capabilities=0):
    """Each of its threads has a filter, and these capabilities at most."""
    tasks = list(Path(f"/proc/{process}/task").iterdir())
    kept = {name: {f"{capabilities:016x}"} for name in ("CapPrm", "CapEff")}
    for task in tasks:
        expect(status_of(task), {**NO_PRIVILEGES, **kept}, f"status of {task}")
    expect(len(tasks), threads, "threads")


def wait_for_filters(process, count):
    """Filters come a moment behind the first answer. The process and its children, in the order of their start."""
    def filtered():
        found = list(processes_of(process))
        return len(found) == count and all(status_of(Path(f"/proc/{one}"))["Seccomp"] == {"2"} for one in found) and found
    found = wait_until(filtered)
    if not found:
        raise Failure(f"no {count} processes with filters, but {list(processes_of(process))}")
    return sorted(found)


def check_live(cgroup):
    with MetricsTracer(cgroup, "--quiet", "--library=off") as tracer:
        tracer.wait_for_start()
        main, attribution = wait_for_filters(tracer.process.pid, 2)
        check_process(main, threads=2)
        # reads the executables of other users' processes
        check_process(attribution, threads=1, capabilities=1 << CAP_SYS_PTRACE)
        expect(tracer.stop(), 0, "exit status")


def check_library(cgroup):
    """Who attaches to libraries keeps what the kernel wants for that: CAP_SYS_ADMIN since 2025, and less before."""
    common = 1 << CAP_DAC_READ_SEARCH | 1 << CAP_SYS_PTRACE
    less = common | 1 << CAP_PERFMON | 1 << CAP_BPF | 1 << CAP_CHECKPOINT_RESTORE
    with MetricsTracer(cgroup, "--quiet") as tracer:
        tracer.wait_for_start()
        main, *others = wait_for_filters(tracer.process.pid, 4)
        # the process that parses files is a child of the process that attaches, and keeps nothing
        parser = next(process for process in others if parent_of(process) != main)
        library = parent_of(parser)
        attribution = next(process for process in others if process not in (parser, library))
        check_process(main, threads=2)
        check_process(attribution, threads=1, capabilities=1 << CAP_SYS_PTRACE)
        check_process(parser, threads=1)
        kept = int(next(iter(status_of(Path(f"/proc/{library}/task/{library}"))["CapEff"])), 16)
        check_process(library, threads=1 + DETACHERS, capabilities=less if kept == less else common | 1 << CAP_SYS_ADMIN)
        expect(tracer.stop(), 0, "exit status")


def check_children(directory):
    """Who reads files again and who attaches to interfaces keeps what that needs."""
    policy = directory / "policy"
    policy.write_text("127.0.0.1:443 required\n")
    with MetricsTracer(None, "--quiet", "--interface=lo", f"--expect={policy}") as tracer:
        tracer.wait_for_start()
        main, *others = wait_for_filters(tracer.process.pid, 4)
        # the process that looks up host names is the reader's child, and keeps nothing
        names = next(process for process in others if parent_of(process) != main)
        reader = parent_of(names)
        attacher = next(process for process in others if process not in (names, reader))
        check_process(names, threads=1)
        check_process(main, threads=2)
        check_process(reader, threads=1, capabilities=1 << CAP_DAC_READ_SEARCH)
        check_process(attacher, threads=1, capabilities=1 << CAP_NET_ADMIN | 1 << CAP_BPF)
        expect(tracer.stop(), 0, "exit status")


def check_capture():
    """It waits for more than the capture's head, and can be looked at meanwhile."""
    head, rest = CAPTURE.read_bytes()[:100], CAPTURE.read_bytes()[100:]
    with subprocess.Popen([PROGRAM, "--json", "-r", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            process.stdin.write(head)
            process.stdin.flush()
            check_process(*wait_for_filters(process.pid, 1), threads=1)
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


def use_everything(tracer, certificates, server):
    """Handshakes of both versions, answered and refused; scrapes in both formats, and what is not one."""
    for version in ("TLSv1.2", "TLSv1.3"):
        for pair in (certificates.good["ecdsa"], None):
            shake_hands(server, version, pair)
    tracer.wait_for_handshakes(4)
    tracer.get("/", "POST")
    tracer.get("/metrics", Accept="application/openmetrics-text")
    with contextlib.suppress(OSError):
        tracer.get("/" + "x" * 20000)
    with socket.create_connection((tracer.address, tracer.port)) as connection:
        connection.send(b"\0\1\2garbage\r\n\r\n")
        connection.recv(100)


def meets_no_filter(cgroup, directory):
    certificates = Certificates(directory)
    path = directory / "live.strace"
    with contextlib.closing(Server(certificates, "required")) as server, \
            MetricsTracer(cgroup, "--json", prefix=strace("-o", path)) as tracer:
        tracer.wait_for_start()
        use_everything(tracer, certificates, server)
        expect(tracer.stop(), 0, "exit status")
    expect(refusals(wait_for_log(path)), [], "calls that the filter refused")


def children_meet_no_filter(directory):
    """Files read again, good ones and bad; an interface that comes and goes."""
    path, policy = directory / "children.strace", directory / "policy"
    policy.write_text("127.0.0.1:443 required\n")
    with MetricsTracer(None, "--quiet", "--interface=any", f"--expect={policy}", prefix=strace("-o", path)) as tracer:
        tracer.wait_for_start()
        for text in ("127.0.0.1:443 never\nlocalhost:444 never\n", "nonsense\n"):
            policy.write_text(text)
            tracer.process.send_signal(signal.SIGHUP)
            time.sleep(0.2)
        policy.unlink()
        tracer.process.send_signal(signal.SIGHUP)
        if not wait_until(lambda: tracer.errors().count("reload failed: ") == 2):
            raise Failure(f"standard error is {tracer.errors()!r}")
        for command in ("add mtlsnoop0 type veth peer name mtlsnoop1", "set mtlsnoop0 up", "del mtlsnoop0"):
            subprocess.run(["ip", "link", *command.split()], check=True)
        expect(tracer.stop(), 0, "exit status")
    expect(refusals(wait_for_log(path)), [], "calls that the filters refused")


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
        suite.run("library: few capabilities, and a filter", check_library, cgroup)
        suite.run("live: meets no filter", meets_no_filter, cgroup, directory)
        suite.run("children: one capability's worth, and a filter", check_children, directory)
        suite.run("children: meet no filter", children_meet_no_filter, directory)
    return 1 if suite.failed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    sys.exit(main())
