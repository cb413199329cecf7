# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Servers that are programs: how they are started, and what they say of their clients in the page that they answer with."""

import re
import shutil

from harness import ROOT
from matrix import full_handshake
from peers import Stack
from stacks import ASKS, Environment, Server, nginx_program, start_gnutls, start_nginx, start_openssl
from testimony import server_saw

FIRST_PORT = 27501


def verdict(name, asks, certificate):
    return full_handshake(Server(name, asks, 0), {"strange": "stranger"}.get(certificate, certificate)).client_auth


def _openssl(environment, ports):
    return [start_openssl(environment, port, asks) for port, asks in zip(ports, ASKS)]


def _gnutls(environment, ports):
    return [start_gnutls(environment, port, asks, "NORMAL") for port, asks in zip(ports, ASKS)]


def _nginx(environment, ports):
    return start_nginx(environment, nginx_program(ROOT), [(port, "nginx", asks) for port, asks in zip(ports, ASKS)])


def read_openssl(answers):
    said = re.search(r"^(New|Reused), \S+, Cipher is (\S+)$", answers[-1], re.MULTILINE)
    return {"certificate": server_saw(answers[-1]), "resumed": said[1] == "Reused", "suite": said[2]}


def read_nginx(answers):
    resumed, suite = re.search(r"reused=(\S) suite=(\S+)", answers[-1]).groups()
    return {"certificate": server_saw(answers[-1]), "resumed": resumed == "r", "suite": suite}


def read_gnutls(answers):
    """gnutls-serv tells the identifier of the session."""
    sessions = [re.search(r"Session ID: <i>(\w+)", answer)[1] for answer in answers]
    return {"certificate": None, "resumed": sessions[-1] in sessions[:-1], "suite": None}


STARTS = {"openssl": (_openssl, read_openssl, "openssl"), "gnutls": (_gnutls, read_gnutls, "gnutls-serv"),
          "nginx": (_nginx, read_nginx, None)}


def servers():
    for name, (start, read, program) in STARTS.items():
        there = shutil.which(program) if program else nginx_program(ROOT)
        yield Stack(name, start=start, read=read, verdict=verdict, sets_suites=(),
                    missing="" if there else "not installed")


class Programs:
    """One process or more for each stack; a port for each way of asking, whatever version and suite the client wants."""

    def __init__(self, network, certificates, directory, stack):
        self._environment = Environment(network, certificates, directory, stack)
        self._ports = iter(range(FIRST_PORT, FIRST_PORT + len(STARTS) * len(ASKS)))

    def start(self, stack):
        ports = [next(self._ports) for _ in ASKS]
        return {server.asks: server.port for server in stack.start(self._environment, ports)}
