# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The stacks that speak lines of JSON, each a process that makes many handshakes, as a server and as a client."""

import ctypes
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from go_program import DEBIAN, build_go
from harness import ROOT, Failure, Skip

HERE = Path(__file__).resolve().parent
# OpenSSL has them; it has the one of TLS 1.2 for ECDSA alone. That with a short tag is below the security level of
# OpenSSL 3.5.
CCM = ("ECDHE-ECDSA-AES128-CCM", "TLS_AES_128_CCM_SHA256")
CCM_ALL = (*CCM, "TLS_AES_128_CCM_8_SHA256")
LOADER = "ld-linux-x86-64.so.2"


@dataclass(frozen=True)
class Stack:
    name: str
    command: tuple = ()
    sets_suites: tuple = ("1.2",)  # the versions whose suites it can be told; the others are left to the other side
    # what it does with a certificate that it asked for, did not need, and cannot verify
    refuses_strange: bool = False
    ccm: tuple = ()  # the suites with CCM that it takes
    # the servers that a client is tried with every day, None: all; an empty one leaves a server or a client to --all
    daily: tuple = None
    missing: str = ""  # why it is not there
    # of a server that is a program
    start: object = None
    verdict: object = None
    read: object = None
    client: object = None  # of a client that is a program: its class


class Peer:
    """One process, in the namespace."""

    def __init__(self, stack, namespace, command, mode, address):
        variables = {**os.environ, "OPENSSL_CONF": str(HERE / "openssl.cnf")}
        self.process = subprocess.Popen(namespace.command(*command, mode, address), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, env=variables)
        stack.callback(self.close)

    def close(self):
        self.process.kill()
        self.process.communicate()

    def ask(self, what):
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise Failure("the peer has ended")
        return json.loads(line)


def python(directory):
    return (sys.executable, HERE / "python_peer.py")


def unpacked(release, name):
    """A program of another release of Debian, with the libraries that it was built for, the C library among them."""
    root = ROOT / "build" / release
    libraries = [root / "lib" / "x86_64-linux-gnu", root / "usr" / "lib" / "x86_64-linux-gnu"]
    loader = next((path / LOADER for path in libraries if (path / LOADER).exists()), None)
    program = root / "usr" / "bin" / name
    if not loader or not program.exists():
        raise Skip(f"not unpacked in {root.relative_to(ROOT)}: make check-stacks does that")
    return (loader, "--library-path", ":".join(map(str, libraries)), program)


def unpacked_python(release, version):
    def command(directory):
        program = unpacked(release, f"python{version}")
        return ("env", f"PYTHONHOME={ROOT / 'build' / release / 'usr'}", "PYTHONDONTWRITEBYTECODE=1", *program,
                HERE / "python_peer.py")
    return command


def node(directory):
    return (installed("node"), HERE / "node_peer.js")


def go(name, toolchain):
    def command(directory):
        program = build_go(directory, name, toolchain, (), HERE / "peer.go")
        if isinstance(program, str):
            raise Skip(program)
        return (program,)
    return command


def curl(library):
    def command(directory):
        try:
            ctypes.CDLL(library)
        except OSError:
            raise Skip(f"{library} is not installed") from None
        return (sys.executable, HERE / "curl_peer.py", library)
    return command


def java(directory):
    done = subprocess.run([installed("javac"), "-d", directory, HERE / "Peer.java"], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"javac: {done.stderr.strip()}")
    return (installed("java"), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", directory, "Peer")


def installed(name):
    path = shutil.which(name)
    if not path:
        raise Skip(f"{name} is not installed")
    return path


# Python's CERT_OPTIONAL and JSSE's wantClientAuth refuse what they cannot verify; Node without rejectUnauthorized and
# Go's RequestClientCert do not.
KINDS = {
    "python": (python, {"refuses_strange": True, "ccm": CCM_ALL}),
    "openssl-1.1.1": (unpacked_python("debian-11", "3.9"), {"refuses_strange": True, "ccm": CCM_ALL}),
    "openssl-3.5": (unpacked_python("debian-13", "3.13"), {"refuses_strange": True, "ccm": CCM}),
    "node": (node, {"sets_suites": ("1.2", "1.3"), "ccm": CCM_ALL}),
    "go": (go("go-peer", DEBIAN), {}),
    "go-1.24": (go("go-1.24-peer", str(ROOT / "build" / "go" / "usr" / "lib" / "go-1.24")), {"daily": ()}),
    "java": (java, {"sets_suites": ("1.2", "1.3"), "refuses_strange": True}),
}

# Clients alone.
CLIENT_KINDS = {
    "curl": (curl("libcurl.so.4"), {"sets_suites": ("1.2", "1.3"), "ccm": CCM_ALL, "daily": ("python", "go")}),
    "curl-gnutls": (curl("libcurl-gnutls.so.4"), {"sets_suites": (), "daily": ("python", "go")}),
}


def stacks(directory, kinds):
    for name, (command, features) in kinds.items():
        try:
            yield Stack(name, command(directory), **features)
        except Skip as reason:
            yield Stack(name, missing=str(reason))
