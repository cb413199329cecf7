# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The truth that a record is compared with."""

from dataclasses import dataclass

from harness import Failure, HookTracer, expect


@dataclass(frozen=True)
class Truth:
    """The expected fields of a record; None if the case leaves a field open."""

    client_auth: str
    requested: bool
    answer: str
    messages: tuple = None
    version: str = "1.2"
    evidence: str = "cleartext"
    established: bool = True


# RFC 5246 section 7.3: the order of a full handshake is fixed
HELLOS, REQUEST, DONE, KEY_EXCHANGE = (1, 2, 11, 12), (13,), (14,), (16,)
NOT_REQUESTED = Truth("not_requested", False, None, HELLOS + DONE + KEY_EXCHANGE)
DECLINED = Truth("declined", True, "empty", HELLOS + REQUEST + DONE + (11,) + KEY_EXCHANGE)
PRESENTED = Truth("presented", True, "certificate", HELLOS + REQUEST + DONE + (11,) + KEY_EXCHANGE + (15,))


def handshake_types(record):
    return tuple(step["type"] for step in record["mtls"]["messages"])


def differences(record, truth):
    """The differences between a record and the truth, as texts."""
    mtls = record["mtls"]
    pairs = [
        ("client_auth", mtls.get("client_auth"), truth.client_auth),
        ("reason", mtls.get("reason"), None),
        ("requested", mtls.get("requested"), truth.requested),
        ("answer", mtls.get("answer"), truth.answer),
        ("evidence", mtls.get("evidence"), truth.evidence),
        ("version", record.get("tls", {}).get("version"), truth.version),
        ("established", record.get("tls", {}).get("established"), truth.established),
    ]
    if truth.messages is not None:
        pairs.append(("messages", handshake_types(record), truth.messages))
    return [f"{what} {actual!r}, expected {expected!r}" for what, actual, expected in pairs if actual != expected]


class Tracer(HookTracer):
    """A tracer whose records are checked against the truth."""

    def check(self, client, truth, roles=("client", "server")):
        """In each of the roles the client must have one record, and the record must equal the truth."""
        for role in roles:
            found = self.wait(client, role)
            expect(len(found), 1, f"records of {client[0]}:{client[1]} as {role}")
            wrong = differences(found[0], truth)
            if wrong:
                raise Failure(f"{role}: {'; '.join(wrong)}")
