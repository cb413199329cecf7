# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Both versions of TLS over a veth pair, and over one where netem loses, repeats and reorders what passes."""

import contextlib
import re
import ssl
from dataclasses import replace

import endpoints
from harness import Failure, Skip, expect, wait_until
from truth import DECLINED, NOT_REQUESTED, PRESENTED, Tracer, Truth
from harness.namespaces import Namespace, join_by_veth

# of each kind; with the loss below nearly each of them meets it
ROUNDS = 5
# both ways; the jitter is what reorders
NETEM = ["delay", "4ms", "3ms", "loss", "4%", "duplicate", "4%"]

REJECTED = Truth("rejected_without_certificate", True, "empty", established=False)
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

# name: port, whether the server asks and insists, whether the client has a certificate, what is true
KINDS = {
    "not requested": (4470, {}, False, NOT_REQUESTED),
    "declined": (4471, {"request": True}, False, DECLINED),
    "presented": (4472, {"request": True}, True, PRESENTED),
    "rejected": (4473, {"required": True}, False, REJECTED),
}


def truth_of(kind, version):
    truth = KINDS[kind][3]
    # behind ServerHello everything is encrypted: how many messages there were is not known
    return truth if version == "1.2" else replace(truth, version="1.3", evidence="inferred", messages=None)


class Link:
    """Two namespaces, a veth pair, and a server of each kind for each version."""

    CLIENT, SERVER = "10.97.3.1", "10.97.3.2"

    def __init__(self, stack, keys, tracer):
        self.tracer, self._port = tracer, 20000
        self.client = stack.enter_context(contextlib.closing(Namespace("client")))
        self.server = stack.enter_context(contextlib.closing(Namespace("server")))
        join_by_veth(self.client, self.server, [f"{self.CLIENT}/24"], [f"{self.SERVER}/24"])
        self._contexts = {}
        for offset, (version, number) in enumerate(VERSIONS.items()):
            for port, how, certificate, _ in KINDS.values():
                context = endpoints.context(keys, True, version=number, **how)
                server = endpoints.Server(self.server, self.SERVER, port + 10 * offset, context)
                stack.callback(server.close)
            for certificate in (False, True):
                name = "client.crt" if certificate else None
                self._contexts[version, certificate] = endpoints.context(keys, False, certificate=name, version=number)

    def shake_hands(self, kind, version):
        """Returns the client's address and port."""
        port, _, certificate, truth = KINDS[kind]
        address = self.SERVER, port + 10 * list(VERSIONS).index(version)
        self._port += 1
        source = self.CLIENT, self._port
        try:
            endpoints.connect(self.client, address, self._contexts[version, certificate], source, timeout=30)
        except OSError as error:
            # an alert, or the reset behind it where that comes first
            if truth.established:
                raise Failure(f"{source}: {error}") from None
        else:
            expect(truth.established, True, "the server went on")
        return source

    def shake_hands_and_check(self, kinds, version, rounds=1):
        done = [(kind, self.shake_hands(kind, version)) for _ in range(rounds) for kind in kinds]
        wrong = []
        for kind, source in done:
            try:
                self.tracer.check(source, truth_of(kind, version))
            except Failure as failure:
                wrong.append(f"{kind}: {failure}")
        if wrong:
            raise Failure(f"{len(wrong)} of {len(done)} handshakes: {'; '.join(wrong[:3])}")
        return f"{len(done)} handshakes" if len(done) > 1 else None

    def impair(self):
        for namespace in (self.client, self.server):
            # as separate segments, else a flight is one packet to netem
            namespace.ip("link", "set", "veth0", "mtu", "576", "gso_max_segs", "1")
            try:
                namespace.tc("qdisc", "add", "dev", "veth0", "root", "netem", *NETEM)
            except RuntimeError as error:
                if "qdisc kind is unknown" in str(error):
                    raise Skip("this kernel has no netem") from None
                raise

    def repair(self):
        for namespace in (self.client, self.server):
            with contextlib.suppress(RuntimeError):
                namespace.tc("qdisc", "del", "dev", "veth0", "root")


def library(link):
    """Probes in the TLS library of this process, which is all ends: behind ServerHello they see what no packet shows."""
    kinds = [kind for kind in KINDS if KINDS[kind][3].established]
    with Tracer("--library", "auto") as tracer:

        def probed():
            source = link.shake_hands("presented", "1.3")
            records = tracer.wait(source, "server")
            return records and records[0]["mtls"]["evidence"] == "library"

        wait_until(probed, "a handshake seen by the library", 20)
        for kind in kinds:
            source = link.shake_hands(kind, "1.3")
            tracer.check(source, replace(truth_of(kind, "1.3"), evidence="library"))
        return f"{len(kinds)} handshakes"


def dropped(namespace):
    return sum(map(int, re.findall(r"dropped (\d+)", namespace.tc("-s", "qdisc"))))


def impaired(link, version):
    try:
        link.impair()
        kinds = [kind for kind in KINDS if KINDS[kind][3].established]
        remark = link.shake_hands_and_check(kinds, version, ROUNDS)
        lost = dropped(link.client) + dropped(link.server)
        expect(lost > 0, True, "netem lost packets")
        return f"{remark}, {lost} packets lost"
    finally:
        link.repair()


def run(suite, stack, keys, tracer):
    link = Link(stack, keys, tracer)
    for version in VERSIONS:
        for kind in KINDS:
            suite.run(f"veth: TLS {version}, {kind}", link.shake_hands_and_check, [kind], version)
    for version in VERSIONS:
        suite.run(f"veth: TLS {version}, netem loses, repeats and reorders", impaired, link, version)
    suite.run("library: TLS 1.3, exactly", library, link)
