# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The BPF programs themselves: what the verifier made of them, and that they need no kernel newer than 5.10."""

import glob
import os
import re
import shutil
import subprocess

from harness import ROOT, Failure, Skip

# The verifier of every kernel since 5.2 gives up after a million (BPF_COMPLEXITY_LIMIT_INSNS). Newer ones look at more
# or fewer ways through a program: half of it is the reserve.
VERIFIED_MAX = 500_000

# 512 bytes are the most (MAX_BPF_STACK); kernels differ by a spilled register
STACK_MAX = 480

OBJECTS = sorted(glob.glob(os.path.join(ROOT, "build", "bpf", "*.bpf.o")))

# bpf_redirect_peer: the last of include/uapi/linux/bpf.h in 5.10
LAST_HELPER = 155

# bpf_get_attach_cookie stands behind a constant that is only set where the kernel was found to have it; where not, the
# verifier takes the call for dead and removes it
ATTACH_COOKIE = 174

# Instructions of the objects that 5.10 does not know: atomic operations that return a value came in 5.12, 32-bit signed
# moves, bswap and long jumps (mcpu=v4) in 6.6.
NEWER = {
    "atomic operation that returns a value": re.compile(r"atomic_fetch|cmpxchg|xchg"),
    "sign extension": re.compile(r"\(s(8|16|32)\)|= \*\(s(8|16|32) \*\)"),
    "bswap": re.compile(r"= bswap"),
    "long jump": re.compile(r"gotol"),
    "signed division": re.compile(r"s[/%]="),
}


def verified():
    """The verifier's count of instructions of each program, as its log tells it, and the stack of its deepest call."""
    tool = os.path.join(ROOT, "build", "tests", "verify")
    if not os.path.exists(tool):
        raise Skip("build/tests/verify is not built: make tests")
    done = subprocess.run([tool, *OBJECTS], capture_output=True, text=True)
    said = done.stdout.strip().replace("\n", ", ") + done.stderr.strip()
    told = re.findall(r"^\w+ (\d+) \((\d+) bytes of stack\)$", done.stdout, re.MULTILINE)
    if done.returncode or not told:
        raise Failure(said)
    if max(int(count) for count, _ in told) > VERIFIED_MAX:
        raise Failure(f"expected at most {VERIFIED_MAX} instructions verified: {said}")
    if max(int(stack) for _, stack in told) > STACK_MAX:
        raise Failure(f"expected at most {STACK_MAX} bytes of stack: {said}")
    return said


def disassemble(path):
    tool = shutil.which("llvm-objdump") or shutil.which("llvm-objdump-14")
    if not tool:
        raise Skip("llvm-objdump not installed")
    return subprocess.run([tool, "-d", path], capture_output=True, text=True, check=True).stdout


def nothing_newer(path):
    helpers, found, instructions = set(), [], 0
    for line in disassemble(path).splitlines():
        # offset, bytes, text; the second byte of a call tells a helper (source register 0) from a function
        instruction = re.match(r"\s+[0-9a-f]+:\s+((?:[0-9a-f]{2}\s)+)\s*(.*)", line)
        if not instruction:
            continue
        instructions += 1
        raw, text = bytes.fromhex(instruction[1]), instruction[2]
        call = re.match(r"call (-?\d+)", text)
        if call and raw[1] >> 4 == 0:
            helpers.add(int(call[1]))
        found += [f"{what}: {text}" for what, pattern in NEWER.items() if pattern.search(text)]
    if not instructions or not helpers:
        raise Failure(f"{instructions} instructions and {len(helpers)} helpers found: not disassembled")
    known = {ATTACH_COOKIE} if os.path.basename(path) == "library.bpf.o" else set()
    found += [f"helper {number}" for number in sorted(helpers - known) if number > LAST_HELPER]
    if found:
        raise Failure("newer than 5.10: " + "; ".join(found[:5]))
    return f"{instructions} instructions, helpers {' '.join(map(str, sorted(helpers)))}"


def run(suite):
    suite.run("program: the verifier's work", verified)
    for path in OBJECTS:
        suite.run(f"program: {os.path.basename(path)} needs nothing newer than 5.10", nothing_newer, path)
