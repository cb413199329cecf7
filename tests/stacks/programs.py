# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Servers that are programs: how they are started, and what they say of their clients in the page that they answer with."""

import re
import shutil
from dataclasses import dataclass

from harness import ROOT
from matrix import full_handshake
from peers import CCM, CCM_ALL, Skip, Stack, unpacked
from stacks import ASKS, Server, nginx_program, start_gnutls, start_nginx, start_openssl
from testimony import server_saw

FIRST_PORT = 27501
SUITES_1_3 = ("TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256",
              "TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256")


def verdict_by(rules):
    def verdict(asks, certificate):
        return full_handshake(Server(rules, asks, 0), {"strange": "stranger"}.get(certificate, certificate)).client_auth
    return verdict


def _openssl(environment, ports, program):
    # those of TLS 1.3 alone: the others are in the configuration
    suites = ("-ciphersuites", ":".join(SUITES_1_3))
    return [start_openssl(environment, port, asks, *suites) for port, asks in zip(ports, ASKS)]


def _gnutls(environment, ports, program):
    return [start_gnutls(environment, port, asks, "NORMAL", program) for port, asks in zip(ports, ASKS)]


def _nginx(environment, ports, program):
    return start_nginx(environment, *program, [(port, "nginx", asks) for port, asks in zip(ports, ASKS)])


def read_openssl(answers):
    said = re.search(r"^(New|Reused), \S+, Cipher is (\S+)$", answers[-1], re.MULTILINE)
    return {"certificate": server_saw(answers[-1]), "resumed": said[1] == "Reused", "suite": said[2]}


def read_nginx(answers):
    resumed, suite = re.search(r"reused=(\S) suite=(\S+)", answers[-1]).groups()
    return {"certificate": server_saw(answers[-1]), "resumed": resumed == "r", "suite": suite}


def read_gnutls(answers):
    """gnutls-serv tells the identifier of the session."""
    sessions = [re.search(r"Session ID: <i>(\w+)", answer)[1] for answer in answers if answer]
    # of a visit that asked for nothing it says nothing
    resumed = sessions[-1] in sessions[:-1] if len(sessions) == len(answers) else None
    return {"certificate": None, "resumed": resumed, "suite": None}


def _installed(name):
    path = nginx_program(ROOT) if name == "nginx" else shutil.which(name)
    if not path:
        raise Skip("not installed")
    return (path,)


@dataclass(frozen=True)
class Kind:
    rules: str  # of full_handshake()
    start: object
    read: object
    program: object
    ccm: tuple
    daily: tuple = None  # as in Stack


KINDS = {
    "openssl": Kind("openssl", _openssl, read_openssl, lambda: _installed("openssl"), CCM_ALL),
    "gnutls": Kind("gnutls", _gnutls, read_gnutls, lambda: _installed("gnutls-serv"), CCM),
    "gnutls-3.7.1": Kind("gnutls", _gnutls, read_gnutls, lambda: unpacked("debian-11", "gnutls-serv"), CCM, ()),
    "nginx": Kind("nginx", _nginx, read_nginx, lambda: _installed("nginx"), CCM[:1]),
}


def servers():
    for name, kind in KINDS.items():
        try:
            yield Stack(name, kind.program(), start=kind.start, read=kind.read, verdict=verdict_by(kind.rules),
                        sets_suites=(), ccm=kind.ccm, daily=kind.daily)
        except Skip as reason:
            yield Stack(name, missing=str(reason))


class Programs:
    """One process or more for each stack; a port for each way of asking, whatever version and suite the client wants."""

    def __init__(self, environment):
        self._environment = environment
        self._ports = iter(range(FIRST_PORT, FIRST_PORT + len(KINDS) * len(ASKS)))

    def start(self, stack):
        ports = [next(self._ports) for _ in ASKS]
        return {server.asks: server.port for server in stack.start(self._environment, ports, stack.command)}
