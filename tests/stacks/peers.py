# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The stacks that speak lines of JSON, each a process that makes many handshakes, as a server and as a client."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from go_program import DEBIAN, build_go
from harness import Failure, Skip

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Stack:
    name: str
    command: tuple = ()
    sets_suites: tuple = ("1.2",)  # the versions whose suites it can be told; the others are left to the other side
    # what it does with a certificate that it asked for, did not need, and cannot verify
    refuses_strange: bool = False
    missing: str = ""  # why it is not there


class Peer:
    """One process, in the namespace."""

    def __init__(self, stack, namespace, command, mode, address):
        self.process = subprocess.Popen(namespace.command(*command, mode, address), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
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


def node(directory):
    return (installed("node"), HERE / "node_peer.js")


def go(directory):
    program = build_go(directory, "go-peer", DEBIAN, (), HERE / "peer.go")
    if isinstance(program, str):
        raise Skip(program)
    return (program,)


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


# Python's CERT_OPTIONAL and JSSE's wantClientAuth refuse what they cannot verify; Node without rejectUnauthorized and Go's
# RequestClientCert do not.
KINDS = {
    "python": (python, {"refuses_strange": True}),
    "node": (node, {"sets_suites": ("1.2", "1.3")}),
    "go": (go, {}),
    "java": (java, {"sets_suites": ("1.2", "1.3"), "refuses_strange": True}),
}


def stacks(directory):
    for name, (command, features) in KINDS.items():
        try:
            yield Stack(name, command(directory), **features)
        except Skip as reason:
            yield Stack(name, missing=str(reason))
