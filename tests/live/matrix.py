# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
The matrix of stacks, and the rules that say how each cell ends. The rules are what the stacks are documented and, by
their own logs (testimony.py) and tshark's reading (oracle.py), seen to do; nothing in them comes from mtlsnoop.
"""

from dataclasses import dataclass

from stacks import CLIENTS, VERSIONS, Visit

# A client's certificate of the authority that the servers trust ("good"), of another one ("stranger"), or none.
CERTIFICATES = ("none", "good", "stranger")

ALGORITHMS = {("good", "1.0"): ("rsa",), ("good", "1.1"): ("ecdsa",), ("good", "1.2"): ("rsa", "ecdsa"),
              ("good", "1.3"): ("ecdsa",), ("stranger", "1.0"): ("ecdsa",), ("stranger", "1.1"): ("rsa",),
              ("stranger", "1.2"): ("rsa", "ecdsa"), ("stranger", "1.3"): ("rsa",)}


@dataclass(frozen=True)
class Outcome:
    """How a handshake ends."""

    client_auth: str  # the word that the verdict has for it, were nothing encrypted
    requested: bool
    answer: str  # "certificate", "empty" or None
    completed: bool
    resumed: bool = False


NOT_REQUESTED = Outcome("not_requested", False, None, True)
RESUMED = Outcome("resumed", False, None, True, resumed=True)
PRESENTED = Outcome("presented", True, "certificate", True)
DECLINED = Outcome("declined", True, "empty", True)
REJECTED = Outcome("rejected_certificate", True, "certificate", False)
REJECTED_WITHOUT = Outcome("rejected_without_certificate", True, "empty", False)

# Only what breaks the handshake off. nginx never does: it completes it and answers 400 over HTTP (ssl_verify_client in
# its documentation: 495, 496). s_server and gnutls-serv do where they are told to insist (see stacks.py).
REJECTIONS = {
    ("openssl", "required", "none"): REJECTED_WITHOUT,
    ("openssl", "required", "stranger"): REJECTED,
    ("gnutls", "required", "none"): REJECTED_WITHOUT,
    ("gnutls", "required", "stranger"): REJECTED,
}


def full_handshake(server, certificate):
    """All clients of the matrix send the certificate that they have, whatever authorities the server names."""
    if server.asks == "never":
        return NOT_REQUESTED
    otherwise = DECLINED if certificate == "none" else PRESENTED
    return REJECTIONS.get((server.stack, server.asks, certificate), otherwise)


@dataclass(frozen=True)
class Case:
    name: str
    client: str
    visit: Visit
    certificate: str
    outcomes: tuple  # one for each connection of the visit, in order


def _pair(certificates, kind, algorithm):
    return None if kind == "none" else getattr(certificates, kind)[algorithm]


def _case(words, number, run, client, server, version, certificate, pair, resume=""):
    # no name is a prefix of another, and none is the same in two runs at the same time
    visit = Visit(server, version, f"c{number}-{run}.live.test", pair, resume)
    first = full_handshake(server, certificate)
    return Case("/".join(words), client, visit, certificate, (first, RESUMED) if resume else (first,))


def _versions(server):
    # what deferring does is below TLS: two versions are enough
    return ("1.2", "1.3") if server.stack == "deferred" else VERSIONS


def _full(server, client):
    """(words, version, certificate, algorithm) of the full handshakes."""
    for version in _versions(server):
        for certificate in CERTIFICATES:
            if server.asks == "never" and certificate == "stranger":
                continue
            for algorithm in ALGORITHMS.get((certificate, version), (None,)):
                what = certificate if algorithm is None else f"{certificate}-{algorithm}"
                yield (server.stack, server.asks, f"tls{version}", client, what), version, certificate, algorithm


def _resumed(server, client):
    """(words, version, certificate, algorithm, way) of the handshakes that are resumed."""
    certificate = "none" if server.asks == "never" else "good"
    for version in _versions(server):
        for way in ("id", "ticket"):
            # curl has no way to do without tickets, TLS 1.3 none to do with ids (RFC 8446 section 2.2)
            if way == "id" and (client == "curl" or version == "1.3"):
                continue
            algorithm = ALGORITHMS[("good", version)][0]
            yield (server.stack, server.asks, f"tls{version}", client, certificate, f"resumed-by-{way}"), \
                version, certificate, algorithm, way


def cases(servers, certificates, run):
    """All cells, each under a server name of its own."""
    found = []
    for server in servers:
        for client in CLIENTS:
            for words, version, kind, algorithm in _full(server, client):
                found.append(_case(words, len(found), run, client, server, version, kind,
                                   _pair(certificates, kind, algorithm)))
            for words, version, kind, algorithm, way in _resumed(server, client):
                found.append(_case(words, len(found), run, client, server, version, kind,
                                   _pair(certificates, kind, algorithm), way))
    return found
