#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
The command line with capture files and configuration files: exit status, pipes, messages. usage: run.py [WORD...] (only the
cases with one of the words in their name)

Nothing here needs root, but for the cases in a container's namespaces and with the live host's start.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))

from harness import PROGRAM, Failure, Skip, Suite, expect, wait_until  # noqa: E402

CAPTURES = TESTS / "captures" / "own"
REQUIRED = CAPTURES / "required.pcap"  # one handshake: rejected_without_certificate at 10.1.0.1:443
PCAP_HEADER = 24
SECONDS = 10
ALLOCATIONS = 80  # more than the program makes until it runs


def run(*arguments, **options):
    return subprocess.run([PROGRAM, *arguments], stdin=options.pop("stdin", subprocess.DEVNULL), capture_output=True, text=True,
                          timeout=SECONDS, **options)


class Piped:
    """mtlsnoop -r - with a pipe that this process writes to."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen([PROGRAM, "-r", "-", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.output = b""

    def write(self, content):
        self.process.stdin.write(content)
        self.process.stdin.flush()

    def read(self):
        self.output += self.process.stdout.read() or b""
        return self.output

    def wait_for_lines(self, count, seconds):
        """How long it took; the pipe stays open."""
        started = time.monotonic()
        if not wait_until(lambda: self.read().count(b"\n") >= count, timeout=seconds):
            raise Failure(f"{self.output.count(bytes([10]))} lines after {seconds} s, expected {count}: {self.output!r}")
        return time.monotonic() - started

    def end(self, number=None):
        """The exit status and standard error."""
        if number is None:
            self.process.stdin.close()
        else:
            self.process.send_signal(number)
        status = self.process.wait(SECONDS)
        self.read()
        return status, self.process.stderr.read().decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                stream.close()
            except BrokenPipeError:
                pass


def pipe_as_it_comes():
    """The heading with the file's header, and each handshake with its last packet, while the pipe is open."""
    capture = REQUIRED.read_bytes()
    with Piped() as reader:
        reader.write(capture[:PCAP_HEADER])
        reader.wait_for_lines(1, 3)
        reader.write(capture[PCAP_HEADER:PCAP_HEADER + 7])
        reader.write(capture[PCAP_HEADER + 7:])
        reader.wait_for_lines(2, 3)
        expect(reader.end(), (0, ""), "exit status, standard error")
        expect(b"rejected_without_certificate" in reader.output, True, "the verdict")


def pipe_stopped(number):
    """Ctrl-C while the pipe is silent, and in the middle of a packet: no error, and what was seen is told."""
    capture = REQUIRED.read_bytes()
    for length in (0, 3, PCAP_HEADER, PCAP_HEADER + 9, len(capture) - 5):
        with Piped() as reader:
            reader.write(capture[:length])
            time.sleep(0.3)
            status, errors = reader.end(number)
            expect((status, "not a capture" in errors, "truncated" in errors), (0, False, False),
                   f"status, errors after {length} bytes: {errors!r}")


def pipe_count():
    """-n ends the run while the pipe is open."""
    with Piped("-n", "1") as reader:
        reader.write(REQUIRED.read_bytes())
        expect(reader.process.wait(SECONDS), 0, "exit status")
        expect(reader.read().count(b"\n"), 2, "lines")


def no_capture():
    with tempfile.NamedTemporaryFile() as file:
        for content in (b"", b"not a capture", b"\xd4\xc3\xb2\xa1"):
            Path(file.name).write_bytes(content)
            done = run("-r", file.name)
            expect((done.returncode, done.stdout, "not a capture file" in done.stderr), (1, "", True), f"{content!r}: {done}")


def privileges_before_the_first_byte():
    """The file is opened, privileges are dropped, the filter is loaded; only then the first byte is read."""
    if os.geteuid() or not shutil.which("strace"):
        raise Skip("needs root and strace")
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "strace"
        subprocess.run(["strace", "-qq", "-o", log, "-e", "trace=openat,read,setresuid,seccomp", PROGRAM, "-q", "-r", REQUIRED],
                       check=True, timeout=SECONDS, stdin=subprocess.DEVNULL)
        text = log.read_text()
    number = re.search(r'required\.pcap".* = (\d+)$', text, re.MULTILINE)[1]
    behind = text.partition("required.pcap")[2]
    found = [name for name in re.findall(r"^(setresuid|seccomp|read\(%s),?" % number, behind, re.MULTILINE)]
    first = found.index(f"read({number}")
    expect("setresuid" in found[:first] and "seccomp" in found[:first], True, f"calls in their order: {found}")


def expectations():
    """The exit status of a run that ends by itself, and the summary."""
    cases = (("10.1.0.1:443 required\n", 0, "1 handshakes as expected, 0 broke an expectation"),
             ("10.1.0.1:443 trusted\n", 0, "1 handshakes as expected, 0 broke an expectation"),
             ("*:443 optional\n", 3, "line 1: optional: broken by 1 handshakes (refused)"),
             ("# none\n*:443 never\n", 3, "line 2: never: broken by 1 handshakes (requested)"),
             ("10.9.9.9 never\n", 0, "0 handshakes as expected, 0 broke an expectation"))
    with tempfile.TemporaryDirectory() as directory:
        policy = Path(directory) / "policy"
        for text, status, word in cases:
            policy.write_text(text)
            for options in ((), ("-q",), ("-j",), ("-n", "1")):
                done = run("-r", REQUIRED, f"--expect={policy}", *options)
                expect((done.returncode, word in done.stderr), (status, True), f"{text!r} with {options}: {done.stderr!r}")


def expectations_of_a_stopped_run():
    with tempfile.TemporaryDirectory() as directory:
        policy = Path(directory) / "policy"
        policy.write_text("*:443 never\n")
        with Piped(f"--expect={policy}") as reader:
            reader.write(REQUIRED.read_bytes())
            reader.wait_for_lines(2, 3)
            expect(reader.end(signal.SIGINT)[0], 0, "exit status")
        expect(b"breaks never" in reader.output, True, "the line says so")


def check():
    with tempfile.TemporaryDirectory() as directory:
        policy = Path(directory) / "policy"
        web = Path(directory) / "web.yml"
        policy.write_text("localhost:443 trusted\nsni:*.corp required\n*:5432 never\n")
        web.write_text("basic_auth_users:\n  alice: $2b$10$uTWallTvKtQyiY8R0tEFkOTiACYBIqwOXxzwoJ.dJ9xWHbikBe24e\n")
        done = run("--check", f"--expect={policy}", f"--web-config={web}")
        expect((done.returncode, done.stderr), (0, ""), "exit status, standard error")
        expect(done.stdout, f"{policy}: valid (1 required, 0 optional, 1 never, 1 trusted)\n{web}: valid (no TLS, passwords)\n",
               "standard output")
        policy.write_text("*:443 required\nno-such-host.invalid:443 never\n")
        done = run("--check", f"--expect={policy}")
        expect((done.returncode, done.stdout), (1, ""), "exit status, standard output")
        expect(done.stderr, f"mtlsnoop: {policy}, line 2: the host 'no-such-host.invalid' has no address\n", "standard error")


def allocations_that_fail(directory, *arguments):
    """Wherever memory ends during the start, a message says so, and nothing crashes."""
    if not shutil.which("cc"):
        raise Skip("there is no compiler")
    library = directory / "failing_malloc.so"
    source = Path(__file__).parent / "failing_malloc.c"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, source], check=True)
    failed = 0
    for number in range(1, ALLOCATIONS):
        done = run(*arguments, env={**os.environ, "LD_PRELOAD": str(library), "FAILING_ALLOCATION": str(number)})
        if done.returncode < 0 or done.returncode > 3 or (done.returncode and not done.stderr.startswith("mtlsnoop: ")):
            raise Failure(f"allocation {number} fails: status {done.returncode}, {done.stderr!r}")
        failed += done.returncode == 1
    expect(failed > 3, True, f"runs that failed: {failed}")


def container():
    """In a cgroup namespace of its own: a message and status 1; -g names the cgroup, and the trace begins."""
    if os.geteuid() or not shutil.which("unshare"):
        raise Skip("needs root and unshare")
    directory = next((Path(line.split()[4]) for line in Path("/proc/self/mountinfo").read_text().splitlines()
                      if " - cgroup2 " in line), None)
    if not directory:
        raise Skip("no cgroup v2 hierarchy is mounted")
    group = directory / f"mtlsnoop-container-{os.getpid()}"
    group.mkdir()
    script = f"""set -e
echo $$ > {group}/cgroup.procs
exec unshare -C -m sh -ec 'mount --make-rprivate /; umount {directory}; mount -t cgroup2 none {directory}; exec "$0" "$@"' "$@" """
    try:
        for options, status, word in (((), 1, "only the cgroup of this container is visible"), (("-g", str(directory)), 0, "")):
            done = subprocess.run(["sh", "-c", script, "sh", PROGRAM, "-d", ".2", "-L", "off", *options], capture_output=True,
                                  text=True, stdin=subprocess.DEVNULL, timeout=SECONDS)
            if "mount:" in done.stderr:
                raise Skip(f"needs to mount in a namespace of its own: {done.stderr.strip()}")
            expect((done.returncode, word in done.stderr), (status, True), f"with {options}: {done.stderr!r}")
    finally:
        wait_until(lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()


def main():
    suite = Suite(sys.argv[1:])
    if not os.access(PROGRAM, os.X_OK):
        print(f"FAIL commandline: there is no {PROGRAM}: make")
        return 1
    suite.run("read: a pipe, as it comes", pipe_as_it_comes)
    suite.run("read: a pipe, stopped by SIGINT", pipe_stopped, signal.SIGINT)
    suite.run("read: a pipe, stopped by SIGTERM", pipe_stopped, signal.SIGTERM)
    suite.run("read: a pipe, until a count", pipe_count)
    suite.run("read: no capture file", no_capture)
    suite.run("read: privileges go before the first byte", privileges_before_the_first_byte)
    suite.run("expect: exit status and summary", expectations)
    suite.run("expect: a run that is stopped", expectations_of_a_stopped_run)
    suite.run("check: files", check)
    with tempfile.TemporaryDirectory() as directory:
        policy = Path(directory) / "policy"
        policy.write_text("*:443 required\nsni:*.corp:444 never\n")
        suite.run("memory: a capture file", allocations_that_fail, Path(directory), "-r", REQUIRED)
        suite.run("memory: --check", allocations_that_fail, Path(directory), "--check", f"--expect={policy}")
        if os.geteuid() == 0:
            suite.run("memory: the live host", allocations_that_fail, Path(directory), "-q", "-m9877", "-L", "off", "-d", ".05",
                      f"--expect={policy}")
    suite.run("container: a cgroup namespace of its own", container)
    return 1 if suite.failed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    sys.exit(main())
