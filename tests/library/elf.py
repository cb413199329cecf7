#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
Where a probe belongs in an ELF file, held against objdump: files that compilers and linkers make here in the ways that
distributions use, the host's own libraries, and damaged ones. Needs no privileges. usage: elf.py [WORD...]
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path.append(str(TESTS))

from harness import ROOT, Failure, Skip, Suite, expect  # noqa: E402

# enum probe
DIGEST, FATAL, VERIFY = "0", "1", "2"
POINTS = ROOT / "build" / "tests" / "points"

# a library with the two functions that tell libssl, between others so that nothing stands first or last
SOURCE = """
int first_function(int); int EVP_DigestUpdate(void *, const void *, unsigned long); int last_function(int);
int OPENSSL_init_ssl(int value) { return first_function(value) + 1; }
int SSL_do_handshake(void *ssl) { return EVP_DigestUpdate(ssl, ssl, 4) + 1; }
int SSL_read(int value) { return last_function(value) + 1; }
"""
# its address is taken, too
ADDRESS = "void *address(void) { return (void *)EVP_DigestUpdate; }\n"
# many calls, in all the forms that compilers make of them: tables of jumps, ends of functions, parts moved elsewhere
CALLS = SOURCE + """
void abort(void) __attribute__((noreturn, cold));
int many(void *ssl, int which) {
	switch (which) {
	case 0: return EVP_DigestUpdate(ssl, "a", 1) + 2;
	case 1: return first_function(3);
	case 2: return EVP_DigestUpdate(ssl, ssl, 77) - which;
	case 3: return last_function(EVP_DigestUpdate(ssl, "bcd", 3));
	case 4: return which * 7;
	case 5: return EVP_DigestUpdate(ssl, "efgh", 4);
	}
	for (int step = 0; step < which; step++)
		if (!EVP_DigestUpdate(ssl, ssl, step) && __builtin_expect(first_function(step), 0)) {
			EVP_DigestUpdate(ssl, "cold", 4);
			abort();
		}
	return 0;
}
double vectors(void *ssl, const double *values) {
	double sum = 0;
	for (int step = 0; step < 64; step++)
		sum += values[step] * 0x1.8e8e8p+3;
	return sum + EVP_DigestUpdate(ssl, values, sizeof(double) * 64);
}
int end(void *ssl, const void *bytes) { return EVP_DigestUpdate(ssl, bytes, 9); }
"""
# a jump through the same slot that is no stub
TAIL = '__attribute__((optimize("O2"))) int tail(void *ssl) { return EVP_DigestUpdate(ssl, ssl, 4); }\n'

GCC = ["gcc", "-O1", "-fPIC", "-shared", "-nostdlib"]
CLANG_ARM = ["clang", "--target=aarch64-linux-gnu", "-O1", "-fPIC", "-shared", "-nostdlib", "-fuse-ld=lld"]

# name: how it is made; whether the function's address is taken
X86 = {
    "lazy binding": ([*GCC, "-Wl,-z,lazy", "-fcf-protection=none"], False),
    "bound at start": ([*GCC, "-Wl,-z,now", "-fcf-protection=none"], False),
    "bound at start, address taken": ([*GCC, "-Wl,-z,now", "-fcf-protection=none"], True),
    "lazy binding, address taken": ([*GCC, "-Wl,-z,lazy", "-fcf-protection=none"], True),
    "branch tracking": ([*GCC, "-Wl,-z,lazy", "-Wl,-z,ibtplt", "-fcf-protection=full"], False),
    "branch tracking, bound at start": ([*GCC, "-Wl,-z,now", "-Wl,-z,ibtplt", "-fcf-protection=full"], False),
    "branch tracking, address taken": ([*GCC, "-Wl,-z,now", "-Wl,-z,ibtplt", "-fcf-protection=full"], True),
    "no separate code": ([*GCC, "-Wl,-z,noseparate-code"], False),
    "gold": ([*GCC, "-fuse-ld=gold", "-Wl,-z,lazy"], False),
    "gold, bound at start": ([*GCC, "-fuse-ld=gold", "-Wl,-z,now"], True),
    "lld": ([*GCC, "-fuse-ld=lld", "-Wl,-z,lazy"], False),
    "lld, bound at start": ([*GCC, "-fuse-ld=lld", "-Wl,-z,now"], True),
    "lld, branch tracking": ([*GCC, "-fuse-ld=lld", "-fcf-protection=full", "-Wl,-z,force-ibt"], False),
    "stripped": ([*GCC, "-Wl,-z,now", "-s"], False),
}
# what has no table of its functions is probed at the stub
WITHOUT_TABLE = ["-fno-asynchronous-unwind-tables", "-fno-unwind-tables"]
OPTIMIZED = {f"{compiler[0]} {level}": [*compiler, *level.split()]
             for compiler in (GCC, ["clang", "-fPIC", "-shared", "-nostdlib"])
             for level in ("-O0", "-O1", "-O2", "-O3", "-Os", "-O2 -flto")}
# code of the function strange() that refers to the stub, and whether calls can be told in spite of it
STRANGE = {
    "a conditional jump": ("test %edi, %edi; je EVP_DigestUpdate@plt; ret", False),
    "its address": ("lea EVP_DigestUpdate@plt(%rip), %rax; ret", False),
    "a call with a prefix": (".byte 0x66; call EVP_DigestUpdate@plt; ret", False),
    "bytes that are no instruction": (".byte 0x06, 0x06; call EVP_DigestUpdate@plt; ret", False),
    "a number that looks like a call": (".byte 0x48, 0xb8, 0x90, 0xe8; .long EVP_DigestUpdate@plt - 4; .byte 0, 0; ret", True),
    "a jump": ("jmp EVP_DigestUpdate@plt", True),
}
ARM = {
    "arm64": ([*CLANG_ARM, "-Wl,-z,lazy"], False),
    "arm64, bound at start": ([*CLANG_ARM, "-Wl,-z,now"], True),
    "arm64, branch targets": ([*CLANG_ARM, "-Wl,-z,force-bti"], False),
    "arm64, signed pointers": ([*CLANG_ARM, "-Wl,-z,pac-plt"], False),
    "arm64, both": ([*CLANG_ARM, "-Wl,-z,force-bti", "-Wl,-z,pac-plt"], False),
}


def output_of(command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    if done.returncode:
        raise Failure(f"{command[0]} ended with {done.returncode}: {done.stdout.decode(errors='replace')[-500:]}")
    return done.stdout.decode(errors="replace")


def build(directory, command, address_taken, source=SOURCE):
    if not shutil.which(command[0]):
        raise Skip(f"{command[0]} not installed")
    text = directory / "source.c"
    text.write_text(source + (ADDRESS if address_taken else ""))
    library = directory / "libssl.so"
    output_of([*command, "-o", str(library), str(text)])
    return library


def read_points(library, *options):
    """The offsets of the probes, and the last line's words. --single: where each probe needs a link of its own."""
    output = output_of([str(POINTS), *options, str(library)])
    lines = [line.removeprefix(f"{library}: ") for line in output.splitlines()]
    return [int(line.split()[2], 16) for line in lines if line.startswith(f"point {DIGEST} ")], lines[-1]


def read_causes(library):
    """The offsets of the probes of failures and of verifications."""
    lines = [line.split()[-3:] for line in output_of([str(POINTS), str(library)]).splitlines()]
    return [[int(words[2], 16) for words in lines if words[:2] == ["point", probe]] for probe in (FATAL, VERIFY)]


def file_offset(library, address):
    for line in output_of(["readelf", "-lW", str(library)]).splitlines():
        words = line.split()
        if words[:1] == ["LOAD"] and "E" in line.rsplit("0x", 1)[0][-5:]:
            offset, start, size = int(words[1], 16), int(words[2], 16), int(words[4], 16)
            if start <= address < start + size:
                return offset + address - start
    raise Failure(f"no executable segment has the address {address:#x}")


def x86_jumps(library, pattern, among_stubs):
    """Offsets of the instructions that objdump writes so, in sections of stubs or in all others."""
    offsets, section = [], ""
    for line in output_of(["objdump", "-dw", str(library)]).splitlines():
        heading = re.fullmatch(r"Disassembly of section (\S+):", line)
        section = heading[1] if heading else section
        found = re.match(rf"\s*([0-9a-f]+):\s.*\b{pattern}\b", line)
        if found and section.startswith(".plt") == among_stubs:
            offsets.append(file_offset(library, int(found[1], 16)))
    return sorted(offsets)


def x86_stubs(library):
    """The jumps through the function's slot."""
    return x86_jumps(library, r"jmp\s+\*.*# [0-9a-f]+ <EVP_DigestUpdate", True)


def x86_calls(library):
    """The calls of stubs, and the jumps to them that end a function."""
    return x86_jumps(library, r"(?:call|jmp)\s+[0-9a-f]+ <EVP_DigestUpdate@plt", False)


def x86_points(library):
    """At the calls; at the stubs where a call may have to go on a shadow stack."""
    marked = re.search(r"x86 feature:.*SHSTK", output_of(["readelf", "-nW", str(library)]))
    if marked and re.search(r"^flags.* user_shstk\b", Path("/proc/cpuinfo").read_text(), re.MULTILINE):
        return x86_stubs(library)
    return x86_calls(library)


def arm_stubs(library):
    offsets, inside = [], False
    for line in output_of(["llvm-objdump", "-d", str(library)]).splitlines():
        label = re.fullmatch(r"([0-9a-f]+) <(.*)>:", line)
        inside = label[2] == "EVP_DigestUpdate@plt" if label else inside
        page = re.match(r"\s*([0-9a-f]+):.*\badrp\s+x16,", line)
        if inside and page:
            offsets.append(file_offset(library, int(page[1], 16)))
    return offsets


def finds_points(library, find, last):
    expected = find(library)
    if not expected:
        raise Failure("objdump finds none")
    points, words = read_points(library)
    expect(sorted(points), expected, "offsets of the probes")
    expect(words, last, "what it is")


def finds_stub(directory, command, address_taken, stubs, last):
    finds_points(build(directory, command, address_taken), stubs, last)


def finds_calls(directory, command):
    """As many as a library has, and each of them."""
    library = build(directory, command, False, CALLS)
    if len(x86_calls(library)) < 7:
        raise Failure(f"objdump finds the calls {x86_calls(library)} only")
    finds_points(library, x86_points, "library 0 OpenSSL")


def strange_reference(directory, text, told):
    """What calls the stub is told for sure, or it is the stub that is probed."""
    source = CALLS + f'__asm__(".globl strange; .type strange, @function; strange: .cfi_startproc; {text}; .cfi_endproc");'
    library = build(directory, [*GCC, "-fcf-protection=none"], False, source)
    finds_points(library, x86_calls if told else x86_stubs, "library 0 OpenSSL")


def too_many_calls(directory):
    source = SOURCE + "void calls(void *ssl) {" + "EVP_DigestUpdate(ssl, ssl, 1);" * 70 + "}"
    finds_points(build(directory, [*GCC, "-fcf-protection=none"], False, source), x86_stubs, "library 0 OpenSSL")


def without_stubs(directory):
    """Calls through the slot itself have no stub: it is told, not guessed."""
    library = build(directory, [*GCC, "-fno-plt"], False)
    points, words = read_points(library)
    expect((points, words.split()[0]), ([], "refused"), "probes, what it is")


def jumps_outside_stubs(directory):
    """A jump through the slot in the program's own code, which may be anything, is not taken for a stub."""
    library = build(directory, [*GCC, "-fno-plt"], False, SOURCE + TAIL)
    points, words = read_points(library)
    expect((points, words.split()[0]), ([], "refused"), "probes, what it is")


def other_libraries(directory):
    """A library that hashes but makes no handshakes is none."""
    library = build(directory, GCC, False, SOURCE.replace("SSL_do_handshake", "do_something"))
    points, words = read_points(library)
    expect((points, words), ([], "none"), "probes, what it is")


def unknown_instruction(directory):
    """Behind an instruction that has no business in a stub nobody knows where the next one begins."""
    library = build(directory, [*GCC, "-Wl,-z,lazy", "-fcf-protection=none"], False)
    at = x86_stubs(library)[0]
    start = min(file_offset(library, int(line.split()[0].rstrip(":"), 16))
                for line in output_of(["objdump", "-dw", "-j", ".plt", str(library)]).splitlines()
                if re.match(r"\s*[0-9a-f]+:", line))
    if start >= at:
        raise Failure(f"the stub at {at:#x} is the first")
    content = bytearray(library.read_bytes())
    content[start] = 0x06
    library.write_bytes(content)
    points, words = read_points(library)
    expect((points, words.split()[0]), ([], "refused"), "probes, what it is")


def host_library(name):
    for directory in ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"):
        path = Path(directory) / name
        if path.exists():
            return path.resolve()
    raise Skip(f"there is no {name}")


def host_openssl(directory):
    library = host_library("libssl.so.3")
    points, words = read_points(library)
    expected = x86_points(library) if machine() == "x86_64" else arm_stubs(library)
    expect((sorted(points), words), (expected, "library 0 OpenSSL"), "probes, what it is")
    stubs = x86_stubs(library) if machine() == "x86_64" else expected
    expect(read_points(library, "--single"), (stubs, "library 0 OpenSSL"), "single probes, what it is")


def disassembled(library, offset, size):
    """The instructions from an offset on, as objdump writes them. The host's libraries have the same offsets and addresses in code."""
    lines = output_of(["objdump", "-dw", f"--start-address={offset:#x}", f"--stop-address={offset + size:#x}", str(library)])
    return re.findall(r"^\s+[0-9a-f]+:\t[^\t]*\t(.*)$", lines, re.MULTILINE)


def host_openssl_causes(directory):
    """The function that calls ERR_vset_error and goes on to send an alert; the call whose result is kept."""
    if machine() != "x86_64":
        raise Skip("causes are read on x86-64 alone")
    library = host_library("libssl.so.3")
    fatal, verify = read_causes(library)
    expect((len(fatal), len(verify)), (1, 1), "probes of failures and of verifications")
    body = disassembled(library, fatal[0], 0x120)
    calls = [number for number, instruction in enumerate(body) if "<ERR_vset_error@plt>" in instruction]
    expect(bool(calls) and not any(instruction.startswith("ret") for instruction in body[:calls[0]]), True,
           "the function calls ERR_vset_error")
    after = disassembled(library, verify[0], 0x30)
    expect("<X509_STORE_CTX_get_error@plt>" in after[0], True, "the call")
    expect(any(re.match(r"mov\s+%rax,0x[0-9a-f]+\(%r", instruction) for instruction in after[:6]), True, "its result is kept")


def files_cut_short(directory):
    """The host's library, cut at many places: it is none, or cannot be probed, or is what it was; and nothing breaks."""
    whole = host_library("libssl.so.3")
    content = whole.read_bytes()
    expected, _ = read_points(whole)
    cut = directory / "cut.so"
    step = max(1, len(content) // 97)
    for length in [*range(0, 200, 7), *range(200, len(content), step)]:
        cut.write_bytes(content[:length])
        points, words = read_points(cut)
        if points not in ([], expected):
            raise Failure(f"cut at {length}: probes {points}, expected none or {expected}: {words}")


def machine():
    return output_of(["uname", "-m"]).strip()


def main():
    suite = Suite(sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="mtlsnoop-elf-") as name:
        directory = Path(name)
        if machine() == "x86_64":
            for case, (command, address_taken) in X86.items():
                suite.run(f"library/elf {case}", finds_stub, directory, command, address_taken, x86_points,
                          "library 0 OpenSSL")
                suite.run(f"library/elf {case}, no table of functions", finds_stub, directory,
                          [*command, *WITHOUT_TABLE], address_taken, x86_stubs, "library 0 OpenSSL")
            for case, command in OPTIMIZED.items():
                suite.run(f"library/elf calls, {case}", finds_calls, directory, command)
            for case, (text, told) in STRANGE.items():
                suite.run(f"library/elf calls, {case}", strange_reference, directory, text, told)
            suite.run("library/elf calls, too many", too_many_calls, directory)
            suite.run("library/elf unknown instruction", unknown_instruction, directory)
        last = "library 0 OpenSSL" if machine() == "aarch64" else "refused it is made for another machine"
        for case, (command, address_taken) in ARM.items():
            suite.run(f"library/elf {case}", finds_stub, directory, command, address_taken, arm_stubs, last)
        suite.run("library/elf without stubs", without_stubs, directory)
        suite.run("library/elf jumps outside stubs", jumps_outside_stubs, directory)
        suite.run("library/elf other libraries", other_libraries, directory)
        suite.run("library/elf host's OpenSSL", host_openssl, directory)
        suite.run("library/elf host's OpenSSL: causes", host_openssl_causes, directory)
        suite.run("library/elf files cut short", files_cut_short, directory)
    return 1 if suite.failed else 0


if __name__ == "__main__":
    sys.exit(main())
