# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The real TLS stacks, as servers and as clients, and how each is told what the matrix wants."""

import contextlib
import os
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

VERSIONS = ("1.0", "1.1", "1.2", "1.3")
ASKS = ("never", "optional", "required")

# What distributions forbid by default (TLS 1.0 and 1.1 with their SHA-1) is a part of the matrix.
OPENSSL_CONFIGURATION = """openssl_conf = main
[main]
ssl_conf = ssl
[ssl]
system_default = defaults
[defaults]
MinProtocol = TLSv1
CipherString = ALL:@SECLEVEL=0
"""

GNUTLS_VERSIONS = {version: f"VERS-TLS{version}" for version in VERSIONS}

NGINX_ASKS = {"never": "off", "optional": "optional", "required": "on"}

REQUEST = "GET / HTTP/1.0\r\n\r\n"
CLIENT_TIMEOUT = 10


class Environment:
    """What servers and clients share: the network, the certificates, and a directory for configuration and logs."""

    def __init__(self, network, certificates, directory, stack):
        self.network = network
        self.certificates = certificates
        self.directory = directory
        self.stack = stack
        configuration = directory / "openssl.cnf"
        configuration.write_text(OPENSSL_CONFIGURATION)
        self.variables = {**os.environ, "OPENSSL_CONF": str(configuration), "LC_ALL": "C", "HOME": str(directory)}

    def start(self, namespace, name, *command, stdin=subprocess.DEVNULL, **options):
        """Start a program in the namespace; it ends with the run. Its output goes to a log of its own."""
        log = open(self.directory / f"{name}.log", "w")
        self.stack.callback(log.close)
        process = subprocess.Popen(namespace.command(*command), stdin=stdin, stdout=log, stderr=log,
                                   env=self.variables, **options)
        self.stack.callback(end, process)
        return process


def end(process):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


def wait_for_port(namespace, port, process, timeout=10):
    deadline = time.monotonic() + timeout
    while True:
        with contextlib.suppress(OSError):
            namespace.connect(namespace.address, port).close()
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{process.args[-1]}: nothing listens on port {port}")
        time.sleep(0.02)


@dataclass(frozen=True)
class Server:
    """A listening port: what answers there, and whether it asks for a certificate."""

    stack: str  # "openssl", "nginx", "deferred" (nginx with a deferred accept) or "gnutls"
    asks: str
    port: int


def start_openssl(environment, port, asks, *options, authority=None, program=("openssl",), page=True):
    """
    s_server -verify goes on whatever is wrong with the certificate; -Verify insists on there being one, and
    -verify_return_error on its being good. Without a page it says nothing to its clients, and has to hear nothing either.
    """
    verify = {"never": [], "optional": ["-verify", "1"], "required": ["-Verify", "1", "-verify_return_error"]}[asks]
    server = environment.certificates.server
    command = [*program, "s_server", "-accept", f"{environment.network.servers.address}:{port}", *verify]
    command += ["-www"] if page else []
    command += ["-cert", server["rsa"].certificate, "-key", server["rsa"].key]
    command += ["-dcert", server["ecdsa"].certificate, "-dkey", server["ecdsa"].key]
    command += ["-CAfile", authority or environment.certificates.authority, *options]
    process = environment.start(environment.network.servers, f"openssl-{asks}-{port}", *command,
                                stdin=subprocess.DEVNULL if page else subprocess.PIPE)
    wait_for_port(environment.network.servers, port, process)
    return Server("openssl", asks, port)


def start_gnutls(environment, port, asks, priority="NORMAL:+VERS-TLS1.0:+VERS-TLS1.1", program=("gnutls-serv",)):
    """gnutls-serv asks unless told otherwise, and looks at what it gets only with --verify-client-cert."""
    verify = {"never": ["--disable-client-cert"], "optional": [],
              "required": ["--require-client-cert", "--verify-client-cert"]}[asks]
    server = environment.certificates.server
    command = [*program, "--http", "--port", port, "--priority", priority, *verify]
    for pair in server.values():
        command += ["--x509certfile", pair.certificate, "--x509keyfile", pair.key]
    command += ["--x509cafile", environment.certificates.authority]
    process = environment.start(environment.network.servers, f"gnutls-{asks}-{port}", *command)
    wait_for_port(environment.network.servers, port, process)
    return Server("gnutls", asks, port)


NGINX_MAIN = """daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log {directory}/nginx-error.log info;
events {{ worker_connections 256; }}
http {{
	access_log off;
	client_body_temp_path {directory}/body;
	proxy_temp_path {directory}/proxy;
	fastcgi_temp_path {directory}/fastcgi;
	uwsgi_temp_path {directory}/uwsgi;
	scgi_temp_path {directory}/scgi;
	ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;
	ssl_ciphers ALL:@SECLEVEL=0;
	ssl_client_certificate {certificates.authority};
	ssl_certificate {certificates.server[rsa].certificate};
	ssl_certificate_key {certificates.server[rsa].key};
	ssl_certificate {certificates.server[ecdsa].certificate};
	ssl_certificate_key {certificates.server[ecdsa].key};
	keepalive_timeout 0;
	{directives}
{servers}}}
"""

# Each listener has a session cache of its own: a session must not be resumed where it was not made. What nginx thinks
# of the client's certificate is in the answer, also where it refuses the request (495, 496).
NGINX_SERVER = """	server {{
		listen {address}:{port} ssl{deferred};
		listen [{address6}]:{port} ssl{deferred};
		ssl_verify_client {verify};
		ssl_session_cache shared:port{port}:1m;
		error_page 495 496 = /told;
		location / {{
			return 200 "verify=$ssl_client_verify reused=$ssl_session_reused suite=$ssl_cipher\\n";
		}}
	}}
"""


def nginx_program(root):
    """Where tests/unpack-packages put nginx, or where the system has it; None where it is not."""
    for path in (root / "build" / "stacks" / "usr" / "sbin" / "nginx", Path("/usr/sbin/nginx")):
        if os.access(path, os.X_OK):
            return path
    return None


def start_nginx(environment, program, ports, directives=""):
    """One nginx with a listener for each (port, stack, asks) in ports."""
    network = environment.network.servers
    servers = [Server(stack, asks, port) for port, stack, asks in ports]
    blocks = [
        NGINX_SERVER.format(address=network.address, address6=network.address6, port=server.port,
                            deferred=" deferred" if server.stack == "deferred" else "",
                            verify=NGINX_ASKS[server.asks])
        for server in servers
    ]
    configuration = environment.directory / "nginx.conf"
    configuration.write_text(NGINX_MAIN.format(directory=environment.directory, servers="".join(blocks),
                                               directives=directives, certificates=environment.certificates))
    process = environment.start(network, "nginx", program, "-p", environment.directory, "-c", configuration,
                                "-e", environment.directory / "nginx-error.log")
    for server in servers:
        wait_for_port(network, server.port, process)
    return servers


@dataclass(frozen=True)
class Visit:
    """A client's visit, or two of which the second may resume the session of the first."""

    server: Server
    version: str
    name: str  # SNI
    pair: object = None  # the client's certificate
    resume: str = ""  # "", "id" or "ticket"; in TLS 1.3 any
    address6: bool = False


def run_client(environment, command, said="", errors=True):
    """
    Run a client that writes said and keeps its standard input open, as somebody at a terminal would, until the server
    has answered and closed. Returns what it printed, with or without standard error.
    """
    process = subprocess.Popen(environment.network.clients.command(*command), stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT if errors else subprocess.DEVNULL,
                               env=environment.variables)
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(said.encode())
        process.stdin.flush()
    try:
        # communicate() would close standard input at once
        output = _read_all(process, CLIENT_TIMEOUT)
    finally:
        end(process)
    return output.decode(errors="replace") + f"\nexit status {process.returncode}\n"


def _read_all(process, timeout):
    expired = threading.Timer(timeout, process.kill)
    expired.start()
    try:
        return process.stdout.read()
    finally:
        expired.cancel()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()


def _server_address(environment, visit):
    servers = environment.network.servers
    return servers.address6 if visit.address6 else servers.address


def visit_with_curl(environment, visit):
    """curl resumes within one run: the same address twice, each time on a connection of its own."""
    address = _server_address(environment, visit)
    host = f"[{address}]" if visit.address6 else address
    url = f"https://{visit.name}:{visit.server.port}/"
    command = ["curl", "--verbose", "--silent", "--show-error", "--http1.0", "--max-time", str(CLIENT_TIMEOUT)]
    command += ["--noproxy", "*", "--resolve", f"{visit.name}:{visit.server.port}:{host}"]
    command += ["--cacert", environment.certificates.authority]
    command += [f"--tlsv{visit.version}", "--tls-max", visit.version]
    if visit.pair:
        command += ["--cert", visit.pair.certificate, "--key", visit.pair.key]
    command += [url, url] if visit.resume else [url]
    return [run_client(environment, command)]


def visit_with_openssl(environment, visit):
    version = {"1.0": "-tls1", "1.1": "-tls1_1", "1.2": "-tls1_2", "1.3": "-tls1_3"}[visit.version]
    host = _server_address(environment, visit)
    host = f"[{host}]" if visit.address6 else host
    command = ["openssl", "s_client", "-connect", f"{host}:{visit.server.port}", "-servername", visit.name, version]
    command += ["-CAfile", environment.certificates.authority, "-verify_return_error", "-ign_eof"]
    if visit.pair:
        command += ["-cert", visit.pair.certificate, "-key", visit.pair.key]
    if visit.resume == "id":
        command += ["-no_ticket"]
    session = environment.directory / "session.pem"
    session.unlink(missing_ok=True)
    outputs = [run_client(environment, command + (["-sess_out", session] if visit.resume else []), REQUEST)]
    if visit.resume and session.exists():
        outputs.append(run_client(environment, command + ["-sess_in", session], REQUEST))
    return outputs


def visit_with_gnutls(environment, visit):
    command = ["gnutls-cli", "--port", visit.server.port, "--sni-hostname", visit.name, "--verify-hostname", visit.name]
    command += ["--x509cafile", environment.certificates.authority]
    command += ["--priority", f"NORMAL:-VERS-ALL:+{GNUTLS_VERSIONS[visit.version]}"]
    if visit.pair:
        command += ["--x509certfile", visit.pair.certificate, "--x509keyfile", visit.pair.key]
    if visit.resume == "id":
        command += ["--noticket"]
    if visit.resume:
        command += ["--resume", "--waitresumption"]
    command += [_server_address(environment, visit)]
    return [run_client(environment, command, REQUEST)]


CLIENTS = {"curl": visit_with_curl, "openssl": visit_with_openssl, "gnutls": visit_with_gnutls}
