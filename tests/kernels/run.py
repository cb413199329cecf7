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
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import debian
import kernel_package
from initramfs import Initramfs

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD, LOGS = ROOT / "build", ROOT / "build" / "logs"
GUEST_ROOT = "/mtlsnoop"
PYTHON = "/usr/bin/python3"
TOOLS = ["/bin/sh", "/usr/bin/env", "/usr/bin/mkdir", "/usr/bin/mount", "/usr/bin/umount", "/usr/bin/unshare", PYTHON,
         "/usr/bin/openssl", "/usr/bin/ss", "/usr/sbin/ip", "/usr/sbin/tc", "/usr/sbin/bpftool"]  # fmt: skip
FILES = ["/etc/passwd", "/etc/group", "/etc/ssl/openssl.cnf", "/usr/lib/ssl/openssl.cnf"]
NOT_IN_GUEST = {"test", "tests", "idlelib", "lib2to3", "tkinter", "turtledemo", "ensurepip", "pydoc_data", "unittest",
                "distutils", "dist-packages", "site-packages"}  # fmt: skip

SUITES = ("kernel", "device")
BUILT = ("mtlsnoop", "tests/verify", "tests/without-tcx/mtlsnoop")

MACHINES_AT_ONCE = 2
MEMORY_MB = 768
# nothing is said of time: an emulated machine has as much as its host leaves it
APPEND = "console=ttyS0 quiet panic=-1 oops=panic mitigations=off no_timer_check random.trust_cpu=on nokaslr audit=0"

# what of the suites is of use there, by words in the names of cases: no known limits, nothing of this host's tools
ALL = ("kernel/work", "kernel/path:", "kernel/veth:", "kernel/library:", "kernel/listener", "kernel/reuse", "kernel/load",
       "kernel/life", "kernel/start:", "kernel/segments:", "kernel/ends:", "kernel/end: ")  # fmt: skip
EVERYDAY = ("kernel/work", "kernel/veth:", "kernel/library:", "kernel/path: third ACK", "kernel/SIGKILL",
            "kernel/end: ")  # fmt: skip
DEVICE_EVERYDAY = ("routed", "SIGKILL of both")


@dataclass(frozen=True)
class Machine:
    release: str
    cpus: int
    ways: tuple  # to attach to devices: first that which the program chooses there
    everyday: bool = False
    whole: bool = True  # all cases
    minutes: int = 45  # until it is given up

    def words(self):
        if self.whole:
            return [*ALL, *(f"device/{way}:" for way in self.ways)]
        return [*EVERYDAY, *(f"device/{self.ways[0]}: {case}" for case in DEVICE_EVERYDAY)]


MACHINES = [
    Machine("bullseye", 2, ("clsact",), everyday=True),
    Machine("trixie", 2, ("tcx", "clsact"), everyday=True),
    Machine("bookworm", 2, ("clsact",)),
    Machine("bullseye", 1, ("clsact",), whole=False),
    Machine("trixie", 1, ("tcx",), whole=False),
]


def obstacle():
    """Why no machine can be run here, None where one can."""
    if platform.machine() != "x86_64":
        return "for x86-64 alone"
    missing = [str(path.relative_to(ROOT)) for path in map(BUILD.joinpath, BUILT) if not path.exists()]
    missing += [path for path in TOOLS if not os.path.exists(path)]
    missing += [tool for tool in ("qemu-system-x86_64", "readelf") if not shutil.which(tool)]
    return f"no {', '.join(missing)}" if missing else None


def programs():
    """What all machines have in common: programs, Python, the tests."""
    files = Initramfs("/", f"{platform.machine()}-linux-gnu")
    for path in TOOLS + [path for path in FILES if os.path.exists(path)]:
        files.take(path)
    library = subprocess.run([PYTHON, "-c", "import sysconfig; print(sysconfig.get_path('stdlib'))"], capture_output=True,
                             text=True, check=True).stdout.strip()  # fmt: skip
    files.take_tree(library, lambda name: name in NOT_IN_GUEST or name.startswith("config-"))
    files.copy(ROOT / "tests" / "kernels" / "guest.py", "/init")
    for suite in SUITES:
        files.copy_tree(ROOT / "tests" / suite, f"{GUEST_ROOT}/tests/{suite}", lambda name: name == "__pycache__")
    for path in [BUILD / path for path in BUILT] + sorted((BUILD / "bpf").glob("*.bpf.o")):
        files.copy(path, f"{GUEST_ROOT}/{path.relative_to(ROOT)}")
    files.device("/dev/console", 5, 1)
    return files.archive()


def particulars(kernel, words):
    """What a machine has for itself: the modules of its kernel, and what is to be run."""
    files = Initramfs()
    for module in kernel.modules:
        files.copy(module, f"/modules/{module.name}")
    suites = {suite: [word.removeprefix(f"{suite}/") for word in words if word.startswith(f"{suite}/")] for suite in SUITES}
    plan = [[PYTHON, f"{GUEST_ROOT}/tests/{suite}/run.py", *chosen] for suite, chosen in suites.items() if chosen]
    files.file("/plan", "".join("\t".join(command) + "\n" for command in plan).encode())
    return files.archive()


class Output:
    """Lines of several machines at a time; what was said is kept for the table."""

    def __init__(self):
        self._lock = threading.Lock()
        self.failed = 0
        self.verified = {}  # {kernel version: {program: count}}

    def case(self, state, label, text):
        with self._lock:
            self.failed += state == "FAIL"
            print(f"{state} {label}: {text}", flush=True)

    def note_verified(self, version, text):
        with self._lock:
            self.verified.setdefault(version, {}).update(
                (name, int(count)) for name, count in re.findall(r"(\w+) (\d+)\b", text)
            )


class Boot:
    """A run of a machine."""

    def __init__(self, machine, kernel, initramfs, output):
        self._machine, self._kernel, self._output = machine, kernel, output
        cpus = "1 CPU" if machine.cpus == 1 else f"{machine.cpus} CPUs"
        self._label = f"Linux {kernel.version}, {cpus}"
        self._initramfs = initramfs
        self._log = LOGS / f"kernel-{kernel.version}-{machine.cpus}.log"
        self._cases = 0
        self._expected = None

    def _command(self):
        # not KVM: where it is nested it may hang
        return ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-smp", str(self._machine.cpus),
                "-m", str(MEMORY_MB), "-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot",
                "-kernel", str(self._kernel.image), "-initrd", str(self._initramfs), "-append", APPEND]  # fmt: skip

    def run(self):
        process = subprocess.Popen(self._command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT)  # fmt: skip
        timer = threading.Timer(60 * self._machine.minutes, process.kill)
        timer.start()
        try:
            with open(self._log, "wb", buffering=0) as log:
                for line in process.stdout:
                    log.write(line)
                    self._read(line.decode(errors="replace").strip())
        finally:
            timer.cancel()
            process.kill()
            process.wait()
        self._judge()

    def _read(self, line):
        case = re.match(r"(PASS|FAIL|SKIP) (.*)", line)
        if case:
            self._cases += 1
            self._output.case(case[1], self._label, case[2])
            work = re.fullmatch(r"program: the verifier's work: (.*)", case[2])
            if work and case[1] == "PASS":
                self._output.note_verified(self._kernel.version, work[1])
        elif line.startswith("KERNEL ") and f" Debian {self._kernel.version}-" not in line:
            self._output.case("FAIL", self._label, f"another kernel runs: {line}")
        elif line.startswith("CASES "):
            self._expected = int(line.split()[1])

    def _judge(self):
        if self._expected is None:
            last = [line.strip() for line in self._log.read_text(errors="replace").splitlines() if line.strip()][-3:]
            self._output.case("FAIL", self._label, f"the machine did not come to its end: {' | '.join(last)}")
        elif self._cases != self._expected:
            self._output.case("FAIL", self._label, f"{self._cases} cases came of {self._expected}: {self._log}")


def host_verified(output):
    objects = sorted((BUILD / "bpf").glob("*.bpf.o"))
    done = subprocess.run([BUILD / "tests" / "verify", *objects], capture_output=True, text=True)
    output.note_verified(platform.release().split("-")[0], done.stdout)


def table(verified):
    """Instructions verified, a column for each kernel."""
    versions = sorted(verified, key=lambda version: [int(part) for part in version.split(".")])
    names = sorted({name for counts in verified.values() for name in counts})
    rows = [["instructions verified", *versions]]
    rows += [[name, *(str(verified[version].get(name, "-")) for version in versions)] for name in names]
    return "\n".join(f"{row[0]:32}" + "".join(f"{cell:>12}" for cell in row[1:]) for row in rows) + "\n"


def choose(arguments):
    if arguments.all or arguments.release or arguments.cpus:
        return [
            machine
            for machine in MACHINES
            if arguments.release in (None, machine.release) and arguments.cpus in (None, machine.cpus)
        ]
    return [replace(machine, whole=False) for machine in MACHINES if machine.everyday]


def fetch(releases, output):
    """{release: its kernel}, without those that cannot be had."""
    kernels = {}
    for release in releases:
        try:
            kernels[release] = kernel_package.fetch(BUILD / "kernels" / f"{release}-amd64", release, "amd64")
        except debian.Unavailable as reason:
            output.case("SKIP", f"kernel of {release}", f"cannot be had: {reason}")
    return kernels


def boot(machine, words, kernel, common, output):
    path = BUILD / "kernels" / f"initramfs-{machine.release}-{machine.cpus}-{os.getpid()}"
    try:
        path.write_bytes(common + particulars(kernel, words))
        Boot(machine, kernel, path, output).run()
    finally:
        path.unlink(missing_ok=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--release", choices=sorted({machine.release for machine in MACHINES}))
    parser.add_argument("--cpus", type=int, choices=sorted({machine.cpus for machine in MACHINES}))
    parser.add_argument("words", nargs="*")
    arguments = parser.parse_args()
    reason = obstacle()
    if reason:
        print(f"SKIP kernels: {reason}")
        return 0
    machines = choose(arguments)
    # minutes of an emulated processor: what is run every day has to fit into ten
    if len(sys.argv) == 1 and not os.environ.get("CI"):
        print("SKIP kernels: minutes long: with CI=true, or by make check-kernels")
        return 0
    LOGS.mkdir(parents=True, exist_ok=True)
    output = Output()
    kernels = fetch(dict.fromkeys(machine.release for machine in machines), output)
    common = programs()
    with ThreadPoolExecutor(MACHINES_AT_ONCE) as pool:
        jobs = [
            pool.submit(boot, machine, arguments.words or machine.words(), kernels[machine.release], common, output)
            for machine in machines
            if machine.release in kernels
        ]
        for job in jobs:
            job.result()
    host_verified(output)
    print(table(output.verified), end="")
    return 1 if output.failed else 0


if __name__ == "__main__":
    sys.exit(main())
