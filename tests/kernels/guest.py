#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
The first process of an emulated machine: mounts, loads modules, runs what /plan names, a command a line, and turns the
machine off. Behind the lines of cases it tells their number, since a message of the kernel may have come into one.
"""

import ctypes
import os
import re
import resource
import subprocess
import sys

MOUNTS = [
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("devtmpfs", "/dev"),
    ("tmpfs", "/tmp"),
    ("tmpfs", "/run"),
    ("cgroup2", "/sys/fs/cgroup"),
    ("bpf", "/sys/fs/bpf"),
]
FINIT_MODULE = {"x86_64": 313, "aarch64": 273}
POWER_OFF = 0x4321FEDC  # LINUX_REBOOT_CMD_POWER_OFF of reboot(2)
NOFILE = 65536
CASE = re.compile(r"(PASS|FAIL|SKIP) ")
# what the kernel says where it finds itself in the wrong
COMPLAINT = re.compile(r"WARNING:|BUG:|Oops|general protection|Call Trace|soft lockup|rcu.*stall")

libc = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    if result:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def mount():
    for kind, point in MOUNTS:
        os.makedirs(point, exist_ok=True)
        check(libc.mount(b"none", point.encode(), kind.encode(), 0, None), f"mount {point}")


def load_modules():
    for name in sorted(os.listdir("/modules")):
        descriptor = os.open(f"/modules/{name}", os.O_RDONLY)
        check(libc.syscall(FINIT_MODULE[os.uname().machine], descriptor, b"", 0), name)
        os.close(descriptor)


def prepare():
    os.environ.update(PATH="/usr/sbin:/usr/bin:/sbin:/bin", PYTHONUNBUFFERED="1", PYTHONDONTWRITEBYTECODE="1")
    # each instruction is emulated, on a machine that has other things to do
    os.environ["MTLSNOOP_PATIENCE"] = "6"
    mount()
    load_modules()
    # what init systems allow; the first process has 1024
    resource.setrlimit(resource.RLIMIT_NOFILE, (NOFILE, NOFILE))
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def run(command):
    """Pass on its lines; returns the number of cases."""
    cases = failed = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            cases += bool(CASE.match(line))
            failed += line.startswith("FAIL ")
    if process.returncode and not failed:
        print(f"FAIL {command[0]}: ended with status {process.returncode} and no failed case", flush=True)
        cases += 1
    return cases


def complaints():
    """What the kernel complained of since it was booted."""
    found = []
    descriptor = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    while True:
        try:
            message = os.read(descriptor, 8192).decode(errors="replace").split(";", 1)[1].splitlines()[0]
        except BlockingIOError:
            return found
        except BrokenPipeError:
            continue  # overwritten before it was read
        if COMPLAINT.search(message):
            found.append(message)


def watch_over(child):
    """The first process inherits whose parent has died: who waits for their end waits until they are reaped."""
    while os.wait()[0] != child:
        pass


def main():
    prepare()
    print(f"KERNEL {open('/proc/version').read().strip()}", flush=True)
    cases = 0
    for line in open("/plan"):
        cases += run(line.rstrip("\n").split("\t"))
    found = complaints()
    print(f"FAIL the kernel's own messages: {'; '.join(found[:3])}" if found else "PASS the kernel's own messages")
    print(f"CASES {cases + 1}", flush=True)


def guarded():
    try:
        main()
    except BaseException as error:
        print(f"guest: {type(error).__name__}: {error}", flush=True)
    finally:
        sys.stdout.flush()


child = os.fork()
if child:
    watch_over(child)
    libc.reboot(POWER_OFF)
else:
    guarded()
