# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Certificates and keys for one run, made with the openssl command: nothing secret is kept in the repository."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

ALGORITHMS = ("rsa", "ecdsa")

# Clients verify the server under a name of their own per case, so that the name finds the connection again.
DOMAIN = "live.test"

CONFIGURATION = f"""
[req]
distinguished_name = name
prompt = no
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature, keyEncipherment
extendedKeyUsage = serverAuth
subjectAltName = DNS:*.{DOMAIN}, DNS:{DOMAIN}
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
"""

KEYS = {"rsa": ("rsa:2048",), "ecdsa": ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")}


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, as paths of PEM files."""

    certificate: Path
    key: Path
    subject: str


class Certificates:
    """In directory: two authorities, of which the servers know the first, and what they have signed."""

    def __init__(self, directory):
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._configuration = directory / "openssl.cnf"
        self._configuration.write_text(CONFIGURATION)
        authority = self._make("authority", "rsa", "authority", "mtlsnoop test authority")
        stranger = self._make("strange-authority", "rsa", "authority", "mtlsnoop unknown authority")
        self.authority = authority.certificate
        self.server = {a: self._make(f"server-{a}", a, "server", DOMAIN, authority) for a in ALGORITHMS}
        self.good = {a: self._make(f"good-{a}", a, "client", f"good client {a}", authority) for a in ALGORITHMS}
        self.stranger = {a: self._make(f"stranger-{a}", a, "client", f"strange client {a}", stranger) for a in ALGORITHMS}

    def _make(self, name, algorithm, extensions, common_name, issuer=None):
        pair = Pair(self._directory / f"{name}.pem", self._directory / f"{name}.key", f"CN={common_name}")
        command = ["openssl", "req", "-x509", "-nodes", "-days", "2", "-sha256", "-config", self._configuration]
        command += ["-extensions", extensions, "-subj", f"/CN={common_name}", "-newkey", *KEYS[algorithm]]
        command += ["-out", pair.certificate, "-keyout", pair.key]
        if issuer:
            command += ["-CA", issuer.certificate, "-CAkey", issuer.key]
        subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
        return pair
