#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
mtlsnoop as a service. usage: run.py [WORD...] (only the cases with one of the words in their name)

The suite plays the service manager: it owns the socket that mtlsnoop tells of its state, and the stream that the journal
reads. The unit is held against systemd's own tools, the completion against --help.
"""

import contextlib
import fcntl
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path.append(str(TESTS))

from harness.certificates import Certificates  # noqa: E402
from harness import PROGRAM, ROOT, Failure, Skip, Suite, expect, wait_until  # noqa: E402
from harness.cgroups import own_cgroup  # noqa: E402
from harness.scraped import own_network  # noqa: E402
from harness.servers import Server, shake_hands  # noqa: E402

DEPLOY = ROOT / "docs" / "deploy"
UNIT = DEPLOY / "mtlsnoop.service"
OPTIONS = DEPLOY / "mtlsnoop.default"
COMPLETION = DEPLOY / "mtlsnoop.bash-completion"
COMPLETION_ZSH = DEPLOY / "_mtlsnoop"
COMPLETION_FISH = DEPLOY / "mtlsnoop.fish"
EXPOSURE_MAX = 25  # of systemd-analyze security, in tenths: "OK" begins at 4.9

SECONDS = 15
QUIET_SECONDS = 1
HOOKS = ("--library=off",)  # what it says of libraries is of the whole host's programs
WATCHDOG = 300_000  # microseconds
USER = 12345  # nobody has it
CAPABILITIES = "+bpf,+net_admin,+perfmon"


class Manager:
    """The socket that the service manager reads; messages as they come, each with the process that sent it."""

    def __init__(self, name):
        self.name = name
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.bind(name.replace("@", "\0", 1) if name[0] == "@" else name)

    def receive(self, timeout):
        """The next message, or None."""
        self.socket.settimeout(timeout)
        try:
            text, ancillary, _, _ = self.socket.recvmsg(4096, 256)
        except (TimeoutError, BlockingIOError):
            return None
        self.sender = int.from_bytes(ancillary[0][2][:4], sys.byteorder)
        return text.decode()

    def wait_for(self, word, timeout=SECONDS):
        """The first message with the word among its lines; those before it are passed over."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            message = self.receive(max(0.01, deadline - time.monotonic()))
            if message and word in message.split("\n"):
                return message
        raise Failure(f"no {word} in {timeout} s")

    def wait_for_silence(self):
        """Whether there comes a time without messages."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            if self.receive(QUIET_SECONDS) is None:
                return
        raise Failure("messages do not stop")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


class Service:
    """mtlsnoop with the environment that a service manager gives."""

    def __init__(self, cgroup, *options, variables=None, prefix=(), stdout=subprocess.DEVNULL):
        self._errors = tempfile.TemporaryFile(mode="w+")
        environment = {name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"}
        environment.update(variables or {})
        # as the unit has it
        command = [*prefix, PROGRAM, f"--cgroup={cgroup}", "--library=off", *options]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=self._errors,
                                        env=environment)
        self.pid = self.process.pid

    def status(self, name):
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(line.split(":", 1)[1].split() for line in lines if line.startswith(f"{name}:"))

    def errors(self):
        """Without what is said of other processes of this host."""
        self._errors.seek(0)
        return "".join(line for line in self._errors if not line.startswith("mtlsnoop: not probed: "))

    def wait(self):
        try:
            return self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            raise Failure(f"still runs after {SECONDS} s: {self.errors()}") from None

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._errors.close()


class Bench:
    def __init__(self, stack, cgroup):
        self.cgroup = cgroup
        self.directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        # the service's user connects to sockets in it
        self.directory.chmod(0o755)
        self._managers = 0

    @contextlib.contextmanager
    def manager(self, abstract=False):
        self._managers += 1
        name = f"mtlsnoop-notify-{os.getpid()}-{self._managers}"
        with Manager(f"@{name}" if abstract else str(self.directory / name)) as manager:
            if not abstract:
                os.chmod(manager.name, 0o777)
            yield manager

    def service(self, *options, manager=None, watchdog=None, **arguments):
        variables = {"NOTIFY_SOCKET": manager.name} if manager else {}
        if watchdog:
            variables["WATCHDOG_USEC"] = str(watchdog)
        variables.update(arguments.pop("variables", {}))
        return Service(self.cgroup, *options, variables=variables, **arguments)


def life(bench, abstract):
    """Started, stopped: and nothing else, where no watchdog is wanted."""
    with bench.manager(abstract) as manager, bench.service("-q", manager=manager) as service:
        message = manager.receive(SECONDS)
        expect(message and message.split("\n")[0], "READY=1", "the first message")
        expect(manager.sender, service.pid, "its sender")
        expect(service.status("Seccomp"), ["2"], "Seccomp, once ready")
        expect(manager.receive(QUIET_SECONDS), None, "a message while it runs")
        expect(service.stop(), 0, "exit status")
        message = manager.receive(0)
        expect(message and message.split("\n")[0], "STOPPING=1", "the last message")
        expect(manager.receive(0), None, "a message behind it")
        expect(service.errors(), "", "standard error")


def ready_behind_attached(bench):
    """In the order of its system calls: links, the filter, and then the message."""
    if not shutil.which("strace"):
        raise Skip("strace is not installed")
    log = bench.directory / "ready.strace"
    strace = ["strace", "-D", "-f", "-q", "-o", str(log), "-e", "trace=bpf,seccomp,sendto"]
    with bench.manager() as manager, bench.service("-q", "--library=off", manager=manager, prefix=strace) as service:
        manager.wait_for("READY=1")
        expect(service.stop(), 0, "exit status")
    if not wait_until(lambda: "+++ exited" in log.read_text()):
        raise Failure("strace tells of no end")
    found = re.findall(r"BPF_LINK_CREATE|\{len=|READY=1|STOPPING=1", log.read_text())
    links = found.count("BPF_LINK_CREATE")
    expect(links >= 2, True, f"at least two links among {found}")
    expect(found, ["BPF_LINK_CREATE"] * links + ["{len=", "READY=1", "STOPPING=1"], "calls in their order")


def not_ready_where_it_fails(bench):
    with bench.manager() as manager, bench.service("-q", "--cgroup=/nonexistent", manager=manager) as service:
        expect(service.wait(), 1, "exit status")
        expect(manager.receive(0), None, "a message")


def reload(bench):
    """The manager waits for the end of a reload, whatever came of it; the counters go on."""
    policy = bench.directory / "policy"
    policy.write_text("127.0.0.1:443 required\n")
    certificates = Certificates(bench.directory)
    with bench.manager() as manager, contextlib.closing(Server(certificates, "never")) as server, \
            bench.service("-q", "--metrics=127.0.0.1:9813", f"--expect={policy}", manager=manager) as service:
        manager.wait_for("READY=1")
        shake_hands(server, "TLSv1.2")
        wait_until(lambda: handshakes_counted() == 2)
        before = 0
        for text, refused in (("127.0.0.1:443 never\n", 0), ("nonsense\n", 1), ("127.0.0.1:443 optional\n", 1)):
            policy.write_text(text)
            service.process.send_signal(signal.SIGHUP)
            message = manager.receive(SECONDS)
            if not message or not re.match(r"RELOADING=1\nMONOTONIC_USEC=\d+\n", message):
                raise Failure(f"message {message!r}, expected RELOADING=1 and its time")
            message = manager.receive(SECONDS)
            expect(message and message.split("\n")[0], "READY=1", "message")
            expect("Reload failed" in message, refused != before, f"the status says that it failed: {message!r}")
            before = refused
            expect(service.errors().count("reload failed: "), refused, "reloads that failed, on standard error")
        expect(handshakes_counted(), 2, "handshakes counted")
        expect(service.stop(), 0, "exit status")


def reload_of_nothing(bench):
    with bench.manager() as manager, bench.service("-q", manager=manager) as service:
        manager.wait_for("READY=1")
        service.process.send_signal(signal.SIGHUP)
        manager.wait_for("RELOADING=1")
        manager.wait_for("READY=1")
        expect(service.stop(), 0, "exit status")


def handshakes_counted():
    with urllib.request.urlopen("http://127.0.0.1:9813/metrics", timeout=SECONDS) as answer:
        counts = re.findall(r"^mtlsnoop_handshakes_total\{.*\} (\d+)$", answer.read().decode(), re.MULTILINE)
    return sum(map(int, counts))


def watchdog(bench):
    """Signs of life come while it runs, none while it is stopped, and again when it goes on."""
    with bench.manager() as manager, bench.service("-q", manager=manager, watchdog=WATCHDOG) as service:
        manager.wait_for("READY=1")
        for _ in range(5):
            expect(manager.receive(SECONDS), "WATCHDOG=1", "message")
        service.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: service.status("State")[0] == "T")
        manager.wait_for_silence()
        service.process.send_signal(signal.SIGCONT)
        expect(manager.receive(SECONDS), "WATCHDOG=1", "message")
        expect(service.stop(), 0, "exit status")
        manager.wait_for("STOPPING=1")


def watchdog_of_another(bench):
    """WATCHDOG_PID names the process that is meant."""
    others = {"WATCHDOG_PID": str(os.getpid())}
    with bench.manager() as manager, bench.service("-q", manager=manager, watchdog=WATCHDOG, variables=others) as service:
        manager.wait_for("READY=1")
        expect(manager.receive(QUIET_SECONDS), None, "a message")
        service.stop()


def output_that_nobody_reads(bench):
    """The loop goes on: signs of life come, every handshake is counted, no event is lost, and the lines come once somebody reads."""
    certificates = Certificates(bench.directory)
    read_end, write_end = os.pipe()
    fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)
    with bench.manager() as manager, contextlib.closing(Server(certificates, "never")) as server, \
            bench.service("--trace", "--metrics=127.0.0.1:9813", manager=manager, watchdog=WATCHDOG, stdout=write_end) as service:
        os.close(write_end)
        manager.wait_for("READY=1")
        for _ in range(20):
            shake_hands(server, "TLSv1.2")
        expect(wait_until(lambda: handshakes_counted() == 40), True, "handshakes are counted while nobody reads")
        # those that came until now were sent, perhaps, before the pipe was full
        time.sleep(0.5)
        while manager.receive(0.01):
            pass
        expect(manager.receive(SECONDS), "WATCHDOG=1", "message while nobody reads")
        with urllib.request.urlopen("http://127.0.0.1:9813/metrics", timeout=SECONDS) as answer:
            lost = re.findall(r"^mtlsnoop_lost_events_total\{.*\} [1-9].*$", answer.read().decode(), re.MULTILINE)
        expect(lost, [], "losses")
        received = b""

        def all_came():
            nonlocal received
            with contextlib.suppress(BlockingIOError):
                received += os.read(read_end, 65536)
            return received.count(b"\n* not_requested; ") == 40

        os.set_blocking(read_end, False)
        expect(wait_until(all_came, timeout=SECONDS), True, "all handshakes are printed once somebody reads")
        expect(service.stop(), 0, "exit status")
    os.close(read_end)


def output_that_nobody_reads_at_the_end(bench):
    """A service that is stopped does not wait for its reader, and says that lines are missing."""
    certificates = Certificates(bench.directory)
    read_end, write_end = os.pipe()
    fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)
    with bench.manager() as manager, contextlib.closing(Server(certificates, "never")) as server, \
            bench.service("--trace", "--metrics=127.0.0.1:9813", manager=manager, stdout=write_end) as service:
        os.close(write_end)
        manager.wait_for("READY=1")
        for _ in range(20):
            shake_hands(server, "TLSv1.2")
        wait_until(lambda: handshakes_counted() == 40)
        expect(service.stop(), 1, "exit status")
        expect("cannot write the rest to standard output" in service.errors(), True, f"a message: {service.errors()!r}")
    os.close(read_end)


def manager_that_is_not_there(bench):
    path = str(bench.directory / "nobody-listens")
    with bench.service("-q", variables={"NOTIFY_SOCKET": path}) as service:
        expect(service.wait(), 1, "exit status")
        expect(service.errors(), f"mtlsnoop: cannot reach the service manager at NOTIFY_SOCKET={path}: "
               "No such file or directory\n", "standard error")


def user_with_capabilities(bench):
    """As the unit starts it: never root. What is left is as little."""
    if not shutil.which("setpriv"):
        raise Skip("setpriv is not installed")
    prefix = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", f"--inh-caps=-all,{CAPABILITIES}",
              f"--ambient-caps=-all,{CAPABILITIES}", f"--bounding-set=-all,{CAPABILITIES}", "--no-new-privs"]
    with bench.manager() as manager, bench.service("-q", manager=manager, prefix=prefix) as service:
        manager.wait_for("READY=1")
        found = {name: service.status(name) for name in ("CapPrm", "CapEff", "CapInh", "CapAmb")}
        expect(found, {name: ["0" * 16] for name in found}, "capabilities")
        expect((service.status("Uid"), service.status("Seccomp"), service.status("NoNewPrivs")),
               ([str(USER)] * 4, ["2"], ["1"]), "user, Seccomp, NoNewPrivs")
        expect(service.stop(), 0, "exit status")


def stream_of(file):
    status = os.fstat(file.fileno())
    return {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}


def journal_of(bench, *options, stream=None, prefix=()):
    """What is in the journal of a service that ends by itself, and its exit status."""
    with tempfile.TemporaryFile(mode="w+") as journal:
        variables = stream or stream_of(journal)
        done = subprocess.run([*prefix, PROGRAM, f"--cgroup={bench.cgroup}", *HOOKS, *options], stdout=journal, stderr=journal,
                              stdin=subprocess.DEVNULL, env={**os.environ, **variables}, timeout=SECONDS)
        journal.seek(0)
        return journal.read(), done.returncode


def journal_of_errors(bench):
    text, status = journal_of(bench, "--cgroup=/nonexistent")
    expect((text, status), ("<3>cannot open the cgroup /nonexistent: No such file or directory\n", 1), "journal, exit status")
    text, status = journal_of(bench, "--port=none")
    wrong = [line for line in text.splitlines() if not line.startswith("<3>")]
    expect((text.split("\n")[0], wrong, status), ("<3>--port: 'none' is not a port: a number from 1 to 65535, a range such as 8000-8100, or a name such as https", [], 2),
           "journal, lines without a level, exit status")


def journal_of_warnings(bench):
    if not shutil.which("strace"):
        raise Skip("strace is not installed")
    strace = ["strace", "-D", "-f", "-q", "-o", "/dev/null", "-e", "inject=seccomp:error=ENOSYS"]
    text, status = journal_of(bench, "-d", "0.2", prefix=strace)
    expect((text[:17], text.count("\n"), status), ("<4>going on witho", 1, 0), "journal: begin, lines (no heading), exit status")


def journal_of_sums(bench):
    """A connection that was open before is left alone, which is told at the end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
        client.send(b"x")
        server.recv(1)
        with client, server, tempfile.TemporaryFile(mode="w+") as journal, bench.manager() as manager:
            variables = {**os.environ, "NOTIFY_SOCKET": manager.name, **stream_of(journal)}
            with subprocess.Popen([PROGRAM, f"--cgroup={bench.cgroup}", *HOOKS], stdout=journal, stderr=journal,
                                  env=variables) as process:
                manager.wait_for("READY=1")
                client.send(b"x")
                server.recv(1)
                process.send_signal(signal.SIGTERM)
                expect(process.wait(SECONDS), 0, "exit status")
            journal.seek(0)
            # both ends of the connection
            expect(journal.read(), "<5>2 connections were open before mtlsnoop started and are ignored (midstream)\n", "journal")


def no_journal(bench):
    """The variable may be left over from somebody whose standard error was another."""
    text, _ = journal_of(bench, "--cgroup=/nonexistent", stream={"JOURNAL_STREAM": "1:1"})
    expect(text, "mtlsnoop: cannot open the cgroup /nonexistent: No such file or directory\n", "standard error")
    text, _ = journal_of(bench, "-d", "0.2", stream={"JOURNAL_STREAM": "nonsense"})
    expect(text.split()[:2], ["TIME", "ROLE"], "heading")


def systemd_analyze(bench, *command):
    """On the unit as it is, but for the path of the program."""
    if not shutil.which("systemd-analyze"):
        raise Skip("systemd-analyze is not installed")
    unit = bench.directory / "mtlsnoop.service"
    unit.write_text(UNIT.read_text().replace("/usr/sbin/mtlsnoop", str(PROGRAM)))
    done = subprocess.run(["systemd-analyze", *command, unit], capture_output=True, text=True, timeout=SECONDS)
    if "Unknown option" in done.stderr or "unrecognized option" in done.stderr:
        raise Skip(f"this systemd-analyze has no {command}")
    return done


def unit_is_valid(bench):
    done = systemd_analyze(bench, "--man=no", "verify")
    expect((done.returncode, done.stdout + done.stderr), (0, ""), "systemd-analyze verify")


def unit_is_hardened(bench):
    done = systemd_analyze(bench, "security", "--offline=true", f"--threshold={EXPOSURE_MAX}", "--no-pager")
    expect((done.returncode, done.stdout[-80:] if done.returncode else ""), (0, ""), "systemd-analyze security")


def unit_drops_what_the_program_drops(bench):
    """Ambient and bounding set are the same three: what is in one alone would be of no use, or be missing."""
    sets = dict(re.findall(r"^(AmbientCapabilities|CapabilityBoundingSet)=(.*)$", UNIT.read_text(), re.MULTILINE))
    expect(len(set(sets.values())), 1, f"different sets among {sets}")


def options_file_starts_it(bench):
    """Its options, as the service manager splits them, are a command line that runs."""
    value = re.search(r"^MTLSNOOP_OPTIONS=(.*)$", OPTIONS.read_text(), re.MULTILINE)[1]
    options = shlex.split(shlex.split(value)[0])
    # the service manager makes the folder of the store
    expect(("--store" in options, "StateDirectory=mtlsnoop\n" in UNIT.read_text()), (True, True), "the store's option and folder")
    folder = bench.directory / "state"
    folder.mkdir()
    folder.chmod(0o777)
    options[options.index("--store")] = f"--store={folder}/store.db"
    with bench.manager() as manager, bench.service(*options, manager=manager) as service:
        manager.wait_for("READY=1")
        socket.create_connection(("127.0.0.1", 9813), SECONDS).close()
        expect(service.stop(), 0, "exit status")


def help_options():
    text = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^ {1,6}(?:-., +)?(--[a-z-]+)", text, re.MULTILINE)), set(re.findall(r"^ +(-[^ -]),", text, re.MULTILINE))


def complete(bench, *words):
    """What bash offers behind these words."""
    script = f"""source "$1"; shift
program=$1; shift
COMP_WORDS=(mtlsnoop "$@"); COMP_CWORD=$#
_mtlsnoop "$program"; printf '%s\\n' "${{COMPREPLY[@]}}" """
    done = subprocess.run(["bash", "-uc", script, "bash", COMPLETION, PROGRAM, *words], capture_output=True, text=True,
                          cwd=bench.directory, timeout=SECONDS)
    expect(done.stderr, "", f"standard error of the completion of {words}")
    return set(done.stdout.split())


def completion(bench):
    if not shutil.which("bash"):
        raise Skip("bash is not installed")
    long, short = help_options()
    if len(long) < 15 or len(short) < 10:
        raise Failure(f"--help has only {long} and {short}")
    expect(complete(bench, "--"), long, "long options")
    expect(complete(bench, "-"), long | short, "options")
    expect(complete(bench, "--max-con"), {"--max-connections"}, "options that begin with --max-con")
    (bench.directory / "trace.pcap").touch()
    for words in (("-r", "tra"), ("--read", "tra"), ("--read", "=", "tra"), ("--cgroup", "tra")):
        expect(complete(bench, *words), {"trace.pcap"}, f"files behind {words}")
    expect(complete(bench, "--count", "tra"), set(), "files behind --count")


def completion_of_zsh(bench):
    """The specifications for _arguments: each name of each option."""
    if not shutil.which("zsh"):
        raise Skip("zsh is not installed")
    script = '_arguments() { print -l -- "$@"; }; words=("$1"); source "$2"'
    done = subprocess.run(["zsh", "-fc", script, "zsh", PROGRAM, COMPLETION_ZSH], capture_output=True, text=True,
                          timeout=SECONDS)
    expect(done.stderr, "", "standard error")
    names = set(re.findall(r"^\*(--[a-z-]+|-[^-])", done.stdout, re.MULTILINE))
    long, short = help_options()
    expect(names, long | short, "names of options")
    expect("*--library=:library:(auto auto+static off" in done.stdout, True, "words of --library")
    expect("*--read=:FILE:_files\n" in done.stdout, True, "files behind --read")


def completion_of_fish(bench):
    if not shutil.which("fish"):
        raise Skip("fish is not installed")

    def offered(line):
        script = f"source {COMPLETION_FISH}; complete -C {shlex.quote(line)}"
        # fish asks the terminal and writes a history: not here
        variables = {**os.environ, "PATH": f"{bench.directory}:{os.environ['PATH']}", "HOME": str(bench.directory)}
        done = subprocess.run(["fish", "--no-config", "-c", script], capture_output=True, text=True, cwd=bench.directory,
                              env=variables, timeout=SECONDS)
        expect(done.stderr, "", f"standard error of the completion of {line!r}")
        return {word.split("\t")[0] for word in done.stdout.splitlines()}

    with contextlib.suppress(FileExistsError):
        (bench.directory / "mtlsnoop").symlink_to(PROGRAM)
    (bench.directory / "trace.pcap").touch()
    long, short = help_options()
    expect(offered("mtlsnoop --"), {f"{name}=" if f"{name}=" in offered("mtlsnoop --") else name for name in long}, "long options")
    expect(offered("mtlsnoop --max-con"), {"--max-connections"}, "options that begin with --max-con")
    expect(offered("mtlsnoop -r tra"), {"trace.pcap"}, "files behind -r")
    expect(offered("mtlsnoop --count tra"), set(), "files behind --count")
    expect(offered("mtlsnoop -L "), {"auto", "auto+static", "off"}, "words behind -L")
    if not short <= {word[:2] for word in offered("mtlsnoop -") if not word.startswith("--")}:
        raise Failure(f"short options are {offered('mtlsnoop -')}, expected {short}")


def filters_of(process):
    """How many filters a process has: its own, and those that were there before."""
    text = Path(f"/proc/{process}/status").read_text()
    found = re.search(r"^Seccomp_filters:\t(\d+)$", text, re.MULTILINE)
    if not found:
        raise Skip("this kernel does not count filters (before 5.9)")
    return int(found[1])


# Loads the filter that a unit describes, as the service manager does, and becomes the program.
UNDER_A_FILTER = """
import ctypes, errno, os, sys
library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
library.seccomp_init.restype = ctypes.c_void_p
SCMP_ACT_ALLOW, SCMP_ACT_ENOSYS = 0x7fff0000, 0x00050000 | errno.ENOSYS
filter = ctypes.c_void_p(library.seccomp_init(SCMP_ACT_ENOSYS))
for name in sys.argv[1].split():
    call = library.seccomp_syscall_resolve_name(name.encode())
    if call >= 0:
        library.seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0)
if library.seccomp_load(filter):
    sys.exit("the outer filter is not loaded")
os.execv(sys.argv[2], sys.argv[2:])
"""


def calls_of_set(name):
    """The system calls of a set of systemd's, the sets within it included."""
    done = subprocess.run(["systemd-analyze", "syscall-filter", f"@{name}"], capture_output=True, text=True, timeout=SECONDS)
    calls = set()
    for line in done.stdout.splitlines():
        word = line.strip()
        if word.startswith("@") and word != f"@{name}":
            calls |= calls_of_set(word[1:])
        elif re.fullmatch(r"[a-z0-9_]+", word):
            calls.add(word)
    return calls


def calls_of_unit():
    words = re.search(r"^SystemCallFilter=(.*)$", UNIT.read_text(), re.MULTILINE)[1].split()
    calls = set()
    for word in words:
        calls |= calls_of_set(word[1:]) if word.startswith("@") else {word}
    return calls


def filter_within_the_units_filter(bench, without=(), loaded=True):
    """systemd's filter makes Seccomp 2 by itself: the program's own filter is a further one."""
    if not shutil.which("systemd-analyze"):
        raise Skip("systemd-analyze is not installed")
    calls = calls_of_unit() - set(without)
    expect(len(calls) > 100, True, f"system calls of the unit: {len(calls)}")
    prefix = [sys.executable, "-c", UNDER_A_FILTER, " ".join(sorted(calls))]
    with bench.manager() as manager, bench.service("-q", manager=manager, prefix=prefix) as service:
        manager.wait_for("READY=1")
        expect(filters_of(service.pid), 2 if loaded else 1, "filters: the unit's, and the program's own")
        expect("going on without a filter" in service.errors(), not loaded, f"a warning: {service.errors()!r}")
        if not loaded:
            expect("SystemCallFilter=" in service.errors(), True, f"what to do: {service.errors()!r}")
        expect(service.stop(), 0, "exit status")


def old_options_files(bench):
    """What /etc/default/mtlsnoop had in earlier versions still starts the service."""
    policy = bench.directory / "old-policy"
    policy.write_text("10.0.0.1:443 required\n:5432 never\n")
    for line in ("--quiet --metrics=127.0.0.1:9813 --library=off", "--quiet -m", "-q -m127.0.0.1:9813 -L off",
                 "--json --redact --port=443 --port=8443", f"-q --metrics=127.0.0.1:9813 --expect={policy}",
                 "-q -m --max-services=50 --max-connections=1000 --handshake-timeout=5 --buffer=16M"):
        with bench.manager() as manager, bench.service(*shlex.split(line), manager=manager) as service:
            manager.wait_for("READY=1")
            expect(service.stop(), 0, f"exit status with {line}")


def unit_restarts(bench):
    """Wrong options end the service with a status that no restart follows; a reload tests the files first."""
    text = UNIT.read_text()
    expect(re.findall(r"^RestartPreventExitStatus=(.*)$", text, re.MULTILINE), ["2"], "RestartPreventExitStatus")
    done = subprocess.run([PROGRAM, "--nonsense"], capture_output=True, text=True, timeout=SECONDS)
    expect(done.returncode, 2, "exit status with a wrong option")
    test = re.search(r"^ExecReload=/usr/sbin/mtlsnoop (.*)$", text, re.MULTILINE)[1]
    policy = bench.directory / "policy"
    for content, status, word in ((":443 required\n", 0, "valid"), (":443 requierd\n", 1, "requierd")):
        policy.write_text(content)
        options = shlex.split(test.replace("$MTLSNOOP_OPTIONS", f"--quiet --metrics=127.0.0.1:9813 --expect={policy}"))
        done = subprocess.run([PROGRAM, *options], capture_output=True, text=True, timeout=SECONDS)
        expect((done.returncode, word in done.stdout + done.stderr), (status, True), f"--check of {content!r}: {done}")
    # without files a reload has nothing to test
    done = subprocess.run([PROGRAM, "--check", "--quiet"], capture_output=True, text=True, timeout=SECONDS)
    expect(done.returncode, 0, "exit status of --check without files")


def main():
    suite = Suite(sys.argv[1:])
    if not os.access(PROGRAM, os.X_OK):
        print(f"FAIL service: there is no {PROGRAM}: make")
        return 1
    if os.geteuid() != 0:
        print("SKIP service: it needs root")
        return 0
    with contextlib.ExitStack() as stack:
        own_network()
        bench = Bench(stack, stack.enter_context(own_cgroup()))
        suite.run("notify: ready, stopping", life, bench, False)
        suite.run("notify: abstract socket", life, bench, True)
        suite.run("notify: ready behind attached", ready_behind_attached, bench)
        suite.run("notify: not ready where it fails", not_ready_where_it_fails, bench)
        suite.run("notify: the manager is not there", manager_that_is_not_there, bench)
        suite.run("notify: reload", reload, bench)
        suite.run("notify: reload of nothing", reload_of_nothing, bench)
        suite.run("watchdog: while it runs", watchdog, bench)
        suite.run("watchdog: of another process", watchdog_of_another, bench)
        suite.run("output: nobody reads", output_that_nobody_reads, bench)
        suite.run("output: nobody reads at the end", output_that_nobody_reads_at_the_end, bench)
        suite.run("user: three capabilities, then none", user_with_capabilities, bench)
        suite.run("journal: errors", journal_of_errors, bench)
        suite.run("journal: warnings", journal_of_warnings, bench)
        suite.run("journal: sums", journal_of_sums, bench)
        suite.run("journal: not the journal", no_journal, bench)
        suite.run("unit: valid", unit_is_valid, bench)
        suite.run("unit: hardened", unit_is_hardened, bench)
        suite.run("unit: capabilities", unit_drops_what_the_program_drops, bench)
        suite.run("unit: its options", options_file_starts_it, bench)
        suite.run("unit: restarts and reloads", unit_restarts, bench)
        suite.run("unit: its filter and the program's", filter_within_the_units_filter, bench)
        suite.run("unit: a filter without seccomp(2)", filter_within_the_units_filter, bench, ("seccomp",), False)
        suite.run("unit: options of earlier versions", old_options_files, bench)
        suite.run("completion: bash", completion, bench)
        suite.run("completion: zsh", completion_of_zsh, bench)
        suite.run("completion: fish", completion_of_fish, bench)
    return 1 if suite.failed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    sys.exit(main())
