#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
DTLS, live: openssl s_server and s_client in a network namespace, and what mtlsnoop tells of both ends. What is expected
comes from how the two were started.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from harness import Failure, Suite, Tracer, expect, wait_until  # noqa: E402

NAMESPACE = f"mtlsnoop-live-dtls-{os.getpid()}"
FIRST_PORT = 27301
PATIENCE = 30  # seconds, on a machine that has much else to do

# RFC 6347 section 4.2.4, figure 1; the cookie exchange of section 4.2.1; RFC 5077 section 3.1 for the ticket
HELLO = {"client": [1, 1], "server": [3, 2, 11, 12]}
VERSIONS = {"1.2": ["-dtls1_2"], "1.0": ["-dtls1", "-cipher", "ALL:@SECLEVEL=0"]}
# name -> options of the server, whether the client has a certificate, client_auth, established
CASES = {
    "not asked": ([], False, "not_requested", True),
    "asked, none": (["-verify", "1"], False, "declined", True),
    "asked, answered": (["-verify", "1"], True, "presented", True),
    "required, none": (["-Verify", "1"], False, "rejected_without_certificate", False),
    "required, answered": (["-Verify", "1"], True, "presented", True),
    "asked, answered, small datagrams": (["-verify", "1", "-mtu", "256"], True, "presented", True),
}


def in_namespace(*command):
    return ["ip", "netns", "exec", NAMESPACE, *command]


def start(directory, *command):
    return subprocess.Popen(in_namespace(*command), cwd=directory, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)


def make_certificates(directory):
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca")
    for name in ("server", "client"):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj",
                f"/CN={name}.test")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out",
                f"{name}.pem")


class Case:
    """A handshake: its ends stay until it was told of, or the time is over."""

    def __init__(self, version, name, port):
        options, self.certificate, self.auth, self.established = CASES[name]
        self.name = f"dtls {version}: {name}"
        self.version, self.port, self._options = version, port, options
        # no other run on this host has the same
        self.server_name = f"{port}.{os.getpid()}.dtls.test"
        self._ends = []

    def serve(self, directory):
        self._ends.append(start(directory, "openssl", "s_server", "-accept", f"127.0.0.1:{self.port}",
                                *VERSIONS[self.version], "-cert", "server.pem", "-key", "server.key", "-CAfile", "ca.pem",
                                "-quiet", *self._options))

    def visit(self, directory):
        options = ["-cert", "client.pem", "-key", "client.key"] if self.certificate else []
        if "-mtu" in self._options:
            options += ["-mtu", "256"]
        self._ends.append(start(directory, "openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", "-servername",
                                self.server_name, *VERSIONS[self.version], *options))

    def leave(self):
        for process in self._ends:
            process.stdin.close()
            process.terminate()
            process.wait()


def expected_types(auth, certificate):
    asked = auth != "not_requested"
    types = {"client": HELLO["client"] + ([11] if asked else []) + [16] + ([15] if asked and certificate else []),
             "server": HELLO["server"] + ([13] if asked else []) + [14]}
    if auth != "rejected_without_certificate":
        types["server"].append(4)
    return types


def check(case, tracer):
    records = tracer.records(case.server_name)
    expect(sorted(record["mtls"]["role"] for record in records), ["client", "server"], "roles")
    types = expected_types(case.auth, case.certificate)
    for record in records:
        told = {side: [message["type"] for message in record["mtls"]["messages"] if message["from"] == side]
                for side in ("client", "server")}
        actual = (record["mtls"]["client_auth"], record["tls"]["established"], record["tls"]["version_protocol"],
                  record["tls"]["version"], record["network"]["transport"], told)
        expect(actual, (case.auth, case.established, "dtls", case.version, "udp", types), record["mtls"]["role"])
        expect(record["tls"].get("client", {}).get("subject"),
               "CN=client.test" if case.certificate and case.auth != "not_requested" else None, "subject")


def listening(ports):
    bound = subprocess.run(in_namespace("ss", "-Huln"), capture_output=True, text=True).stdout.split()
    return all(f"127.0.0.1:{port}" in bound for port in ports)


def run(suite, stack, directory):
    make_certificates(directory)
    names = [(version, name) for version in VERSIONS for name in CASES if suite.wants(f"dtls {version}: {name}")]
    cases = [Case(*name, FIRST_PORT + number) for number, name in enumerate(names)]
    tracer = stack.enter_context(Tracer("--json"))
    tracer.wait_for_start()
    for case in cases:
        stack.callback(case.leave)
        case.serve(directory)
    if not wait_until(lambda: listening([case.port for case in cases]), timeout=PATIENCE):
        raise Failure("openssl s_server does not listen")
    for case in cases:
        case.visit(directory)
    for case in cases:
        tracer.wait_for(case.server_name, 2, PATIENCE)
    # what has not been told by now is told as unfinished
    expect(tracer.stop(), 0, "exit status")
    for case in cases:
        suite.run(case.name, check, case, tracer)


def main():
    if os.geteuid():
        print("SKIP dtls: needs root")
        return 0
    suite = Suite(sys.argv[1:])
    # an exit like any other: what was made is removed
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with contextlib.ExitStack() as stack:
        subprocess.run(["ip", "netns", "add", NAMESPACE], check=True)
        stack.callback(subprocess.run, ["ip", "netns", "del", NAMESPACE], check=True)
        subprocess.run(["ip", "-n", NAMESPACE, "link", "set", "lo", "up"], check=True)
        run(suite, stack, stack.enter_context(tempfile.TemporaryDirectory()))
    return 1 if suite.failed else 0


if __name__ == "__main__":
    sys.exit(main())
