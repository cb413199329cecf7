#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
Build for arm64 on another machine: the libraries are Debian's packages, unpacked into a directory. With --run or words
the tests of the BPF programs are run, too: in emulated machines with Debian's kernels, and Debian's programs for arm64.
usage: arm64.py [--run] [--release NAME] [--cpus N] [WORD...]      (as run.py has them)
"""

import argparse
import os
import re
import shutil
import subprocess
import sys

import debian
import machine
from machine import ARM64, BUILT, ROOT, Machine

SYSROOT, BUILD = ARM64.root, ARM64.build
COMPILER = "aarch64-linux-gnu-gcc"
RELEASE = "bookworm"
# what the tests take, beside the libraries of the program
PROGRAMS = ["bash", "bpftool", "coreutils", "dash", "gnutls-bin", "iproute2", "libc-bin", "libcmocka-dev", "mount", "openssl", "python3",
            "util-linux"]  # fmt: skip

MACHINES = [
    Machine(ARM64, "bookworm", 1, ("clsact",)),
    Machine(ARM64, "bookworm", 2, ("clsact",), whole=False),
    Machine(ARM64, "bullseye", 2, ("clsact",), whole=False),
    Machine(ARM64, "trixie", 2, ("tcx",), whole=False),
]


def make_sysroot(packages):
    stamp = SYSROOT / "packages"
    if stamp.exists() and stamp.read_text() == " ".join(packages):
        return
    shutil.rmtree(SYSROOT, ignore_errors=True)
    # as a system has them: packages have some files below /bin and others below /usr/bin
    for name in ("bin", "lib", "sbin"):
        (SYSROOT / "usr" / name).mkdir(parents=True)
        (SYSROOT / name).symlink_to(f"usr/{name}")
    with debian.release(RELEASE, "arm64") as release:
        for path in release.download(release.closure(packages), SYSROOT / "debs"):
            unpack(path)
    shutil.rmtree(SYSROOT / "debs")
    make_links_relative()
    stamp.write_text(" ".join(packages))


def unpack(package):
    archive = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE)
    done = subprocess.run(["tar", "-x", "--keep-directory-symlink", "-C", SYSROOT], stdin=archive.stdout,
                          stderr=subprocess.PIPE, text=True)  # fmt: skip
    archive.stdout.close()
    if archive.wait() or done.returncode:
        raise debian.Unavailable(f"{os.path.basename(package)} cannot be unpacked: {done.stderr.strip()}")


def make_links_relative():
    """An absolute link would lead out of the sysroot."""
    for directory, directories, files in os.walk(SYSROOT):
        for name in directories + files:
            path = os.path.join(directory, name)
            if os.path.islink(path) and os.readlink(path).startswith("/"):
                target = f"{SYSROOT}{os.readlink(path)}"
                os.unlink(path)
                os.symlink(os.path.relpath(target, directory), path)


def build():
    compiler = f"{COMPILER} --sysroot={SYSROOT} -B{SYSROOT}/usr/lib/aarch64-linux-gnu"
    directory = BUILD.relative_to(ROOT)
    done = subprocess.run(["make", "--no-print-directory", "-j2", "ARCH=aarch64", f"BUILD={directory}",
                           f"CC={compiler}", *(f"{directory}/{name}" for name in BUILT)],
                          cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # fmt: skip
    errors = [line for line in done.stdout.splitlines() if "error" in line.lower()] or done.stdout.splitlines()[-3:]
    if done.returncode:
        return f"FAIL arm64: the program is built: {' | '.join(errors[:3])}"
    kind = subprocess.run(["readelf", "-h", BUILD / "mtlsnoop"], capture_output=True, text=True).stdout
    found = re.search(r"Machine:\s*(.*)", kind)[1]
    if found != "AArch64":
        return f"FAIL arm64: the program is built: for {found}, expected AArch64"
    return "PASS arm64: the program is built, and its BPF objects"


def run(arguments):
    """Returns the exit status."""
    reason = machine.obstacle(ARM64)
    if reason:
        print(f"SKIP arm64: nothing is run: {reason}")
        return 0
    output = machine.Output()
    chosen = machine.choose(MACHINES, arguments)
    machine.run(chosen, arguments.words, output)
    print(output.table(), end="")
    return 1 if output.failed else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", action="store_true")
    parser.add_argument("--release", choices=sorted({one.release for one in MACHINES}))
    parser.add_argument("--cpus", type=int, choices=sorted({one.cpus for one in MACHINES}))
    parser.add_argument("words", nargs="*")
    arguments = parser.parse_args()
    needed = re.search(r"^DEPS_BUILD := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    packages = [name for name in needed.split() if name.endswith("-dev")]
    if not shutil.which(COMPILER):
        print(f"SKIP arm64: {COMPILER} not installed (gcc-aarch64-linux-gnu)")
        return 0
    try:
        make_sysroot(packages + PROGRAMS)
    except debian.Unavailable as reason:
        print(f"SKIP arm64: its libraries cannot be had: {reason}")
        return 0
    verdict = build()
    print(verdict, flush=True)
    if verdict.startswith("FAIL"):
        return 1
    return run(arguments) if len(sys.argv) > 1 else 0


if __name__ == "__main__":
    sys.exit(main())
