#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
Build for arm64 on another machine: the libraries are Debian's packages, unpacked into a directory. The program is not run.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import debian

ROOT = Path(__file__).resolve().parent.parent.parent
SYSROOT = ROOT / "build" / "arm64-sysroot"
COMPILER = "aarch64-linux-gnu-gcc"
RELEASE = "bookworm"


def make_sysroot(packages):
    stamp = SYSROOT / "packages"
    if stamp.exists() and stamp.read_text() == " ".join(packages):
        return
    shutil.rmtree(SYSROOT, ignore_errors=True)
    with debian.release(RELEASE, "arm64") as release:
        for path in release.download(release.closure(packages), SYSROOT / "debs"):
            debian.run("dpkg-deb", "--extract", path, str(SYSROOT))
    shutil.rmtree(SYSROOT / "debs")
    make_links_relative()
    stamp.write_text(" ".join(packages))


def make_links_relative():
    """An absolute link would lead out of the sysroot."""
    for directory, _, files in os.walk(SYSROOT / "usr/lib"):
        for name in files:
            path = os.path.join(directory, name)
            if os.path.islink(path) and os.readlink(path).startswith("/"):
                target = f"{SYSROOT}{os.readlink(path)}"
                os.unlink(path)
                os.symlink(os.path.relpath(target, directory), path)


def build():
    directory = ROOT / "build" / "arm64"
    compiler = f"{COMPILER} --sysroot={SYSROOT} -B{SYSROOT}/usr/lib/aarch64-linux-gnu"
    done = subprocess.run(["make", "--no-print-directory", "-j2", "ARCH=aarch64", f"BUILD={directory.relative_to(ROOT)}",
                           f"CC={compiler}"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)  # fmt: skip
    errors = [line for line in done.stdout.splitlines() if "error" in line.lower()] or done.stdout.splitlines()[-3:]
    if done.returncode:
        return f"FAIL arm64: the program is built: {' | '.join(errors[:3])}"
    kind = subprocess.run(["readelf", "-h", directory / "mtlsnoop"], capture_output=True, text=True).stdout
    machine = re.search(r"Machine:\s*(.*)", kind)[1]
    if machine != "AArch64":
        return f"FAIL arm64: the program is built: for {machine}, expected AArch64"
    return "PASS arm64: the program is built, and its BPF objects"


def main():
    needed = re.search(r"^DEPS_BUILD := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    packages = [name for name in needed.split() if name.endswith("-dev")]
    if not shutil.which(COMPILER):
        print(f"SKIP arm64: {COMPILER} not installed (gcc-aarch64-linux-gnu)")
        return 0
    try:
        make_sysroot(packages)
    except debian.Unavailable as reason:
        print(f"SKIP arm64: its libraries cannot be had: {reason}")
        return 0
    verdict = build()
    print(verdict)
    return verdict.startswith("FAIL")


if __name__ == "__main__":
    sys.exit(main())
