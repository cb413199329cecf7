# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The programs that are measured, as child processes, and what /proc says of them."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("MTLSNOOP", ROOT / "build" / "mtlsnoop")
HELPERS = ROOT / "build" / "tests" / "bench"

# whatever happens to this process, its children end with it
WITH_PARENT = ("setpriv", "--pdeathsig", "KILL", "--")

TRACER_SECONDS = 300  # longer than a measurement
READY_SECONDS = 30
SETTLED_SECONDS = 0.3
ATTACH_TYPES = {"0": "receive", "1": "send"}  # enum bpf_attach_type: BPF_CGROUP_INET_INGRESS, _EGRESS


class Broken(Exception):
    """Something that has to work for a measurement did not."""


class Child:
    """A process that ends with this one."""

    def __init__(self, *command, **options):
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, **options}
        self.process = subprocess.Popen([*WITH_PARENT, *map(str, command)], text=True, **options)
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                stream.close()


class Helper(Child):
    """One of the C programs here (peer.h): gets ready, is started, prints figures."""

    def __init__(self, name, *arguments):
        self._name = name
        super().__init__(HELPERS / name, *arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def wait_ready(self):
        if self.process.stdout.readline() != "ready\n":
            raise Broken(f"{self._name} did not get ready")

    def start(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def figures(self):
        words = self.process.stdout.readline().split()
        if not words:
            raise Broken(f"{self._name} ended without a result")
        return [int(word) for word in words]


class Tracer(Child):
    """
    mtlsnoop, when it reads and its probes are in place. It gives up its privileges, and with them the kernel forgets that it
    ends with its parent.
    """

    def __init__(self, *options, seconds=TRACER_SECONDS):
        # a service manager is told when it reads: sd_notify(3)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind("")
            manager.settimeout(READY_SECONDS)
            variables = {**os.environ, "NOTIFY_SOCKET": "@" + manager.getsockname()[1:].decode()}
            super().__init__(PROGRAM, f"--duration={seconds}", *options, env=variables)
            try:
                ready = manager.recv(4096).startswith(b"READY=1")
            except TimeoutError:
                ready = False
        if not ready:
            raise Broken("mtlsnoop did not start")
        deadline = time.monotonic() + READY_SECONDS
        while "--library=auto" in options and not _has_probes(self.pid):
            if time.monotonic() > deadline:
                raise Broken("mtlsnoop has no probes")
            time.sleep(0.02)
        time.sleep(SETTLED_SECONDS)  # what it does after attaching is not what is measured


def _has_probes(pid):
    """Whether a child of it has links of uprobes, of one (perf) or of many."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        for info in Path(f"/proc/{child}/fdinfo").iterdir():
            with contextlib.suppress(OSError):
                if re.search(r"^link_type:\t(perf|uprobe_multi|12)$", info.read_text(), re.MULTILINE):
                    return True
    return False


def cpu_ns(*pids):
    """CPU time that these processes have used."""
    return sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in pids)


def resident_kb(pid):
    """
    Resident memory by kind: in all, anonymous (the heap), of files (the program and its libraries), and of BPF maps:
    the ring buffer, whose pages are mapped twice in a row and counted twice.
    """
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    found = {kind: int(status[kind].split()[0]) for kind in ("VmRSS", "RssAnon", "RssFile")}
    found["maps"] = _mapped_kb(pid, "anon_inode:bpf-map")
    found["RssFile"] -= found["maps"]
    return found


def _mapped_kb(pid, name):
    resident, current = 0, ""
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        words = line.split()
        if not words[0].endswith(":"):
            current = words[-1]  # a mapping begins
        elif words[0] == "Rss:" and current == name:
            resident += int(words[1])
    return resident


@dataclass
class KernelObjects:
    """What a process holds of BPF: fields of /proc/PID/fdinfo."""

    programs: dict = field(default_factory=dict)  # by id
    maps: dict = field(default_factory=dict)
    directions: dict = field(default_factory=dict)  # "receive" and "send": the id of the program attached there

    def run_time(self, direction):
        """(nanoseconds, runs) of the program attached there, as long as the kernel counts."""
        program = self.programs[self.directions[direction]]
        return int(program["run_time_ns"]), int(program["run_cnt"])


def kernel_objects(pid):
    found = KernelObjects()
    try:
        for entry in Path(f"/proc/{pid}/fdinfo").iterdir():
            fields = dict(line.split(":", 1) for line in entry.read_text().splitlines() if ":" in line)
            fields = {name: value.strip() for name, value in fields.items()}
            if fields.get("link_type") == "cgroup":
                found.directions[ATTACH_TYPES.get(fields["attach_type"])] = fields["prog_id"]
            elif "map_id" in fields:
                found.maps[fields["map_id"]] = fields
            elif "prog_id" in fields and "run_cnt" in fields:
                found.programs[fields["prog_id"]] = fields
    except FileNotFoundError:
        pass  # a descriptor that was closed meanwhile, or a process that has ended
    return found
