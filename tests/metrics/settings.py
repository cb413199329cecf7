#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
The files of --expect and --web-config: what they do, what is refused, and what a reload changes. usage: settings.py [WORD...]
(only the cases with one of the words in their name)

Everything happens in a network namespace of this process and a cgroup of its own, as in run.py.
"""

import base64
import contextlib
import fcntl
import http.client
import json
import os
import resource
import secrets
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import termios
import threading
import time
import warnings
from pathlib import Path

warnings.filterwarnings("ignore", category=DeprecationWarning)  # what is old is what has to be tested

import crypt  # noqa: E402

from run import Bench, check_nothing_lost  # noqa: E402
from harness import PROGRAM, ROOT, Failure, Suite, expect, wait_until  # noqa: E402
from harness.cgroups import own_cgroup  # noqa: E402
from harness.scraped import START_SECONDS, own_network  # noqa: E402
from harness.servers import ADDRESS  # noqa: E402

CAP_DAC_READ_SEARCH = 2  # linux/capability.h
CAPTURES = ROOT / "tests" / "captures" / "own"
PASSWORD = "correct horse"
START_SECONDS = 30  # at most, on a machine that has much else to do
STALLED = 200
CONNECTIONS = 1000

MUTUAL = """\
tls_server_config:
  cert_file: server.pem
  key_file: server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: authority.pem
"""
TLS = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n"


def users(cost="$2b$04$", **passwords):
    """Of the lowest cost, so that the tests need not wait."""
    return "basic_auth_users:\n" + "".join(f"  {name}: {crypt.crypt(password, f'{cost}abcdefghijklmnopqrstuu')}\n"
                                           for name, password in passwords.items())


class Files:
    """A directory like an operator's: root's, and nobody else's to read."""

    def __init__(self, bench, directory):
        self.directory = directory
        directory.chmod(0o700)
        certificates = bench.certificates
        self.copy("server.pem", certificates.server["ecdsa"].certificate)
        self.copy("server.key", certificates.server["ecdsa"].key)
        self.copy("authority.pem", certificates.authority)

    def copy(self, name, source):
        self.write(name, source.read_text())

    def write(self, name, text):
        """As editors and package managers do: the file is another one from then on."""
        path = self.directory / name
        new = path.with_suffix(".new")
        new.write_text(text)
        new.chmod(0o600)
        new.rename(path)
        return path


@contextlib.contextmanager
def files_of(bench):
    with tempfile.TemporaryDirectory() as directory:
        yield Files(bench, Path(directory))


def expired(bench, directory):
    """A certificate of the authority that the server knows, years too old."""
    template = directory / "template"
    template.write_text('cn = "late client"\nactivation_date = "2019-01-01 00:00:00"\n'
                        'expiration_date = "2020-01-01 00:00:00"\nsigning_key\ntls_www_client\n')
    key, certificate = directory / "expired.key", directory / "expired.pem"
    authority = Path(bench.certificates.authority)
    commands = (["certtool", "--generate-privkey", "--ecc", "--outfile", key],
                ["certtool", "--generate-certificate", "--load-privkey", key, "--template", template, "--outfile", certificate,
                 "--load-ca-certificate", authority, "--load-ca-privkey", authority.with_suffix(".key")])
    for command in commands:
        subprocess.run(command, check=True, capture_output=True)
    return certificate, key


class Client:
    """Asks a tracer over TLS."""

    def __init__(self, bench, tracer, certificate=None, key=None, version=None):
        self._tracer = tracer
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.load_verify_locations(bench.certificates.authority)
        self.context.check_hostname = False
        if certificate:
            self.context.load_cert_chain(certificate, key)
        if version:
            self.context.minimum_version = self.context.maximum_version = version

    def get(self, path="/healthz", user=None, password=None, timeout=10):
        """The status; None where there is no answer: TLS was refused, or the connection closed."""
        headers = {}
        if user is not None:
            headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        connection = http.client.HTTPSConnection(ADDRESS, self._tracer.port, timeout=timeout, context=self.context)
        try:
            with contextlib.closing(connection):
                connection.request("GET", path, headers=headers)
                answer = connection.getresponse()
                self.body = answer.read().decode("ascii")
                self.headers = answer.headers
                return answer.status
        except (OSError, http.client.HTTPException) as error:
            self.error = str(error)
            return None

    def peer_certificate(self):
        with socket.create_connection((ADDRESS, self._tracer.port), 5) as connection:
            with self.context.wrap_socket(connection) as tls:
                return tls.getpeercert(True)


def wait_for_port(tracer):
    def open_port():
        if tracer.process.poll() is not None:
            raise Failure(f"mtlsnoop ended with status {tracer.process.returncode}: {tracer.errors().strip()}")
        with contextlib.suppress(OSError), socket.create_connection((ADDRESS, tracer.port), 1):
            return "hooks" if attached(tracer) else None
    if not wait_until(open_port, timeout=START_SECONDS):
        raise Failure(f"does not listen: {tracer.errors().strip()}")


def attached(tracer):
    """The thread that answers is there behind the programs."""
    return len(os.listdir(f"/proc/{tracer.process.pid}/task")) > 1


def reload(tracer):
    tracer.process.send_signal(signal.SIGHUP)


def wait_for_reload(tracer, successful):
    def taken():
        return tracer.metrics().value("mtlsnoop_config_last_reload_successful") == successful
    if not wait_until(taken, timeout=5):
        raise Failure(f"mtlsnoop_config_last_reload_successful is not {successful}: {tracer.errors()}")


def expect_refusal(bench, options, reason):
    with bench.tracer("--quiet", *options) as tracer:
        expect(tracer.process.wait(10), 1, f"{options}: exit status")
        told = tracer.errors()
        expect((reason in told, told.count("\n")), (True, 1), f"{reason} in {told!r}")


def refused_at_the_start(bench):
    with files_of(bench) as files:
        policy = files.write("policy", "# services\n10.0.0.1:443 required\n10.0.0.2:443 allways\n")
        expect_refusal(bench, [f"--expect={policy}"], f"{policy}, line 3: 'allways' is not an expectation")
        missing = files.directory / "missing"
        expect_refusal(bench, [f"--expect={missing}"], f"cannot read {missing}: No such file")
        for text, reason in ((TLS + "  min_version: SSL3\n", "line 4: min_version: 'SSL3' is not known"),
                             ("basic_auth_users:\n  x: plain\n", "line 2: the password of a user is not a bcrypt hash"),
                             (TLS.replace("server.key", "authority.pem"), "cert_file and key_file: "),
                             (TLS.replace("server.key", "other.key"), "other.key: No such file"),
                             (MUTUAL.replace("authority.pem", "server.key"), "client_ca_file: ")):
            web = files.write("web.yml", text)
            expect_refusal(bench, [f"--web-config={web}"], reason)


def policy_counts(bench):
    """What a handshake breaks is counted, and said in its line; resumed and unknown ones break nothing."""
    required, optional, never = (bench.servers[asks] for asks in ("required", "optional", "never"))
    with files_of(bench) as files:
        policy = files.write("policy", f"{optional.service} required\n{never.service} never\n"
                                       f"127.0.0.0/8:{required.port} optional # all of them\n")
        with bench.tracer("--json", f"--expect={policy}", stdout=subprocess.PIPE) as tracer:
            tracer.wait_for_start()
            bench.shake_hands(asks="optional")
            bench.shake_hands("TLSv1.3", asks="optional", has_certificate=False)
            bench.shake_hands(asks="optional", has_certificate=False)
            bench.shake_hands(asks="never")
            bench.shake_hands(asks="required", has_certificate=False)
            metrics = tracer.wait_for_handshakes(5)
            for server, rule, violations, kept in ((optional, "required", 2, 1), (never, "never", 0, 1),
                                                   (required, "optional", 1, 0)):
                for role in ("server", "client"):
                    labels = {"role": role, "service": server.service, "rule": rule}
                    found = tuple(metrics.value(f"mtlsnoop_policy_{what}_total", **labels)
                                  for what in ("violations", "kept", "unjudged"))
                    expect(found, (violations, kept, 0), f"{labels}: violations, kept, unjudged")
            expect(metrics.series("mtlsnoop_policy_lines"), {(("rule", rule),): 1 for rule in
                                                             ("required", "optional", "never")} |
                   {(("rule", "trusted"),): 0}, "lines")
            tracer.stop()
            records = [json.loads(line) for line in tracer.process.stdout]
            expect(sum(record["mtls"]["policy"]["violated"] is True for record in records), 6, "violated in JSON")
            lines = {record["destination"]["port"]: record["mtls"]["policy"]["line"] for record in records}
            expect(lines, {optional.port: 1, never.port: 2, required.port: 3}, "lines in JSON")


def policy_of_a_capture(bench):
    with files_of(bench) as files:
        policy = files.write("policy", "10.1.0.1:443 required\n")
        for name, result, kept, how in (("tls-1.3-declined", "declined, inferred, breaks required", False, "missing"),
                                        ("tls-1.3-presented", "presented, inferred", True, None),
                                        ("tls-1.3-not-requested", "not_requested, inferred, breaks required", False,
                                         "not_requested")):
            done = subprocess.run([PROGRAM, "-r", CAPTURES / f"{name}.pcap", f"--expect={policy}"], capture_output=True,
                                  text=True)
            told = f"mtlsnoop: {policy}: {int(kept)} handshakes as expected, {int(not kept)} broke an expectation, 0 cannot be judged\n"
            if not kept:
                told += f"mtlsnoop: {policy}, line 1: required: broken by 1 handshakes ({how})\n"
            expect((done.returncode, done.stderr), (0 if kept else 3, told), f"{name}: exit status, standard error")
            line = done.stdout.splitlines()[1]
            if f" {result} " not in line:
                raise Failure(f"{name}: {line!r}, expected {result!r}")


def reload_policy(bench):
    """The policy is another one, and nothing else changes: counters, hooks, handshakes that are made meanwhile."""
    server = bench.servers["never"]
    labels = {"role": "server", "service": server.service}
    with files_of(bench) as files:
        policy = files.write("policy", f"{server.service} never\n")
        with bench.tracer("--quiet", f"--expect={policy}") as tracer:
            tracer.wait_for_start()
            bench.shake_hands(asks="never")
            tracer.wait_for_handshakes(1)
            files.write("policy", f"{server.service} sometimes\n")
            reload(tracer)
            wait_for_reload(tracer, 0)
            expect(tracer.errors(), f"mtlsnoop: reload failed: {policy}, line 1: 'sometimes' is not an expectation: trusted, "
                                    "required, optional or never; the previous configuration stays in force\n", "standard error")
            bench.shake_hands(asks="never")
            metrics = tracer.wait_for_handshakes(2)
            expect(metrics.value("mtlsnoop_policy_kept_total", rule="never", **labels), 2, "kept by the old policy")
            files.write("policy", f"{server.service} required\n")
            reload(tracer)
            wait_for_reload(tracer, 1)
            for _ in range(20):
                reload(tracer)
                bench.shake_hands(asks="never")
            metrics = tracer.wait_for_handshakes(22)
            expect(metrics.value("mtlsnoop_policy_kept_total", rule="never", **labels), 2, "kept before")
            expect(metrics.value("mtlsnoop_policy_violations_total", rule="required", **labels), 20, "broken behind")
            check_nothing_lost(metrics)
            expect(metrics.value("mtlsnoop_config_last_reload_successful"), 1, "reloaded")
            expect(tracer.stop(), 0, "exit status")


def reload_host_name(bench):
    """A host name that comes with a reload is looked up, though the process that reads the policy has a filter by then."""
    server = bench.servers["never"]
    labels = {"role": "server", "service": server.service}
    with files_of(bench) as files:
        policy = files.write("policy", ":1 never\n")
        with bench.tracer("--quiet", f"--expect={policy}") as tracer:
            tracer.wait_for_start()
            for _ in range(2):
                files.write("policy", f"localhost:{server.port} required\n")
                reload(tracer)
                taken = wait_until(lambda: tracer.metrics().value("mtlsnoop_policy_lines", rule="required") == 1, timeout=5)
                expect(taken, True, f"reloaded: {tracer.errors()}")
            bench.shake_hands(asks="never")
            metrics = tracer.wait_for_handshakes(1)
            expect(metrics.value("mtlsnoop_policy_violations_total", rule="required", **labels), 1, "broken, by the host's name")
            expect(tracer.stop(), 0, "exit status")
            expect("reload failed" in tracer.errors(), False, tracer.errors())


def children_of(process):
    return Path(f"/proc/{process}/task/{process}/children").read_text().split()


def privileges_of_the_reader(bench):
    """
    The process that reads the files is nobody, and can read all files and do nothing else. Its child, which looks up host names,
    cannot even do that. Both end with the tracer.
    """
    with files_of(bench) as files:
        with bench.tracer("--quiet", f"--expect={files.write('policy', ':1 never')}") as tracer:
            tracer.wait_for_start()
            # the other child looks for processes
            children = children_of(tracer.process.pid)
            expect(len(children), 2, "children")
            [(reader, names)] = [(child, grandchild) for child in children for grandchild in children_of(child)]
            for process, capabilities in ((reader, 1 << CAP_DAC_READ_SEARCH), (names, 0)):
                status = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
                found = {name: status[name].strip() for name in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb", "NoNewPrivs")}
                kept = f"{capabilities:016x}"
                expect(found, {**dict.fromkeys(found, "0" * 16), "CapEff": kept, "CapPrm": kept, "NoNewPrivs": "1"},
                       "of the reader and its child")
                expect(set(status["Uid"].split()), {"65534"}, "uid")
            tracer.process.kill()
            tracer.process.wait()
            gone = wait_until(lambda: not any(Path(f"/proc/{process}").exists() for process in (*children, names)), timeout=5)
            expect(gone, True, "all have ended after SIGKILL")


def mutual_tls(bench):
    good, stranger = bench.certificates.good["ecdsa"], bench.certificates.stranger["ecdsa"]
    with files_of(bench) as files:
        web = files.write("web.yml", MUTUAL)
        late = expired(bench, files.directory)
        with bench.tracer("--quiet", f"--web-config={web}") as tracer:
            wait_for_port(tracer)
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                def status(*pair):
                    return Client(bench, tracer, *pair, version=version).get()
                expect(status(good.certificate, good.key), 200, f"{version.name}: a good certificate")
                expect(status(), None, f"{version.name}: no certificate")
                expect(status(stranger.certificate, stranger.key), None, f"{version.name}: of another authority")
                expect(status(*late), None, f"{version.name}: an expired one")
                server = bench.certificates.server["ecdsa"]
                expect(status(server.certificate, server.key), None, f"{version.name}: one for servers")
            # in TLS 1.3 the client is done before the server is, and may learn of the end while it sends
            for pair, alert in (((), "HANDSHAKE_FAILURE"), ((stranger.certificate, stranger.key), "UNKNOWN_CA"),
                                (late, "CERTIFICATE_EXPIRED")):
                client = Client(bench, tracer, *pair, version=ssl.TLSVersion.TLSv1_2)
                client.get()
                if alert not in client.error:
                    raise Failure(f"{client.error}, expected {alert}")
            old = Client(bench, tracer, good.certificate, good.key, version=ssl.TLSVersion.TLSv1_1)
            old.context.set_ciphers("ALL:@SECLEVEL=0")
            expect(old.get(), None, "TLS 1.1")
            files.write("web.yml", MUTUAL + "  min_version: TLS13\n  curve_preferences: [X25519]\n")
            reload(tracer)
            newest = Client(bench, tracer, good.certificate, good.key)
            newer = Client(bench, tracer, good.certificate, good.key, version=ssl.TLSVersion.TLSv1_2)
            expect(wait_until(lambda: newer.get() is None, timeout=5), True, "TLS 1.2 below min_version")
            expect(newest.get(), 200, "TLS 1.3")
            newest.context.set_ecdh_curve("prime256v1")
            expect(newest.get(), None, "a curve that is not in curve_preferences")
            with socket.create_connection((ADDRESS, tracer.port), 5) as connection:
                connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
                answer = connection.recv(1000)
                expect(b"HTTP" in answer or b"mtlsnoop" in answer, False, f"plain HTTP: {answer}")
            expect(tracer.stop(), 0, "exit status")


def passwords(bench):
    with files_of(bench) as files:
        web = files.write("web.yml", TLS + users(alice=PASSWORD, bob="other"))
        with bench.tracer("--quiet", f"--web-config={web}") as tracer:
            wait_for_port(tracer)
            client = Client(bench, tracer)
            for user, password, status in (("alice", PASSWORD, 200), ("alice", PASSWORD, 200), ("bob", "other", 200),
                                           ("alice", "other", 401), ("alice", "", 401), ("", "", 401),
                                           ("carol", PASSWORD, 401), ("alice", PASSWORD + "x" * 300, 401)):
                for path in ("/metrics", "/healthz", "/", "/nothing"):
                    wanted = 404 if (status, path) == (200, "/nothing") else status
                    expect(client.get(path, user, password), wanted, f"{path} for {user!r}:{password[:20]!r}")
            expect(client.get(), 401, "nobody")
            expect(client.headers["WWW-Authenticate"], 'Basic realm="mtlsnoop", charset="UTF-8"', "WWW-Authenticate")
            expect("mtlsnoop_" in client.body, False, "metrics in a refusal")
            expect(tracer.stop(), 0, "exit status")


def plain_with_users(bench):
    """Users without TLS; SIGTERM while passwords are being checked."""
    with files_of(bench) as files:
        web = files.write("web.yml", users("$2b$12$", alice=PASSWORD))
        with bench.tracer("--quiet", f"--web-config={web}") as tracer:
            wait_for_port(tracer)
            expect(tracer.get()[0], 401, "status")
            wrong = base64.b64encode(b"alice:wrong").decode()
            guesses = [threading.Thread(target=lambda: guess(tracer, wrong), daemon=True) for _ in range(10)]
            for thread in guesses:
                thread.start()
            time.sleep(0.1)
            expect(tracer.stop(timeout=20), 0, "exit status")
            for thread in guesses:
                thread.join(10)


def guess(tracer, credentials):
    with contextlib.suppress(OSError, http.client.HTTPException):
        tracer.get(timeout=10, Authorization=f"Basic {credentials}")


class Guessers:
    """Try passwords as fast as they can, until they are told to stop."""

    def __init__(self, bench, tracer, count):
        self.waited = []  # for each 401, in seconds
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(Client(bench, tracer),), daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def _run(self, client):
        while not self._ended.is_set():
            begun = time.monotonic()
            status = client.get("/metrics", secrets.choice(("alice", "carol")), secrets.token_hex(4))
            if status == 200:
                raise Failure("a password was guessed")
            if status == 401:
                self.waited.append(time.monotonic() - begun)

    def stop(self):
        self._ended.set()
        for thread in self._threads:
            thread.join(20)


def guessed_passwords(bench):
    """Who guesses does not keep out who knows: neither scrapes nor the events wait for bcrypt."""
    with files_of(bench) as files:
        # of an ordinary cost: a tenth of a second and more
        web = files.write("web.yml", TLS + users("$2b$10$", alice=PASSWORD))
        with bench.tracer("--quiet", f"--web-config={web}") as tracer:
            wait_for_port(tracer)
            client = Client(bench, tracer)
            expect(client.get("/metrics", "alice", PASSWORD), 200, "the first time")
            memory = int(tracer.status("VmRSS"))
            guessers = Guessers(bench, tracer, 10)
            waited = []
            try:
                for _ in range(20):
                    bench.shake_hands("TLSv1.2", asks="never")
                    begun = time.monotonic()
                    expect(client.get("/metrics", "alice", PASSWORD), 200, "a scrape")
                    waited.append(time.monotonic() - begun)
                    time.sleep(0.1)
            finally:
                guessers.stop()
            if not guessers.waited:
                raise Failure("no password was tried")
            # by half of them: a busy machine may hold up any of them for long
            scrape, guessed = statistics.median(waited), statistics.median(guessers.waited)
            if scrape > guessed / 2:
                raise Failure(f"a scrape took {scrape:.2f} s, a guess {guessed:.2f} s")
            grown = int(tracer.status("VmRSS")) - memory
            if grown > 8 * 1024:
                raise Failure(f"memory has grown by {grown} KB")
            expect(client.get("/healthz", "alice", PASSWORD), 200, "/healthz")
            expect(tracer.stop(), 0, "exit status")


def flooded_with_passwords(bench):
    """Hundreds who send a password and do not wait for what comes of it: who is known still finds a connection."""
    with files_of(bench) as files:
        web = files.write("web.yml", users("$2b$10$", alice=PASSWORD))
        request = (b"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Basic " + base64.b64encode(b"alice:wrong") +
                   b"\r\n\r\n")
        right = "Basic " + base64.b64encode(f"alice:{PASSWORD}".encode()).decode()
        with bench.tracer("--quiet", f"--web-config={web}") as tracer:
            wait_for_port(tracer)
            expect(tracer.get(Authorization=right)[0], 200, "the first time")
            waited = []
            for _ in range(10):
                with contextlib.ExitStack() as stack:
                    for _ in range(100):
                        stack.enter_context(socket.create_connection((ADDRESS, tracer.port), 5)).send(request)
                    begun = time.monotonic()
                    expect(tracer.get(Authorization=right, timeout=10)[0], 200, "a scrape")
                    waited.append(time.monotonic() - begun)
            if statistics.median(waited) > 3:
                raise Failure(f"scrapes took {', '.join(f'{seconds:.1f}' for seconds in waited)} s")
            expect(tracer.stop(), 0, "exit status")


def stalled_handshakes(bench):
    """Who begins a TLS handshake and stops in it is ended in time, and keeps nobody out."""
    with files_of(bench) as files:
        web = files.write("web.yml", MUTUAL)
        pair = bench.certificates.good["ecdsa"]
        with bench.tracer("--quiet", f"--web-config={web}") as tracer:
            wait_for_port(tracer)
            client = Client(bench, tracer, pair.certificate, pair.key)
            expect(client.get(), 200, "/healthz")
            memory = int(tracer.status("VmRSS"))
            begun = time.monotonic()
            stalled = [socket.create_connection((ADDRESS, tracer.port), 5) for _ in range(STALLED)]
            # half a record, nothing, a record that is never ended byte by byte
            for index, connection in enumerate(stalled):
                with contextlib.suppress(OSError):
                    connection.sendall((b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"", b"\x16")[index % 3])
            for _ in range(5):
                expect(client.get(), 200, "/healthz among stalled handshakes")
            grown = int(tracer.status("VmRSS")) - memory
            if grown > 16 * 1024:
                raise Failure(f"memory has grown by {grown} KB")
            descriptors = len(os.listdir(f"/proc/{tracer.process.pid}/fd"))
            if descriptors > 70:
                raise Failure(f"{descriptors} files are open")
            for connection in stalled:
                connection.settimeout(max(0.1, 14 - (time.monotonic() - begun)))
                with contextlib.suppress(ConnectionError):
                    while connection.recv(100):
                        pass
                connection.close()
            expect(tracer.stop(), 0, "exit status")


def thousand_connections(bench):
    with files_of(bench) as files:
        web = files.write("web.yml", MUTUAL)
        pair = bench.certificates.good["ecdsa"]
        with bench.tracer("--quiet", f"--web-config={web}") as tracer:
            wait_for_port(tracer)
            client = Client(bench, tracer, pair.certificate, pair.key)
            expect(client.get(), 200, "/healthz")
            memory, descriptors = int(tracer.status("VmRSS")), len(os.listdir(f"/proc/{tracer.process.pid}/fd"))
            with contextlib.ExitStack() as stack:
                for _ in range(CONNECTIONS):
                    stack.enter_context(socket.create_connection((ADDRESS, tracer.port), 5)).send(b"\x16\x03\x01")
                expect(client.get(), 200, "/healthz among a thousand connections")
            answered = sum(client.get() == 200 for _ in range(20))
            expect(answered, 20, "answers")
            grown = int(tracer.status("VmRSS")) - memory
            if grown > 8 * 1024:
                raise Failure(f"memory has grown by {grown} KB")
            left = wait_until(lambda: len(os.listdir(f"/proc/{tracer.process.pid}/fd")) <= descriptors, timeout=15)
            expect(left, True, "files are closed again")
            expect(tracer.stop(), 0, "exit status")


def reload_web(bench):
    """Certificate, users and authorities are others for the next connection; TLS itself stays what it is."""
    with files_of(bench) as files:
        web = files.write("web.yml", TLS + users(alice=PASSWORD))
        with bench.tracer("--quiet", f"--web-config={web}") as tracer:
            wait_for_port(tracer)
            client = Client(bench, tracer)

            def scrape(user):
                return client.get("/metrics", user, PASSWORD)

            def until(user, status):
                expect(wait_until(lambda: scrape(user) == status, timeout=5), True, f"{user} gets {status}")

            expect((scrape("alice"), scrape("bob")), (200, 401), "at the start")
            first = client.peer_certificate()
            files.copy("server.pem", bench.certificates.server["rsa"].certificate)
            reload(tracer)
            told = wait_until(lambda: "cert_file and key_file" in tracer.errors(), timeout=5)
            expect(told, True, f"a certificate without its key: {tracer.errors()}")
            expect((client.peer_certificate() == first, scrape("alice")), (True, 200), "what was refused changes nothing")
            files.copy("server.key", bench.certificates.server["rsa"].key)
            files.write("web.yml", TLS + users(bob=PASSWORD))
            reload(tracer)
            until("bob", 200)
            expect((client.peer_certificate() == first, scrape("alice")), (False, 401), "another certificate, other users")
            files.write("web.yml", users(bob=PASSWORD))
            reload(tracer)
            told = wait_until(lambda: "TLS cannot be turned on or off" in tracer.errors(), timeout=5)
            expect(told, True, f"TLS is turned off: {tracer.errors()}")
            expect(scrape("bob"), 200, "it is still TLS")
            (files.directory / "web.yml").unlink()
            reload(tracer)
            told = wait_until(lambda: "cannot read" in tracer.errors(), timeout=5)
            expect(told, True, f"the file is gone: {tracer.errors()}")
            files.write("web.yml", MUTUAL)
            reload(tracer)
            expect(wait_until(lambda: scrape("bob") is None, timeout=5), True, "a certificate is wanted now")
            pair = bench.certificates.good["ecdsa"]
            expect(Client(bench, tracer, pair.certificate, pair.key).get(), 200, "with a certificate")
            expect(tracer.stop(), 0, "exit status")


def hang_up_of_nothing(bench):
    """Without files SIGHUP does nothing where there is no terminal to close: a service manager's reload stops no service."""
    command = [PROGRAM, "--quiet", "--library=off", f"--metrics={ADDRESS}:9813", f"--cgroup={bench.cgroup}"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                               start_new_session=True)
    try:
        def listens():
            with contextlib.suppress(OSError), socket.create_connection((ADDRESS, 9813), 1):
                return True
        expect(wait_until(listens, timeout=START_SECONDS), True, "it listens")
        process.send_signal(signal.SIGHUP)
        with contextlib.suppress(subprocess.TimeoutExpired):
            raise Failure(f"it ended with {process.wait(1)}")
        process.send_signal(signal.SIGTERM)
        expect(process.wait(10), 0, "exit status")
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@contextlib.contextmanager
def on_a_terminal(bench, *options):
    """mtlsnoop as who starts it by hand has it: yields the process, and the other end of its terminal."""
    master, slave = os.openpty()

    def take_terminal():
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    command = [PROGRAM, "--quiet", "--library=off", f"--metrics={ADDRESS}:9813", f"--cgroup={bench.cgroup}", *options]
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=subprocess.DEVNULL, start_new_session=True,
                               preexec_fn=take_terminal)
    os.close(slave)
    terminal = os.fdopen(master, "rb", buffering=0)
    try:
        listens = wait_until(lambda: len(os.listdir(f"/proc/{process.pid}/task")) > 1, timeout=START_SECONDS)
        expect(listens, True, "it has started")
        yield process, terminal
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        terminal.close()


def terminal_closed(bench):
    """SIGHUP of a terminal that is closed ends it, files or none; one by hand ends it only where there are none."""
    with files_of(bench) as files:
        policy = files.write("policy", ":1 never\n")
        with on_a_terminal(bench, f"--expect={policy}") as (process, terminal):
            process.send_signal(signal.SIGHUP)
            with contextlib.suppress(subprocess.TimeoutExpired):
                raise Failure(f"a reload ended it with {process.wait(1)}")
            terminal.close()
            expect(process.wait(10), 0, "exit status behind the terminal")
        with on_a_terminal(bench) as (process, terminal):
            process.send_signal(signal.SIGHUP)
            expect(process.wait(10), -signal.SIGHUP, "exit status without files")


CASES = (("settings: refused at the start", refused_at_the_start),
         ("policy: counts, JSON", policy_counts),
         ("policy: of a capture", policy_of_a_capture),
         ("reload: a policy, while handshakes go on", reload_policy),
         ("reload: a policy with a host name", reload_host_name),
         ("reload: privileges of the process that reads", privileges_of_the_reader),
         ("reload: certificate, users, authorities", reload_web),
         ("reload: of nothing", hang_up_of_nothing),
         ("reload: not by a terminal that is closed", terminal_closed),
         ("web: certificates of clients", mutual_tls),
         ("web: passwords", passwords),
         ("web: passwords without TLS, and stopped meanwhile", plain_with_users),
         ("web: passwords are guessed", guessed_passwords),
         ("web: a flood of passwords", flooded_with_passwords),
         ("web: stalled handshakes", stalled_handshakes),
         ("web: a thousand connections", thousand_connections))


def main():
    if os.geteuid() != 0:
        print("SKIP settings: network namespaces and BPF want root")
        return 0
    suite = Suite(sys.argv[1:])
    resource.setrlimit(resource.RLIMIT_NOFILE, (2 * CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        own_network()
        with contextlib.ExitStack() as stack:
            bench = Bench(stack, stack.enter_context(own_cgroup()))
            for name, case in CASES:
                suite.run(name, case, bench)
    except Exception as error:
        print(f"FAIL settings: {type(error).__name__}: {error}", flush=True)
        return 1
    return 1 if suite.failed else 0


if __name__ == "__main__":
    sys.exit(main())
