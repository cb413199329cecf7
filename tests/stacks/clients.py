# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Clients that are programs: a process for each visit, or for two in a row."""

import re
import shutil

from peers import CCM_ALL, Skip, Stack, unpacked
from stacks import REQUEST, run_client

# As GnuTLS puts them together; its names of the ciphers in TLS 1.3 are the same.
PRIORITIES = {
    "ECDHE-RSA-AES128-GCM-SHA256": "+ECDHE-RSA:+AES-128-GCM",
    "ECDHE-RSA-AES256-GCM-SHA384": "+ECDHE-RSA:+AES-256-GCM",
    "ECDHE-RSA-CHACHA20-POLY1305": "+ECDHE-RSA:+CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-CCM": "+ECDHE-ECDSA:+AES-128-CCM",
    "TLS_AES_128_GCM_SHA256": "+AES-128-GCM",
    "TLS_AES_256_GCM_SHA384": "+AES-256-GCM",
    "TLS_CHACHA20_POLY1305_SHA256": "+CHACHA20-POLY1305",
    "TLS_AES_128_CCM_SHA256": "+AES-128-CCM",
    "TLS_AES_128_CCM_8_SHA256": "+AES-128-CCM-8",
}


class Client:
    def __init__(self, environment, program):
        self._environment, self._program = environment, program

    def _said(self, output):
        """Nothing but what the server sent is on standard output."""
        answer = output.rpartition("\nexit status ")[0]
        return {"answer": answer} if answer.strip() else {"error": output.strip()}

    def _run(self, command):
        return run_client(self._environment, [*self._program, *command], REQUEST, errors=False)


class OpenSSL(Client):
    def ask(self, job):
        suites = "-cipher" if job["version"] == "1.2" else "-ciphersuites"
        session = self._environment.directory / "session.pem"
        session.unlink(missing_ok=True)
        command = ["s_client", "-quiet", "-connect", f"{self._environment.network.servers.address}:{job['port']}",
                   "-servername", job["name"], "-tls" + job["version"].replace(".", "_"), suites, job["suite"],
                   "-CAfile", job["authority"], "-verify_return_error", "-sess_out", session]
        if "certificate" in job:
            command += ["-cert", job["certificate"], "-key", job["key"]]
        said = []
        for _ in range(job["visits"]):
            said.append(self._said(self._run(command + (["-sess_in", session] if session.exists() else []))))
        return said


class GnuTLS(Client):
    """Only a process that made a session resumes it. In the visit that makes it there is no request."""

    def ask(self, job):
        log = self._environment.directory / "gnutls-cli.txt"
        version = "-VERS-ALL:+VERS-TLS" + job["version"]
        suite = "-CIPHER-ALL:-KX-ALL:" if job["version"] == "1.2" else "-CIPHER-ALL:"
        command = ["--port", job["port"], "--sni-hostname", job["name"], "--verify-hostname", job["name"],
                   "--x509cafile", job["authority"], "--logfile", log,
                   "--priority", f"NORMAL:{version}:{suite}{PRIORITIES[job['suite']]}"]
        if "certificate" in job:
            command += ["--x509certfile", job["certificate"], "--x509keyfile", job["key"]]
        address = self._environment.network.servers.address
        if job["refused"]:
            return [self._said(self._run([*command, address])) for _ in range(job["visits"])]
        second = self._said(self._run([*command, "--resume", "--waitresumption", address]))
        words = log.read_text(errors="replace")
        first = {"answer": "", "resumed": False} if "- Handshake was completed" in words else {"error": words.strip()}
        return [first, {**second, "resumed": "*** This is a resumed session" in words}]


def installed(name):
    if not shutil.which(name):
        raise Skip(f"{name} is not installed")
    return (name,)


# With servers that are programs, tests/live tries them every day.
KINDS = {
    "s_client": (OpenSSL, lambda: installed("openssl"), ("go",)),
    "gnutls-cli": (GnuTLS, lambda: installed("gnutls-cli"), ("go",)),
    "gnutls-cli-3.7.1": (GnuTLS, lambda: unpacked("debian-11", "gnutls-cli"), ()),
}


def clients():
    for name, (kind, program, daily) in KINDS.items():
        try:
            yield Stack(name, program(), client=kind, sets_suites=("1.2", "1.3"), ccm=CCM_ALL, daily=daily)
        except Skip as reason:
            yield Stack(name, missing=str(reason))
