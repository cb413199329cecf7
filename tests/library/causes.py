#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
The cause of each failure lands on the record of its own connection: 200 handshakes at once, half of which fail in six ways, at
a server that serves all of them in one thread (asyncio), at one with a pool of threads, and at one nginx worker. The client's
port tells which way a connection was meant to go. Needs root, certtool and OpenSSL below Python. usage: causes.py [WORD...]
"""

import concurrent.futures
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))

from harness.cases import Failure, Skip, Suite, expect, wait_until  # noqa: E402
from harness.tracer import Tracer  # noqa: E402

HANDSHAKES = 200
AT_ONCE = 200
SECONDS = 20

EVENT_DRIVEN = """
import asyncio, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.minimum_version = ssl.TLSVersion.TLSv1_3
context.load_cert_chain(sys.argv[1], sys.argv[2])
context.load_verify_locations(sys.argv[3])
context.verify_mode = ssl.CERT_REQUIRED
async def serve(reader, writer):
    try:
        writer.write(b"hello")
        await reader.read(100)
        writer.close()
    except OSError:
        pass
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[4]), ssl=context, backlog=512)
    print("ready", flush=True)
    await server.serve_forever()
asyncio.run(main())
"""

THREAD_POOL = """
import concurrent.futures, socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.minimum_version = ssl.TLSVersion.TLSv1_3
context.load_cert_chain(sys.argv[1], sys.argv[2])
context.load_verify_locations(sys.argv[3])
context.verify_mode = ssl.CERT_REQUIRED
def serve(connection):
    try:
        connection.settimeout(10)
        with context.wrap_socket(connection, server_side=True) as tls:
            tls.send(b"hello")
            tls.recv(100)
    except OSError:
        connection.close()
listener = socket.create_server(("127.0.0.1", int(sys.argv[4])), backlog=512)
print("ready", flush=True)
with concurrent.futures.ThreadPoolExecutor(16) as pool:
    while True:
        pool.submit(serve, listener.accept()[0])
"""

NGINX = """
daemon off; worker_processes 1; error_log stderr crit; pid {directory}/nginx.pid;
events {{ worker_connections 2048; }}
http {{ access_log off; client_body_temp_path {directory}; proxy_temp_path {directory}; fastcgi_temp_path {directory};
uwsgi_temp_path {directory}; scgi_temp_path {directory};
server {{ listen 127.0.0.1:{port} ssl backlog=512; ssl_protocols TLSv1.3; ssl_certificate {certificate}; ssl_certificate_key {key};
ssl_client_certificate {authority}; ssl_verify_client on; return 200 hello; }} }}
"""

# way: (reason and end at the server, reason and end at the client, verification of the client's certificate at the server)
WAYS = {
    "good": (None, None, "ok"),
    "none": (("certificate_required", "server"), ("certificate_required", "server"), None),
    "expired": (("certificate_expired", "server"), ("certificate_expired", "server"), "certificate_expired"),
    "self_signed": (("self_signed", "server"), ("unknown_ca", "server"), "self_signed"),
    "purpose": (("certificate_purpose", "server"), ("certificate_purpose", "server"), "certificate_purpose"),
    "refuses": (("unknown_ca", "client"), ("unknown_ca", "client"), None),
    "version": (("unsupported_version", "server"), ("unsupported_version", "server"), None),
}
# nginx completes the handshake whatever the certificate is, and answers 400
TOLERATED = {"none": None, "expired": "certificate_expired", "self_signed": "self_signed", "purpose": "certificate_purpose"}


def certtool(*arguments):
    subprocess.run(["certtool", *map(str, arguments)], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


class Certificates:
    """An authority, a server, and clients of each kind."""

    def __init__(self, directory):
        self.directory = directory
        self._make("authority", "ca\ncert_signing_key\n", authority=None)
        self._make("server", "tls_www_server\nsigning_key\ndns_name = localhost\n")
        self._make("good", "tls_www_client\nsigning_key\n")
        self._make("expired", 'tls_www_client\nsigning_key\nactivation_date = "2019-01-01 00:00:00"\n'
                              'expiration_date = "2020-01-01 00:00:00"\n')
        self._make("self_signed", "tls_www_client\nsigning_key\n", authority=None)
        self._make("purpose", "tls_www_server\nsigning_key\n")

    def _make(self, name, template, authority="authority"):
        path = self.directory / f"{name}.template"
        days = "" if "activation_date" in template else "expiration_days = 2\n"
        path.write_text(f"cn = {name}\n{days}{template}")
        certtool("--generate-privkey", "--ecc", "--outfile", self.key(name))
        signer = ("--generate-certificate", "--load-ca-certificate", self.certificate(authority), "--load-ca-privkey",
                  self.key(authority)) if authority else ("--generate-self-signed",)
        certtool(*signer, "--load-privkey", self.key(name), "--template", path, "--outfile", self.certificate(name))

    def certificate(self, name):
        return self.directory / f"{name}.crt"

    def key(self, name):
        return self.directory / f"{name}.key"


def client_context(certificates, way):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    trusted = "self_signed" if way == "refuses" else "authority"
    context.load_verify_locations(certificates.certificate(trusted))
    if way in ("good", "refuses", "version"):
        context.load_cert_chain(certificates.certificate("good"), certificates.key("good"))
    elif way != "none":
        context.load_cert_chain(certificates.certificate(way), certificates.key(way))
    if way == "version":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def visit(context, port, asks):
    """One handshake; returns the client's port. A client that asks nothing leaves nothing unread, for which TCP sends RST."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
    own = connection.getsockname()[1]
    try:
        with context.wrap_socket(connection, server_hostname="localhost") as tls:
            if asks:
                tls.send(b"GET / HTTP/1.0\r\n\r\n")
            tls.recv(100)
    except OSError:
        connection.close()
    return own


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def start_python(source):
    def start(certificates, port):
        process = subprocess.Popen([sys.executable, "-c", source, certificates.certificate("server"), certificates.key("server"),
                                    certificates.certificate("authority"), str(port)], stdout=subprocess.PIPE, text=True)
        expect(process.stdout.readline(), "ready\n", "first line of the server")
        return process
    return start


def start_nginx(certificates, port):
    program = next((path for path in (Path("build/stacks/usr/sbin/nginx").absolute(), Path("/usr/sbin/nginx"))
                    if os.access(path, os.X_OK)), None)
    if not program:
        raise Skip("nginx is not there")
    directory = certificates.directory
    (directory / "nginx.conf").write_text(NGINX.format(
        directory=directory, port=port, certificate=certificates.certificate("server"), key=certificates.key("server"),
        authority=certificates.certificate("authority")))
    process = subprocess.Popen([program, "-p", directory, "-c", directory / "nginx.conf", "-e", "stderr"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def listens():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0
    if not wait_until(listens):
        process.kill()
        raise Failure("nginx does not listen")
    return process


def expected_of(way, role, server_kind):
    server, client, verified = WAYS[way]
    if server_kind.tolerant and way in TOLERATED:
        server, client, verified = None, None, TOLERATED[way]
    if server_kind.silent and client and client[1] == "server":
        client = ("closed", "server")
    return (server, verified) if role == "server" else (client, "unknown_ca" if way == "refuses" else None if way == "version" else "ok")


def cause_of(record):
    mtls = record["mtls"]
    failure, role = mtls["failure"], mtls["role"]
    verified = mtls["verification"]["client" if role == "server" else "server"]
    return (failure and (failure["reason"], failure["by"]), verified and verified["result"])


@dataclass(frozen=True)
class Kind:
    start: object
    asks: bool = False      # the client speaks first
    tolerant: bool = False  # completes the handshake whatever the certificate is
    silent: bool = False    # closes without its alert


def causes(certificates, kind):
    ways = ["good"] * (HANDSHAKES // 2) + [way for _ in range(HANDSHAKES) for way in WAYS if way != "good"][:HANDSHAKES // 2]
    random.Random(1).shuffle(ways)
    contexts = {way: client_context(certificates, way) for way in WAYS}
    port = free_port()
    with Tracer("--json", "-P", str(port)) as tracer:
        tracer.wait_for_start()
        server = kind.start(certificates, port)
        try:
            # until the libraries of server and client have their probes
            for _ in range(3):
                visit(contexts["good"], port, kind.asks)
            wait_until(lambda: len(tracer.records()) >= 6)
            with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
                ports = dict(zip(pool.map(lambda way: visit(contexts[way], port, kind.asks), ways), ways))
            wait_until(lambda: len([record for record in tracer.records() if record["source"]["port"] in ports]) >= 2 * len(ports),
                       timeout=SECONDS)
        finally:
            server.send_signal(signal.SIGKILL)
            server.wait()
        records = [record for record in tracer.records() if record["source"]["port"] in ports]
    compare(records, ports, kind)


def compare(records, ports, kind):
    wrong, silent = Counter(), Counter()
    for record in records:
        way, role = ports[record["source"]["port"]], record["mtls"]["role"]
        expected, actual = expected_of(way, role, kind), cause_of(record)
        if actual == expected:
            continue
        for part in (0, 1):
            if actual[part] != expected[part]:
                said = (record["mtls"]["failure"] or {}).get("detail")
                (silent if actual[part] is None else wrong)[(way, role, expected[part], actual[part], said)] += 1
    expect(len(records), 2 * len(ports), "records")
    expect(dict(wrong), {}, "wrong causes")
    # a received alert may come after the record of a handshake that the wire ended
    if sum(silent.values()) > len(records) // 50:
        raise Failure(f"{sum(silent.values())} of {len(records)} records without a cause: {dict(silent)}")


# gnutls-serv sends access_denied whatever it dislikes; the status of its verification says why.
# The reason and the verification at the server and at the client; ANY: gnutls-serv does not always ask which alert came.
ANY = "any"
GNUTLS_WAYS = {
    "good": ((None, "ok"), (None, "ok")),
    "none": (("certificate_required", None), ("certificate_required", "ok")),
    "expired": (("certificate_expired", "certificate_expired"), ("other", "ok")),
    "self_signed": (("unknown_ca", "unknown_ca"), ("other", "ok")),
    "refuses": ((ANY, None), ("unknown_ca", "unknown_ca")),
}


def reasons_of(record, expected):
    failure, verified = cause_of(record)
    if expected[0] == ANY:
        # never the server's own doing
        expect(failure is None or failure[1] in ("client", None), True, f"the server blames nobody else: {failure}")
        return ANY, verified
    return failure and failure[0], verified


def gnutls(certificates):
    """Each way once, one after the other: gnutls-serv and gnutls-cli."""
    if not shutil.which("gnutls-serv") or not shutil.which("gnutls-cli"):
        raise Skip("gnutls-bin is not installed")
    priority = ("--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.3")
    with Tracer("--json") as tracer:
        tracer.wait_for_start()
        for way, expected in GNUTLS_WAYS.items():
            port = free_port()
            asks = ("--disable-client-cert",) if way == "refuses" else ("--require-client-cert", "--verify-client-cert")
            server = subprocess.Popen(
                ["gnutls-serv", "-p", str(port), "--quiet", "--echo", *priority, *asks, "--x509certfile",
                 certificates.certificate("server"), "--x509keyfile", certificates.key("server"), "--x509cafile",
                 certificates.certificate("authority")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                def listens():
                    return f":{port:04X} " in Path("/proc/net/tcp").read_text()
                wait_until(listens)
                trusted = "self_signed" if way == "refuses" else "authority"
                own = () if way in ("none", "refuses") else (
                    "--x509certfile", certificates.certificate(way), "--x509keyfile", certificates.key(way))
                subprocess.run(["gnutls-cli", "-p", str(port), "localhost", *priority, "--x509cafile",
                                certificates.certificate(trusted), *own], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=SECONDS)

                def found():
                    return {record["mtls"]["role"]: record for record in tracer.records()
                            if record["destination"]["port"] == port}
                wait_until(lambda: len(found()) == 2)
                for role, wanted in zip(("server", "client"), expected):
                    expect(reasons_of(found()[role], wanted), wanted, f"{way}: reason and verification at the {role}")
            finally:
                server.kill()
                server.wait()


CASES = {
    # asyncio aborts the connection before the alert has left
    "200 at once in one thread": Kind(start_python(EVENT_DRIVEN), silent=True),
    "200 at once in a pool of threads": Kind(start_python(THREAD_POOL)),
    "200 at once in one nginx worker": Kind(start_nginx, asks=True, tolerant=True),
}


def main():
    suite = Suite(sys.argv[1:])
    if os.geteuid() != 0 or not shutil.which("certtool"):
        print("SKIP causes: needs root and certtool")
        return 0
    with tempfile.TemporaryDirectory(prefix="mtlsnoop-causes-") as name:
        os.chmod(name, 0o755)
        certificates = Certificates(Path(name))
        suite.run("causes: gnutls-serv and gnutls-cli", gnutls, certificates)
        for case, kind in CASES.items():
            suite.run(f"causes: {case}", causes, certificates, kind)
    return 1 if suite.failed else 0


if __name__ == "__main__":
    sys.exit(main())
