#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
What TLS libraries tell, in the record: OpenSSL on loopback, the program with its probes, and each record held against what
was done: which process, which evidence, which certificate.

One tracer sees all cases; each has a port of its own, which tells its records from those of others.
"""

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = ROOT / "build" / "mtlsnoop"
START_SECONDS = 30
RECORD_SECONDS = 30
FAILURES = []


def report(name, why):
    """why: None where all is as it should be."""
    print(f"PASS {name}" if why is None else f"FAIL {name}: {why}", flush=True)
    if why is not None:
        FAILURES.append(name)


def differences(actual, expected):
    """What of the fields expected is otherwise; None where nothing is."""
    wrong = [f"{key} is {actual.get(key)!r}, expected {value!r}" for key, value in expected.items()
             if actual.get(key) != value]
    return "; ".join(wrong) or None


class Certificates:
    """A CA, what it signed, and a stranger's."""

    def __init__(self, directory):
        self.directory = directory
        self._self_signed("ca", "/CN=Join CA")
        self._signed("server", "/CN=localhost")
        self._signed("client", "/O=Join/CN=alice")
        self._self_signed("stranger", "/CN=mallory")

    def path(self, name):
        return str(self.directory / name)

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.directory, check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _self_signed(self, name, subject):
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3",
                      "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", subject)

    def _signed(self, name, subject):
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key",
                      "-out", f"{name}.csr", "-subj", subject)
        self._openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "3", "-out",
                      f"{name}.pem")

    def subject(self, name):
        """As openssl says it, in RFC 2253's form, which RFC 4514 took over."""
        line = subprocess.run(["openssl", "x509", "-in", self.path(f"{name}.pem"), "-noout", "-subject", "-nameopt",
                               "RFC2253"], check=True, capture_output=True, text=True).stdout
        return line.strip().removeprefix("subject=")

    def sha256(self, name):
        line = subprocess.run(["openssl", "x509", "-in", self.path(f"{name}.pem"), "-noout", "-fingerprint", "-sha256"],
                              check=True, capture_output=True, text=True).stdout
        return line.strip().split("=")[1].replace(":", "")


class Tracer:
    """The program, and what it printed so far."""

    def __init__(self, *arguments):
        self.lines = []
        self._changed = threading.Condition()
        self.process = subprocess.Popen([str(PROGRAM), "-j", *arguments], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(json.loads(line))
                self._changed.notify_all()

    def records(self, port, wanted, count):
        """The records of the server's port that are wanted, as soon as there are so many."""
        deadline = time.monotonic() + RECORD_SECONDS
        with self._changed:
            while True:
                found = [line for line in self.lines if line["destination"]["port"] == port and wanted(line)]
                left = deadline - time.monotonic()
                if len(found) >= count or left <= 0:
                    return found
                self._changed.wait(left)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        errors = self.process.stderr.read()
        status = self.process.wait(30)
        self._reader.join(30)
        return status, errors


def fields(record):
    """What the cases look at."""
    client = record["tls"].get("client", {})
    return {
        "role": record["mtls"]["role"],
        "client_auth": record["mtls"]["client_auth"],
        "requested": record["mtls"]["requested"],
        "answer": record["mtls"].get("answer", "?"),
        "evidence": record["mtls"]["evidence"],
        "conflict": record["mtls"].get("conflict", False),
        "library": record["mtls"].get("library", ""),
        "renegotiation": record["mtls"].get("renegotiation", False),
        "post_handshake": record["mtls"].get("post_handshake", False),
        "resumed": record["tls"]["resumed"],
        "established": record["tls"]["established"],
        "pid": record.get("process", {}).get("pid"),
        "name": record.get("process", {}).get("name"),
        "subject": client.get("subject"),
        "sha256": client.get("hash", {}).get("sha256"),
    }


def is_first(record):
    return not record["mtls"].get("renegotiation") and not record["mtls"].get("post_handshake")


def is_later(record):
    return not is_first(record)


class OpensslServer:
    """s_server, on a port that the kernel chose: it says which once it listens."""

    def __init__(self, certificates, *arguments):
        # a file: nobody would read a pipe
        with tempfile.TemporaryFile() as said:
            self.process = subprocess.Popen(
                ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", certificates.path("server.pem"), "-key",
                 certificates.path("server.key"), *arguments], stdin=subprocess.PIPE, stdout=said,
                stderr=subprocess.STDOUT)
            self.port = self._wait_for_port(said.fileno())

    def _wait_for_port(self, said):
        deadline = time.monotonic() + START_SECONDS
        while True:
            text = os.pread(said, 65536, 0)
            port = re.search(rb"^ACCEPT 127\.0\.0\.1:(\d+)$", text, re.MULTILINE)
            if port:
                return int(port[1])
            if time.monotonic() > deadline or self.process.poll() is not None:
                self.stop()
                raise RuntimeError(f"openssl s_server does not listen: {text.decode(errors='replace')}")
            time.sleep(0.02)

    def stop(self):
        self.process.kill()
        self.process.wait()


class OpensslClient:
    """s_client, which goes on until the handshake is over, or it ended."""

    def __init__(self, port, *arguments, close=True):
        self.process = subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *arguments],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.pid = self.process.pid
        said = b""
        while b"Verify return code" not in said:
            read = os.read(self.process.stdout.fileno(), 4096)
            if not read:
                break
            said += read
        if close:
            self.close()

    def wait(self):
        """Until the server has ended it: a client that leaves first was not refused."""
        while os.read(self.process.stdout.fileno(), 4096):
            pass
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(20)

    def close(self):
        try:
            self.process.communicate(b"Q\n", timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def expected_of(certificates, asks, has):
    """What TLS says, and openssl does: -Verify with -verify_return_error turns strangers and the empty-handed away."""
    if asks == "no":
        return {"client_auth": "not_requested", "requested": False, "answer": None}
    expected = {"requested": True, "answer": "empty" if has == "none" else "certificate"}
    if has != "none":
        expected["subject"] = certificates.subject(has)
        expected["sha256"] = certificates.sha256(has)
    if asks == "required" and has == "none":
        expected["client_auth"] = "rejected_without_certificate"
    elif has == "stranger":
        expected["client_auth"] = "rejected_certificate"
    else:
        expected["client_auth"] = "declined" if has == "none" else "presented"
    return expected


def check_roles(name, tracer, server_port, server_pid, client_pid, expected, wanted=is_first):
    """A record of each role, with the process of that role."""
    records = [fields(record) for record in tracer.records(server_port, wanted, 2)]
    if sorted(record["role"] for record in records) != ["client", "server"]:
        report(name, f"records of the roles {[record['role'] for record in records]}, expected one of each")
        return
    for record in records:
        pid = server_pid if record["role"] == "server" else client_pid
        report(f"{name}, {record['role']}", differences(record, {**expected, "pid": pid, "conflict": False}))


def matrix_cases(tracer, certificates, version):
    """Not asked, asked, required; with none, one that the CA signed, a stranger's."""
    asks = {
        "no": [],
        "optional": ["-verify", "3", "-verify_return_error", "-CAfile", certificates.path("ca.pem")],
        "required": ["-Verify", "3", "-verify_return_error", "-CAfile", certificates.path("ca.pem")],
    }
    for ask, arguments in asks.items():
        server = OpensslServer(certificates, "-" + version, *arguments)
        try:
            for has in ("none", "client", "stranger"):
                matrix_case(tracer, certificates, version, server, (ask, has))
                server.stop()
                server = OpensslServer(certificates, "-" + version, *arguments)
        finally:
            server.stop()


def matrix_case(tracer, certificates, version, server, case):
    ask, has = case
    identity = [] if has == "none" else ["-cert", certificates.path(f"{has}.pem"), "-key", certificates.path(f"{has}.key")]
    expected = {**expected_of(certificates, ask, has), "library": openssl_name(),
                "evidence": "library" if version == "tls1_3" else "cleartext"}
    rejected = expected["client_auth"].startswith("rejected")
    client = OpensslClient(server.port, *identity, close=not rejected)
    if rejected:
        client.wait()
    # a server that refuses up to TLS 1.2 has not hashed anything yet
    if rejected and version == "tls1_2":
        del expected["library"]
    check_roles(f"{version} asked {ask}, has {has}", tracer, server.port, server.process.pid, client.pid, expected)


def openssl_name():
    words = subprocess.run(["openssl", "version"], check=True, capture_output=True, text=True).stdout.split()
    return f"OpenSSL {words[1]}"


def retry_case(tracer, certificates):
    """A group that the client offers no share of: HelloRetryRequest."""
    server = OpensslServer(certificates, "-tls1_3", "-groups", "P-384", "-Verify", "3", "-CAfile",
                           certificates.path("ca.pem"))
    try:
        client = OpensslClient(server.port, "-groups", "P-256:P-384", "-cert", certificates.path("client.pem"), "-key",
                               certificates.path("client.key"))
        check_roles("HelloRetryRequest", tracer, server.port, server.process.pid, client.pid,
                    {**expected_of(certificates, "required", "client"), "evidence": "library"})
    finally:
        server.stop()


def padding_case(tracer, certificates):
    """Records padded to a block: lengths say nothing, the library does."""
    server = OpensslServer(certificates, "-tls1_3", "-verify", "3", "-CAfile", certificates.path("ca.pem"))
    try:
        client = OpensslClient(server.port, "-record_padding", "4096")
        check_roles("padded records", tracer, server.port, server.process.pid, client.pid,
                    {"client_auth": "declined", "requested": True, "answer": "empty", "evidence": "library"})
    finally:
        server.stop()


def wait_for_session(path):
    """The server sends its tickets behind the handshake (RFC 8446 section 4.6.1), whenever it comes to it."""
    deadline = time.monotonic() + RECORD_SECONDS
    while not (os.path.exists(path) and "END SSL SESSION" in Path(path).read_text()):
        if time.monotonic() > deadline:
            raise RuntimeError("the client got no session to resume")
        time.sleep(0.02)


def early_data_case(tracer, certificates):
    """0-RTT that is taken: the second handshake resumes the first one's session."""
    session = certificates.path("session.pem")
    early = certificates.path("early.txt")
    Path(early).write_text("early\n")
    server = OpensslServer(certificates, "-tls1_3", "-early_data")
    try:
        first = OpensslClient(server.port, "-tls1_3", "-sess_out", session, close=False)
        wait_for_session(session)
        first.close()
        check_roles("0-RTT, first", tracer, server.port, server.process.pid, first.pid,
                    {"client_auth": "not_requested", "evidence": "library"})
        OpensslClient(server.port, "-tls1_3", "-sess_in", session, "-early_data", early)
        records = [fields(record) for record in tracer.records(server.port, is_first, 4)[2:]]
        for record in records:
            report(f"0-RTT, second, {record['role']}",
                   differences(record, {"client_auth": "resumed", "resumed": True, "requested": False,
                                        "conflict": False}))
        if len(records) != 2:
            report("0-RTT, second", f"{len(records)} records, expected 2")
    finally:
        server.stop()


def renegotiation_case(tracer, certificates):
    """TLS 1.2: s_server asks when it is told to (R), and the client answers."""
    # without a session to resume: a resumed handshake asks for nothing
    server = OpensslServer(certificates, "-tls1_2", "-no_ticket", "-no_cache", "-CAfile", certificates.path("ca.pem"))
    try:
        client = OpensslClient(server.port, "-tls1_2", "-cert", certificates.path("client.pem"), "-key",
                               certificates.path("client.key"), close=False)
        check_roles("before renegotiation", tracer, server.port, server.process.pid, client.pid,
                    {"client_auth": "not_requested", "evidence": "cleartext"})
        server.process.stdin.write(b"R\n")
        server.process.stdin.flush()
        check_roles("renegotiation", tracer, server.port, server.process.pid, client.pid,
                    {**expected_of(certificates, "optional", "client"), "evidence": "library", "renegotiation": True,
                     "library": openssl_name()}, is_later)
        client.close()
    finally:
        server.stop()


PYTHON_SERVER = """
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
context.load_verify_locations(sys.argv[3])
context.post_handshake_auth = True
context.verify_mode = ssl.CERT_OPTIONAL
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
connection, address = listener.accept()
connection = context.wrap_socket(connection, server_side=True)
for request in range(2):
    connection.recv(100)
    connection.verify_client_post_handshake()
    connection.sendall(b"asked")
connection.recv(100)
connection.close()
"""


def post_handshake_case(tracer, certificates, has):
    """Python's ssl: the server asks twice behind the handshake."""
    server = subprocess.Popen([sys.executable, "-c", PYTHON_SERVER, certificates.path("server.pem"),
                               certificates.path("server.key"), certificates.path("ca.pem")], stdout=subprocess.PIPE)
    port = int(server.stdout.readline())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.post_handshake_auth = True
    if has == "client":
        context.load_cert_chain(certificates.path("client.pem"), certificates.path("client.key"))
    try:
        with context.wrap_socket(socket.create_connection(("127.0.0.1", port))) as connection:
            for _ in range(2):
                connection.sendall(b"ask me")
                connection.recv(100)
            connection.sendall(b"done")
            connection.recv(100)
    finally:
        server.wait(20)
        server.stdout.close()
    check_post_handshake(tracer, certificates, port, (server.pid, has))


def check_post_handshake(tracer, certificates, port, case):
    pid, has = case
    expected = expected_of(certificates, "optional", has)
    check_roles(f"before post-handshake authentication, has {has}", tracer, port, pid, os.getpid(),
                {"client_auth": "not_requested", "evidence": "library"})
    records = [fields(record) for record in tracer.records(port, is_later, 4)]
    servers = [record for record in records if record["role"] == "server"]
    clients = [record for record in records if record["role"] == "client"]
    if len(servers) != 2 or len(clients) != 2:
        report(f"post-handshake authentication, has {has}", f"{len(servers)} records of the server and {len(clients)} of the "
               "client, expected 2 of each")
    for number, record in enumerate(servers):
        report(f"post-handshake authentication {number + 1}, has {has}, server",
               differences(record, {**expected, "pid": pid, "evidence": "library", "post_handshake": True,
                                    "established": True}))
    # whether the server took the answer its library alone knows
    for number, record in enumerate(clients):
        report(f"post-handshake authentication {number + 1}, has {has}, client",
               differences(record, {**expected, "client_auth": "unknown", "pid": os.getpid(), "evidence": "library",
                                    "post_handshake": True, "established": None}))


def pid_case(certificates):
    """-p: only the handshakes of one of two servers, each record by its process."""
    servers = [OpensslServer(certificates, "-tls1_3") for _ in range(2)]
    tracer = Tracer("-p", str(servers[0].process.pid))
    try:
        if not warm_up(tracer, certificates, servers[0]):
            report("--pid", "the program saw no handshake")
            return
        for server in servers:
            OpensslClient(server.port)
        records = tracer.records(servers[0].port, is_first, 2)
        others = [record for record in tracer.lines if record["destination"]["port"] != servers[0].port]
        roles = {record["mtls"]["role"] for record in records}
        report("--pid", None if not others and roles == {"server"} else
               f"roles {sorted(roles)} and {len(others)} records of others, expected the server's alone")
    finally:
        tracer.stop()
        for server in servers:
            server.stop()


def warm_up(tracer, certificates, server=None):
    """Handshakes until one was told, and of a library: then the probes are there."""
    own = server or OpensslServer(certificates, "-tls1_3")
    deadline = time.monotonic() + START_SECONDS
    try:
        while time.monotonic() < deadline and tracer.process.poll() is None:
            OpensslClient(own.port)
            time.sleep(0.3)
            if any(record["destination"]["port"] == own.port and record["mtls"]["evidence"] == "library"
                   for record in list(tracer.lines)):
                return True
    finally:
        if not server:
            own.stop()
    return False


def run(tracer, certificates):
    matrix_cases(tracer, certificates, "tls1_3")
    matrix_cases(tracer, certificates, "tls1_2")
    retry_case(tracer, certificates)
    padding_case(tracer, certificates)
    early_data_case(tracer, certificates)
    renegotiation_case(tracer, certificates)
    for has in ("none", "client"):
        post_handshake_case(tracer, certificates, has)


def main():
    if os.geteuid() != 0 or not shutil.which("openssl"):
        print("SKIP library/join: it needs root and openssl")
        return 0
    with tempfile.TemporaryDirectory(prefix=f"mtlsnoop-join-{os.getpid()}-") as directory:
        certificates = Certificates(Path(directory))
        tracer = Tracer("--handshake-timeout", "5")
        try:
            if warm_up(tracer, certificates):
                run(tracer, certificates)
            elif tracer.process.poll() is None:
                print("SKIP library/join: the probes do not attach here")
                return 0
        finally:
            status, errors = tracer.stop()
        report("exit status", None if status == 0 else f"{status}: {errors.strip()}")
        pid_case(certificates)
    return 1 if FAILURES else 0


if __name__ == "__main__":
    sys.exit(main())
