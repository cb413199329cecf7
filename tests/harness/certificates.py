# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Certificates and keys for one run, made with the openssl command: nothing secret is kept in the repository."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

ALGORITHMS = ("rsa", "ecdsa")

# Clients verify the server under a name of their own per case, so that the name finds the connection again.
DOMAIN = "live.test"

AUTHORITY = "CN=mtlsnoop test authority"

# What makes a certificate of about 6 KB, and a list of authorities of about 8 KB.
LONG_NAMES = 180
MANY_AUTHORITIES = 40

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
[long]
basicConstraints = critical, CA:FALSE
extendedKeyUsage = clientAuth
subjectAltName = {", ".join(f"DNS:name-number-{number}.{DOMAIN}" for number in range(LONG_NAMES))}
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
        authority = self._make("authority", "rsa", "authority", AUTHORITY.removeprefix("CN="))
        stranger = self._make("strange-authority", "rsa", "authority", "mtlsnoop unknown authority")
        self._authority = authority
        self.authority = authority.certificate
        self.server = {a: self._make(f"server-{a}", a, "server", DOMAIN, authority) for a in ALGORITHMS}
        self.good = {a: self._make(f"good-{a}", a, "client", f"good client {a}", authority) for a in ALGORITHMS}
        self.stranger = {a: self._make(f"stranger-{a}", a, "client", f"strange client {a}", stranger)
                         for a in ALGORITHMS}

    def make_long(self):
        """A good client certificate that is much longer than a segment."""
        return self._make("long", "ecdsa", "long", "good client with many names", self._authority)

    def make_many_authorities(self):
        """The authority that the servers trust, and many more with long names, in one file."""
        name = "authority number {} whose name is as long as is allowed " + "x" * 6
        others = [self._make(f"authority-{number}", "ecdsa", "authority",
                             name.format(number) + "/O=" + "organization " * 4 + "/OU=" + "unit " * 12)
                  for number in range(MANY_AUTHORITIES)]
        bundle = self._directory / "authorities.pem"
        paths = [self.authority] + [pair.certificate for pair in others]
        bundle.write_text("".join(path.read_text() for path in paths))
        return bundle

    def _make(self, name, algorithm, extensions, common_name, issuer=None):
        pair = Pair(self._directory / f"{name}.pem", self._directory / f"{name}.key", f"CN={common_name}")
        command = ["openssl", "req", "-x509", "-nodes", "-days", "2", "-sha256", "-config", self._configuration]
        command += ["-extensions", extensions, "-subj", f"/CN={common_name}", "-newkey", *KEYS[algorithm]]
        command += ["-out", pair.certificate, "-keyout", pair.key]
        if issuer:
            command += ["-CA", issuer.certificate, "-CAkey", issuer.key]
        subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
        return pair
