#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
DTLS, live: openssl s_server and s_client in a network namespace, and what mtlsnoop tells of both ends. What is expected
comes from how the two were started.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = os.environ.get("MTLSNOOP", str(ROOT / "build" / "mtlsnoop"))
NAMESPACE = f"mtlsnoop-live-dtls-{os.getpid()}"
FIRST_PORT = 27301
CLOSING_SECONDS = 0.3  # the client stays so long behind its handshake
SETTLED_SECONDS = 3    # longer than mtlsnoop waits for a side's last word

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


def in_namespace(*command, **options):
    return subprocess.Popen(["ip", "netns", "exec", NAMESPACE, *command], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, **options)


def make_certificates(directory):
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca")
    for name in ("server", "client"):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj",
                f"/CN={name}.test")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out",
                f"{name}.pem")


def handshake(directory, port, version, server_options, certificate, small):
    """One handshake; the client says which end it came to."""
    server = in_namespace("openssl", "s_server", "-accept", f"127.0.0.1:{port}", *VERSIONS[version], "-cert", "server.pem",
                          "-key", "server.key", "-CAfile", "ca.pem", "-quiet", *server_options, cwd=directory,
                          stdin=subprocess.PIPE)
    time.sleep(0.3)
    options = ["-cert", "client.pem", "-key", "client.key"] if certificate else []
    if small:
        options += ["-mtu", "256"]
    client = in_namespace("openssl", "s_client", "-connect", f"127.0.0.1:{port}", *VERSIONS[version], *options,
                          cwd=directory, stdin=subprocess.PIPE)
    time.sleep(1)
    for process in (client, server):
        process.stdin.close()
    time.sleep(CLOSING_SECONDS)
    for process in (client, server):
        process.terminate()
        process.wait()


def expected_types(auth, certificate):
    asked = auth != "not_requested"
    types = {"client": HELLO["client"] + ([11] if asked else []) + [16] + ([15] if asked and certificate else []),
             "server": HELLO["server"] + ([13] if asked else []) + [14]}
    if auth != "rejected_without_certificate":
        types["server"].append(4)
    return types


def check(records, port, version, auth, established, certificate):
    """What is wrong with the records of a port, as text; empty where nothing is."""
    mine = [record for record in records if record["destination"]["port"] == port]
    roles = sorted(record["mtls"]["role"] for record in mine)
    if roles != ["client", "server"]:
        return f"records of {roles}, expected one of each end"
    types = expected_types(auth, certificate)
    for record in mine:
        told = {side: [message["type"] for message in record["mtls"]["messages"] if message["from"] == side]
                for side in ("client", "server")}
        actual = (record["mtls"]["client_auth"], record["tls"]["established"], record["tls"]["version_protocol"],
                  record["tls"]["version"], record["network"]["transport"], told)
        expected = (auth, established, "dtls", version, "udp", types)
        if actual != expected:
            return f"{record['mtls']['role']}: {actual}, expected {expected}"
        subject = record["tls"].get("client", {}).get("subject")
        if subject != ("CN=client.test" if certificate and auth != "not_requested" else None):
            return f"{record['mtls']['role']}: subject {subject!r}"
    return ""


def run(directory):
    make_certificates(directory)
    with open(Path(directory) / "records", "w+", encoding="utf-8") as output:
        tracer = subprocess.Popen([PROGRAM, "--json"], stdout=output, stderr=subprocess.DEVNULL)
        time.sleep(1)
        ports = iter(range(FIRST_PORT, FIRST_PORT + 100))
        made = []
        for version in VERSIONS:
            for name, (options, certificate, auth, established) in CASES.items():
                port = next(ports)
                handshake(directory, port, version, options, certificate, "-mtu" in options)
                made.append((name, port, version, auth, established, certificate))
        time.sleep(SETTLED_SECONDS)
        tracer.terminate()
        tracer.wait()
        output.seek(0)
        records = [json.loads(line) for line in output]
    for name, *case in made:
        wrong = check(records, *case)
        print(f"{'FAIL' if wrong else 'PASS'} dtls {case[1]}: {name}" + (f": {wrong}" if wrong else ""), flush=True)
    return 0


def main():
    if os.geteuid():
        print("SKIP dtls: needs root")
        return 0
    subprocess.run(["ip", "netns", "add", NAMESPACE], check=True)
    try:
        subprocess.run(["ip", "-n", NAMESPACE, "link", "set", "lo", "up"], check=True)
        with tempfile.TemporaryDirectory() as directory:
            return run(directory)
    finally:
        subprocess.run(["ip", "netns", "del", NAMESPACE], check=True)


if __name__ == "__main__":
    sys.exit(main())
