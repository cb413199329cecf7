#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
What the probes in TLS libraries tell, and when they come and go: OpenSSL's own programs make handshakes on a port of their
own, observe prints the events. usage: run.py [WORD...] (only the cases with one of the words in their name)
"""

import contextlib
import os
import platform
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path.append(str(TESTS))

from harness import PROGRAM, ROOT, Failure, Skip, Suite, expect, wait_until  # noqa: E402

OBSERVE = ROOT / "build" / "tests" / "observe"
SECONDS = 20  # for what comes by itself, on a busy machine
LOOK_SECONDS = 100  # until all processes are looked at again: a look that takes a second is the only one for so long

# Which file a call was of, the kernel tells by bpf_get_attach_cookie(), which came with 5.15.
TARGETS_TOLD = tuple(map(int, re.findall(r"\d+", platform.release())[:2])) >= (5, 15)

# HandshakeType, RFC 8446 section 4, RFC 5246 section 7.4
HELLO, SERVER_HELLO, EXTENSIONS, CERTIFICATE, REQUEST, VERIFY, FINISHED = 1, 2, 8, 11, 13, 15, 20
MESSAGE_HASH = 254
# enum library_event_kind
FAILURE, VERIFICATION = 4, 5


class Event:
    def __init__(self, words):
        self.process, self.kind, self.target, self.position, self.total, self.length = (
            int(words[index]) for index in (1, 3, 4, 5, 6, 7))
        self.handle, self.name, self.bytes = words[2], words[8], bytes.fromhex(words[9])

    @property
    def type(self):
        return self.bytes[0]

    @property
    def is_cause(self):
        return self.kind in (FAILURE, VERIFICATION)

    @property
    def cause(self):
        """struct library_cause: the kind, the random of ClientHello, the library's number, the alert, whether it is a server."""
        code, alert, server = struct.unpack("<iiB", self.bytes[64:73])
        return self.kind, self.bytes[32:64], code, alert, bool(server)


class Observer:
    """A running observe: its lines as they come."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen([OBSERVE, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self._lines = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not wait_until(lambda: "ready" in self._lines or self.process.poll() is not None, timeout=SECONDS):
            raise Failure("observe is not ready")
        if self.process.poll() is not None:
            raise Failure(f"observe ended with {self.process.returncode}: {self.process.stderr.read()}")

    def _read(self):
        for line in self.process.stdout:
            self._lines.append(line.rstrip("\n"))

    def events(self, *processes):
        found = [Event(line.split(" ")) for line in list(self._lines) if line.startswith("event ")]
        return [event for event in found if event.process in processes and not event.is_cause]

    def causes(self, process):
        found = [Event(line.split(" ")) for line in list(self._lines) if line.startswith("event ")]
        return [event.cause for event in found if event.process == process and event.is_cause]

    def types(self, process):
        """Of the calls. Whether ServerHello comes in one with ClientHello is the library's own affair."""
        return [event.type for event in self.events(process) if event.position == 0 and event.type != SERVER_HELLO]

    def wait_for_types(self, process, expected):
        wait_until(lambda: self.types(process) == expected, timeout=5)
        expect(self.types(process), expected, "first types of the calls")

    def attached(self):
        counts = [line.split()[1:] for line in list(self._lines) if line.startswith("counts ")]
        return int(counts[-1][0]) if counts else 0

    def target_name(self, target):
        names = [line.split(" ", 3)[3] for line in list(self._lines) if line.startswith(f"target {target} ")]
        return names[0] if names else None

    def finder(self):
        """The process that attaches."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        expect(len(children), 1, "children of observe")
        return int(children[0])

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.stdin.close()
        try:
            self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Failure("observe does not end")
        finally:
            self.process.wait()
            self._reader.join()
            self.process.stdout.close()
            self.process.stderr.close()


class Peers:
    """What makes handshakes: openssl, run in an environment of its own."""

    def __init__(self, directory, openssl=("openssl",), variables=None, paths=None):
        self._openssl, self._directory = list(openssl), directory
        self._variables = {**os.environ, **(variables or {})}
        paths = paths or directory
        self._certificate = ["-cert", str(paths / "peer.crt"), "-key", str(paths / "peer.key")]

    @contextlib.contextmanager
    def server(self, *options):
        process = subprocess.Popen([*self._openssl, "s_server", "-accept", "127.0.0.1:0", *self._certificate, *options],
                                   env=self._variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True)
        try:
            for line in process.stdout:
                accepts = re.match(r"ACCEPT 127\.0\.0\.1:(\d+)", line)
                if accepts:
                    break
            else:
                raise Failure("openssl s_server does not listen")
            process.port = accepts[1]
            # what it says from here on nobody needs, but it must not wait for a reader
            threading.Thread(target=lambda: [None for _ in process.stdout], daemon=True).start()
            yield process
        finally:
            process.kill()
            process.wait()
            process.stdin.close()

    def client(self, server, *options, certificate=True):
        """A client that is connected until it is told to quit."""
        return subprocess.Popen([*self._openssl, "s_client", "-connect", f"127.0.0.1:{server.port}",
                                 *(self._certificate if certificate else []), *options],
                                env=self._variables, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL, text=True)

    @contextlib.contextmanager
    def connection(self, server, *options, certificate=True):
        process = self.client(server, *options, certificate=certificate)
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            process.stdin.close()


def certificate(directory):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=peer.test", "-days", "2",
                    "-keyout", directory / "peer.key", "-out", directory / "peer.crt"], check=True,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def library_of_openssl():
    """libssl and libcrypto as the openssl program of this host maps them."""
    lines = subprocess.run(["ldd", shutil.which("openssl")], capture_output=True, text=True, check=True).stdout
    found = [Path(path) for path in re.findall(r"(/\S*/lib(?:ssl|crypto)\S*)", lines)]
    if len(found) != 2:
        raise Skip("openssl is linked otherwise here")
    return found


def not_requested(bench):
    with bench.peers.server("-tls1_3") as server, bench.peers.connection(server) as client:
        for process in (server.pid, client.pid):
            bench.observer.wait_for_types(process, [HELLO, EXTENSIONS, CERTIFICATE, VERIFY, FINISHED, FINISHED])
        events = bench.observer.events(server.pid)
        expect({event.name for event in events}, {"openssl"}, "name of the process")
        expect({event.handle for event in events}, {events[0].handle}, "handles")
        version = subprocess.run(["openssl", "version"], capture_output=True, text=True, check=True).stdout.split()
        name = " ".join(version[:2]) if TARGETS_TOLD else None
        expect(bench.observer.target_name(events[0].target), name, "name of the library")


def requested(bench):
    whole = [HELLO, EXTENSIONS, REQUEST, CERTIFICATE, VERIFY, FINISHED, CERTIFICATE, VERIFY, FINISHED]
    with bench.peers.server("-tls1_3", "-verify", "1") as server, bench.peers.connection(server) as client:
        for process in (server.pid, client.pid):
            bench.observer.wait_for_types(process, whole)
        # the random of ClientHello is the same at both ends
        ends = [bench.observer.events(process)[0].bytes[6:38] for process in (server.pid, client.pid)]
        expect(ends[0], ends[1], "random at the server")


def empty_answer(bench):
    whole = [HELLO, EXTENSIONS, REQUEST, CERTIFICATE, VERIFY, FINISHED, CERTIFICATE, FINISHED]
    with bench.peers.server("-tls1_3", "-verify", "1") as server:
        with bench.peers.connection(server, certificate=False):
            bench.observer.wait_for_types(server.pid, whole)
        answer = [event for event in bench.observer.events(server.pid) if event.type == CERTIFICATE][-1]
        expect(answer.bytes, bytes.fromhex("0b00000400000000"), "the answer")


def causes_of(bench, server_options, client_options, certificate, expected):
    """expected: [(kind, code, alert)] of the server and of the client."""
    if not TARGETS_TOLD:
        raise Skip("needs bpf_get_attach_cookie(): kernel 5.15")
    with bench.peers.server(*server_options) as server:
        with bench.peers.connection(server, *client_options, certificate=certificate) as client:
            for process, is_server, causes in ((server.pid, True, expected[0]), (client.pid, False, expected[1])):
                wait_until(lambda: len(bench.observer.causes(process)) == len(causes), timeout=5)
                told = bench.observer.causes(process)
                expect([(kind, code, alert) for kind, _, code, alert, _ in told], causes,
                       f"causes of the {'server' if is_server else 'client'}")
                expect({role for *_, role in told}, {is_server}, "role")
                hello = [event for event in bench.observer.events(process) if event.type == HELLO]
                if hello:
                    expect({random for _, random, *_ in told}, {hello[0].bytes[6:38]}, "random")


def self_signed_client(bench):
    """X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT 18; SSL_R_CERTIFICATE_VERIFY_FAILED 134; alert unknown_ca 48."""
    for version in ("-tls1_3", "-tls1_2"):
        causes_of(bench, (version, "-Verify", "1", "-verify_return_error"), (), True,
                  ([(VERIFICATION, 18, -1), (FAILURE, 134, 48)], [(VERIFICATION, 18, -1), (FAILURE, 1048, -1)]))


def client_without_certificate(bench):
    """SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE 199; alert certificate_required 116, up to TLS 1.2 sent as handshake_failure 40."""
    for version, alert in (("-tls1_3", 116), ("-tls1_2", 40)):
        causes_of(bench, (version, "-Verify", "1"), (), False,
                  ([(FAILURE, 199, 116)], [(VERIFICATION, 18, -1), (FAILURE, 1000 + alert, -1)]))


def client_refuses(bench):
    causes_of(bench, ("-tls1_3",), ("-verify_return_error", "-verify", "1"), False,
              ([(FAILURE, 1048, -1)], [(VERIFICATION, 18, -1), (FAILURE, 134, 48)]))


def no_common_version(bench):
    """SSL_R_UNSUPPORTED_PROTOCOL 258; alert protocol_version 70."""
    causes_of(bench, ("-tls1_3",), ("-tls1_2",), False, ([(FAILURE, 258, 70)], [(FAILURE, 1070, -1)]))


def tolerated_error(bench):
    causes_of(bench, ("-tls1_3", "-verify", "1"), (), True, ([(VERIFICATION, 18, -1)], [(VERIFICATION, 18, -1)]))


def version_1_2(bench):
    with bench.peers.server("-tls1_2", "-verify", "1") as server, bench.peers.connection(server) as client:
        for process in (server.pid, client.pid):
            wait_until(lambda: bench.observer.types(process)[-1:] == [FINISHED], timeout=5)
            types = bench.observer.types(process)
            expect((types[:1], types[-1:]), ([HELLO], [FINISHED]), "types of the first and the last call")


def hello_retry(bench):
    """The hash of the first ClientHello stands in its place (RFC 8446 section 4.4.1)."""
    with bench.peers.server("-tls1_3", "-groups", "P-256", "-verify", "1") as server:
        with bench.peers.connection(server, "-groups", "X25519:P-256"):
            bench.observer.wait_for_types(server.pid, [HELLO, MESSAGE_HASH, EXTENSIONS, REQUEST, CERTIFICATE, VERIFY,
                                                       FINISHED, CERTIFICATE, VERIFY, FINISHED])


def renegotiation(bench):
    with bench.peers.server("-tls1_2", "-client_renegotiation") as server:
        with bench.peers.connection(server) as client:
            if not wait_until(lambda: FINISHED in bench.observer.types(client.pid), timeout=5):
                raise Failure(f"calls: {bench.observer.types(client.pid)}")
            client.stdin.write("R\n")
            client.stdin.flush()
            wait_until(lambda: bench.observer.types(client.pid).count(HELLO) == 2, timeout=5)
            for process in (server.pid, client.pid):
                expect(bench.observer.types(process).count(HELLO), 2, "beginnings of transcripts")


def post_handshake(bench):
    """TLS 1.3: a request behind the handshake (RFC 8446 section 4.6.2), in the context of the handshake."""
    with bench.peers.server("-tls1_3", "-verify", "1") as server:
        with bench.peers.connection(server, "-enable_pha") as client:
            if not wait_until(lambda: bench.observer.types(server.pid).count(FINISHED) == 2, timeout=5):
                raise Failure(f"calls: {bench.observer.types(server.pid)}")
            before = len(bench.observer.types(server.pid))
            server.stdin.write("c\n")
            server.stdin.flush()
            for process in (server.pid, client.pid):
                wait_until(lambda: bench.observer.types(process).count(FINISHED) == 3, timeout=5)
                expect(bench.observer.types(process)[before:], [REQUEST, CERTIFICATE, VERIFY, FINISHED],
                       "behind the handshake")
                expect(len({event.handle for event in bench.observer.events(process)}), 1, "handles")


@contextlib.contextmanager
def copied_library(bench):
    """libssl under another inode, for those who look there first."""
    directory = bench.directory / "copied"
    directory.mkdir()
    ssl, crypto = library_of_openssl()[0:2] if "ssl" in library_of_openssl()[0].name else library_of_openssl()[::-1]
    shutil.copy(ssl.resolve(), directory / ssl.name)
    try:
        yield directory / ssl.name, Peers(bench.directory, variables={"LD_LIBRARY_PATH": str(directory)})
    finally:
        shutil.rmtree(directory)


def wait_for_attached(bench, count):
    wait_until(lambda: bench.observer.attached() == count, timeout=LOOK_SECONDS)
    expect(bench.observer.attached(), count, "files with probes")


def other_inode(bench):
    """A library of a process's own is found, one that takes its name is found anew, and what nobody maps is let go."""
    own = bench.observer.attached()
    with copied_library(bench) as (library, peers):
        with peers.server("-tls1_3") as server:
            wait_for_attached(bench, own + 1)
            with peers.connection(server):
                bench.observer.wait_for_types(server.pid, [HELLO, EXTENSIONS, CERTIFICATE, VERIFY, FINISHED, FINISHED])
            first = bench.observer.events(server.pid)[0].target
            # as package managers do: another file under the same name
            shutil.copy(library, library.with_suffix(".new"))
            library.with_suffix(".new").rename(library)
            with peers.server("-tls1_3") as upgraded:
                wait_for_attached(bench, own + 2)
                for one in (server, upgraded):
                    before = bench.observer.types(one.pid)
                    with bench.peers.connection(one):
                        bench.observer.wait_for_types(one.pid, before + [HELLO, EXTENSIONS, CERTIFICATE, VERIFY,
                                                                         FINISHED, FINISHED])
                second = bench.observer.events(upgraded.pid)[0].target
                expect(second > first, TARGETS_TOLD, f"targets {first} and {second} are two")
        wait_for_attached(bench, own)


def short_lived(bench):
    """The first handshake of a process that lives no longer than that, with the host's own library."""
    with bench.peers.server("-tls1_3") as server:
        client = bench.peers.client(server)
        client.communicate("Q\n", timeout=SECONDS)
        bench.observer.wait_for_types(client.pid, [HELLO, EXTENSIONS, CERTIFICATE, VERIFY, FINISHED, FINISHED])


def other_root(bench):
    """A process in a mount namespace and a root of its own, as in a container, is found by what it maps there."""
    root = bench.directory / "root"
    binary = Path(shutil.which("openssl"))
    needed = re.findall(r"(/\S+)", subprocess.run(["ldd", binary], capture_output=True, text=True, check=True).stdout)
    for path in map(Path, [binary, *needed]):
        place = root / path.relative_to("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path.resolve(), place)
    for name in ("peer.crt", "peer.key"):
        shutil.copy(bench.directory / name, root / name)
    own = bench.observer.attached()
    peers = Peers(bench.directory, ["unshare", "--mount", "chroot", str(root), str(binary)],
                  {"OPENSSL_CONF": "/nonexistent"}, paths=Path("/"))
    with peers.server("-tls1_3", "-verify", "1") as server:
        wait_for_attached(bench, own + 1)
        with bench.peers.connection(server):
            bench.observer.wait_for_types(server.pid, [HELLO, EXTENSIONS, REQUEST, CERTIFICATE, VERIFY, FINISHED,
                                                       CERTIFICATE, VERIFY, FINISHED])
    wait_for_attached(bench, own)
    shutil.rmtree(root)


def written_over(bench):
    """A file that is written to under its probes loses them: they would stand anywhere."""
    own = bench.observer.attached()
    with copied_library(bench) as (library, peers):
        with peers.server("-tls1_3"):
            wait_for_attached(bench, own + 1)
            with open(library, "r+b") as file:
                file.seek(os.path.getsize(library) - 1)
                file.truncate(4096)
            wait_for_attached(bench, own)


def only_path(bench):
    library = library_of_openssl()
    ssl = next(path for path in library if "ssl" in path.name)
    with Observer(str(ssl)) as observer:
        with bench.peers.server("-tls1_3") as server, bench.peers.connection(server):
            observer.wait_for_types(server.pid, [HELLO, EXTENSIONS, CERTIFICATE, VERIFY, FINISHED, FINISHED])
        expect(observer.attached(), 1, "files with probes")


def refused_path(_):
    done = subprocess.run([PROGRAM, "--library=/bin/true", "--duration=1"], capture_output=True, text=True, timeout=SECONDS)
    expect((done.returncode, done.stdout), (1, ""), "exit status, standard output")
    expect(done.stderr, "mtlsnoop: the file of --library is no TLS library that is known\n", "standard error")


def links_of(process):
    """The ids of the links that the process holds."""
    found = set()
    for file in Path(f"/proc/{process}/fdinfo").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found |= set(re.findall(r"^link_id:\s*(\d+)", file.read_text(), re.MULTILINE))
    return found


def known_links():
    tool = shutil.which("bpftool") or "/usr/sbin/bpftool"
    shown = subprocess.run([tool, "link", "list"], capture_output=True, text=True)
    if shown.returncode:
        raise Skip("bpftool does not list links")
    return set(re.findall(r"^(\d+):", shown.stdout, re.MULTILINE))


def killed(_):
    """Behind SIGKILL nothing is left: not the process that attaches, and none of its links."""
    observer = Observer("auto")
    with contextlib.suppress(Failure), observer:
        finder = observer.finder()
        links = links_of(finder)
        if not links or not links <= known_links():
            raise Failure(f"links of the process that attaches: {links}")
        observer.process.send_signal(signal.SIGKILL)
        observer.process.wait()
    wait_until(lambda: not Path(f"/proc/{finder}").exists() and not links & known_links(), timeout=SECONDS)
    expect(Path(f"/proc/{finder}").exists(), False, "the process that attaches is there")
    expect(links & known_links(), set(), "links that are left")


def off(_):
    process = subprocess.Popen([PROGRAM, "--library=off", "--quiet", "--duration=30"], stdin=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: "Seccomp:\t2" in Path(f"/proc/{process.pid}/status").read_text(), timeout=SECONDS)
        expect(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(), "", "children")
        files = [os.readlink(file) for file in Path(f"/proc/{process.pid}/fd").iterdir()]
        expect([file for file in files if "perf_event" in file], [], "probes")
    finally:
        process.terminate()
        expect(process.wait(SECONDS), 0, "exit status")


class Bench:
    def __init__(self, directory, observer):
        self.directory, self.observer, self.peers = directory, observer, Peers(directory)


CASES = {
    "TLS 1.3, not requested": not_requested,
    "TLS 1.3, requested": requested,
    "TLS 1.3, an empty answer": empty_answer,
    "TLS 1.2": version_1_2,
    "HelloRetryRequest": hello_retry,
    "renegotiation": renegotiation,
    "post-handshake authentication": post_handshake,
    "a self-signed client certificate: both ends say why": self_signed_client,
    "no client certificate: both ends say why": client_without_certificate,
    "a client that refuses the server: both ends say why": client_refuses,
    "no common version: both ends say why": no_common_version,
    "an error that the server tolerates: told, and no failure": tolerated_error,
    "a process that lives for one handshake": short_lived,
    "another file under the same name": other_inode,
    "a file that is written over": written_over,
    "another root": other_root,
    "one file by its path": only_path,
    "a path that is no library": refused_path,
    "killed": killed,
    "off": off,
}


def main():
    suite = Suite(sys.argv[1:])
    if os.geteuid() != 0:
        print("SKIP library: needs root")
        return 0
    if not shutil.which("openssl"):
        print("SKIP library: openssl not installed")
        return 0
    with tempfile.TemporaryDirectory(prefix="mtlsnoop-library-") as name:
        certificate(Path(name))
        with Observer("auto") as observer:
            # who attaches begins when it is ready; the host's own library has many places
            wait_until(lambda: observer.attached() > 0, timeout=LOOK_SECONDS)
            bench = Bench(Path(name), observer)
            for case, function in CASES.items():
                suite.run(f"library: {case}", function, bench)
    return 1 if suite.failed else 0


if __name__ == "__main__":
    sys.exit(main())
