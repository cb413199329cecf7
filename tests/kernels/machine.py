# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Emulated machines: what they are emulated as, what is run in them, and what comes of it."""

import os
import re
import shutil
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import debian
import kernel_package
from initramfs import Initramfs

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD, LOGS = ROOT / "build", ROOT / "build" / "logs"
GUEST_ROOT = "/mtlsnoop"
PYTHON = "/usr/bin/python3"
TOOLS = ["/bin/sh", "/bin/bash", "/usr/bin/env", "/usr/bin/ldd", "/bin/mkdir", "/bin/mount", "/bin/true", "/bin/umount",
         "/usr/bin/unshare", "/usr/bin/nsenter", "/usr/bin/setpriv", "/usr/sbin/chroot", PYTHON, "/usr/bin/openssl",
         "/usr/bin/gnutls-serv", "/usr/bin/gnutls-cli", "/bin/ss", "/sbin/ip", "/sbin/tc", "/usr/sbin/bpftool"]  # fmt: skip
CONFIGURATION = ["/etc/ssl/openssl.cnf", "/usr/lib/ssl/openssl.cnf"]
# of this host, whatever the architecture: text
ACCOUNTS = ["/etc/passwd", "/etc/group"]
NOT_IN_GUEST = {"test", "tests", "idlelib", "lib2to3", "tkinter", "turtledemo", "ensurepip", "pydoc_data", "unittest",
                "distutils", "dist-packages", "site-packages"}  # fmt: skip

# what tests share lies in those that are not run
TESTS = ("harness", "kernel", "device", "library", "live")
SUITES = {"kernel": "kernel/run.py", "device": "device/run.py", "library": "library/run.py", "stacks": "library/stacks.py"}
BUILT = ("mtlsnoop", "tests/verify", "tests/observe", "tests/without-tcx/mtlsnoop")

MACHINES_AT_ONCE = 2
MEMORY_MB = 768
# nothing is said of time: an emulated machine has as much as its host leaves it
APPEND = "quiet panic=-1 oops=panic mitigations=off no_timer_check random.trust_cpu=on nokaslr audit=0"

# what of the suites is of use there, by words in the names of cases: no known limits, nothing of this host's tools
ALL = ("kernel/work", "kernel/path:", "kernel/veth:", "kernel/library:", "kernel/listener", "kernel/reuse", "kernel/load",
       "kernel/life", "kernel/start:", "kernel/segments:", "kernel/ends:", "kernel/end: ", "library/library:",
       "stacks/gnutls")  # fmt: skip
EVERYDAY = ("kernel/work", "kernel/veth:", "kernel/library:", "kernel/path: third ACK", "kernel/SIGKILL",
            "kernel/end: ")  # fmt: skip
DEVICE_EVERYDAY = ("routed", "SIGKILL of both")


@dataclass(frozen=True)
class Architecture:
    name: str  # Debian's
    emulator: tuple
    console: str
    triplet: str
    root: Path  # of its programs and libraries: this host's, or packages unpacked
    build: Path


# not KVM: where it is nested it may hang
X86 = Architecture("amd64", ("qemu-system-x86_64", "-accel", "tcg", "-cpu", "max"), "ttyS0", "x86_64-linux-gnu", Path("/"),
                   BUILD)  # fmt: skip
# signatures of pointers as in a processor of one's own choice, which is emulated at a tenth of the price; 5.10 does not
# begin where a processor has LPA2
ARM64 = Architecture(
    "arm64", ("qemu-system-aarch64", "-accel", "tcg", "-M", "virt", "-cpu", "max,pauth-impdef=on,lpa2=off"), "ttyAMA0",
    "aarch64-linux-gnu", BUILD / "arm64-sysroot", BUILD / "arm64",
)  # fmt: skip


@dataclass(frozen=True)
class Machine:
    architecture: Architecture
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


def choose(machines, arguments):
    """Those of a release and of a number of CPUs, where they are named."""
    return [
        one
        for one in machines
        if arguments.release in (None, one.release) and arguments.cpus in (None, one.cpus)
    ]


def obstacle(architecture):
    """Why no such machine can be run here, None where one can."""
    missing = [str(path.relative_to(ROOT)) for path in map(architecture.build.joinpath, BUILT) if not path.exists()]
    missing += [path for path in TOOLS if not os.path.exists(f"{architecture.root}{path}")]
    missing += [tool for tool in (architecture.emulator[0], "readelf") if not shutil.which(tool)]
    return f"no {', '.join(missing)}" if missing else None


def programs(architecture):
    """What all machines of an architecture have in common: programs, Python, the tests."""
    root = str(architecture.root).rstrip("/")
    files = Initramfs(root, architecture.triplet)
    for path in TOOLS + [path for path in CONFIGURATION if os.path.exists(root + path)]:
        files.take(path)
    for path in ACCOUNTS:
        files.copy(path, path)
    library = f"/usr/lib/{os.path.basename(os.path.realpath(root + PYTHON))}"
    files.take_tree(library, lambda name: name in NOT_IN_GUEST or name.startswith("config-"))
    files.copy(ROOT / "tests" / "kernels" / "guest.py", "/init")
    for tests in TESTS:
        files.copy_tree(ROOT / "tests" / tests, f"{GUEST_ROOT}/tests/{tests}", lambda name: name == "__pycache__")
    build = architecture.build
    for path in [build / path for path in BUILT] + sorted((build / "bpf").glob("*.bpf.o")):
        files.copy(path, f"{GUEST_ROOT}/build/{path.relative_to(build)}")
    files.device("/dev/console", 5, 1)
    return files.archive()


def particulars(kernel, words):
    """What a machine has for itself: the modules of its kernel, and what is to be run."""
    files = Initramfs()
    for module in kernel.modules:
        files.copy(module, f"/modules/{module.name}")
    plan = []
    for suite, program in SUITES.items():
        chosen = [word.removeprefix(f"{suite}/") for word in words if word.startswith(f"{suite}/")]
        if chosen:
            plan.append([PYTHON, f"{GUEST_ROOT}/tests/{program}", *chosen])
    files.file("/plan", "".join("\t".join(command) + "\n" for command in plan).encode())
    return files.archive()


class Output:
    """Lines of several machines at a time; what was said is kept for the table."""

    def __init__(self):
        self._lock = threading.Lock()
        self.failed = 0
        self.verified = {}  # {kernel: {program: count}}

    def case(self, state, label, text):
        with self._lock:
            self.failed += state == "FAIL"
            print(f"{state} {label}: {text}", flush=True)

    def note_verified(self, kernel, text):
        with self._lock:
            self.verified.setdefault(kernel, {}).update(
                (name, int(count)) for name, count in re.findall(r"(\w+) (\d+)\b", text)
            )

    def table(self):
        """Instructions verified, a column for each kernel."""
        kernels = sorted(self.verified, key=lambda kernel: [int(part) for part in re.findall(r"\d+", kernel)])
        names = sorted({name for counts in self.verified.values() for name in counts})
        rows = [["instructions verified", *kernels]]
        rows += [[name, *(str(self.verified[kernel].get(name, "-")) for kernel in kernels)] for name in names]
        return "\n".join(f"{row[0]:32}" + "".join(f"{cell:>16}" for cell in row[1:]) for row in rows) + "\n"


class Boot:
    """A run of a machine."""

    def __init__(self, machine, kernel, initramfs, output):
        self._machine, self._kernel, self._output = machine, kernel, output
        self._name = kernel.version if machine.architecture is X86 else f"{kernel.version} {machine.architecture.name}"
        cpus = "1 CPU" if machine.cpus == 1 else f"{machine.cpus} CPUs"
        self._label = f"Linux {self._name}, {cpus}"
        self._initramfs = initramfs
        self._log = LOGS / f"kernel-{self._name.replace(' ', '-')}-{machine.cpus}.log"
        self._cases = 0
        self._expected = None

    def _command(self):
        architecture = self._machine.architecture
        return [*architecture.emulator, "-smp", str(self._machine.cpus), "-m", str(MEMORY_MB), "-nodefaults",
                "-display", "none", "-serial", "stdio", "-no-reboot", "-kernel", str(self._kernel.image),
                "-initrd", str(self._initramfs), "-append", f"console={architecture.console} {APPEND}"]  # fmt: skip

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
                self._output.note_verified(self._name, work[1])
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


def _fetch(machines, output):
    """{release: its kernel}, without those that cannot be had."""
    kernels = {}
    for release, architecture in dict.fromkeys((machine.release, machine.architecture.name) for machine in machines):
        cache = BUILD / "kernels" / f"{release}-{architecture}"
        try:
            kernels[release] = kernel_package.fetch(cache, release, architecture)
        except debian.Unavailable as reason:
            output.case("SKIP", f"{architecture} kernel of {release}", f"cannot be had: {reason}")
    return kernels


def _remove_stale():
    """What a run that was killed could not remove."""
    for path in (BUILD / "kernels").glob("initramfs-*"):
        if not os.path.exists(f"/proc/{path.name.rsplit('-', 1)[1]}"):
            path.unlink(missing_ok=True)


def _boot(machine, words, kernel, common, output):
    name = f"initramfs-{machine.release}-{machine.architecture.name}-{machine.cpus}-{os.getpid()}"
    path = BUILD / "kernels" / name
    try:
        path.write_bytes(common + particulars(kernel, words))
        Boot(machine, kernel, path, output).run()
    finally:
        path.unlink(missing_ok=True)


def run(machines, words, output):
    """Machines of one architecture; words choose cases, where there are any."""
    LOGS.mkdir(parents=True, exist_ok=True)
    _remove_stale()
    kernels = _fetch(machines, output)
    common = programs(machines[0].architecture)
    with ThreadPoolExecutor(MACHINES_AT_ONCE) as pool:
        jobs = [
            pool.submit(_boot, machine, words or machine.words(), kernels[machine.release], common, output)
            for machine in machines
            if machine.release in kernels
        ]
        for job in jobs:
            job.result()
