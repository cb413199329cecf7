# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a record has to say of a handshake whose outcome is known, and where it says something else."""

import functools
import hashlib
import ssl
import subprocess
from datetime import datetime

from harness.certificates import AUTHORITY
from harness import Failure

ABSENT = object()


def field(record, path):
    """The value at "tls.client.subject"; ABSENT where there is none."""
    for key in path.split("."):
        if not isinstance(record, dict) or key not in record:
            return ABSENT
        record = record[key]
    return record


def verdict_fields(outcome, version):
    """
    In TLS 1.3 the same verdict is reached by the lengths of encrypted records; but for a resumption: that is to be read
    in ServerHello. What ended it is encrypted.
    """
    encrypted = version == "1.3"
    fields = {
        "mtls.client_auth": outcome.client_auth,
        "mtls.requested": outcome.requested,
        "mtls.answer": outcome.answer,
        "mtls.reason": None,
        "mtls.evidence": "inferred" if encrypted and not outcome.resumed else "cleartext",
        "tls.established": outcome.completed,
        "tls.resumed": outcome.resumed,
        "event.outcome": "success" if outcome.completed else "failure",
    }
    if outcome.completed:
        fields.update({"mtls.end": "completed", "mtls.ended_by": ABSENT})
    elif not encrypted:
        fields.update({"mtls.end": "alert", "mtls.ended_by": "server"})
    return fields


def sha256_of(pair):
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pair.certificate.read_text())).hexdigest().upper()


def certificate_fields(outcome, version, pair):
    """A certificate that went over the wire in cleartext is named. ECS wants its hash in capitals."""
    if version == "1.3" or outcome.answer != "certificate":
        return {"tls.client.subject": ABSENT, "tls.client.hash.sha256": ABSENT}
    return {"tls.client.subject": pair.subject, "tls.client.hash.sha256": sha256_of(pair)}


def request_fields(outcome, version):
    """A request that went over the wire in cleartext is told of: the servers name one authority."""
    path = "mtls.certificate_request.authorities"
    return {path: [AUTHORITY] if outcome.requested and version != "1.3" else ABSENT}


@functools.cache
def cipher_suites():
    """The registry's names by number, as openssl has them."""
    command = ["openssl", "ciphers", "-V", "-stdname", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"]
    names = {}
    for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines():
        high, low = line.split()[0].split(",")
        names[int(high, 16) << 8 | int(low, 16)] = line.split()[2]
    return names


ALERTS = {"40": "handshake_failure", "42": "bad_certificate", "48": "unknown_ca", "49": "access_denied",
          "50": "decode_error", "116": "certificate_required", "112": "unrecognized_name"}


def oracle_fields(conversation, version):
    """What tshark has of the same connection."""
    fields = {
        "source.ip": conversation.client[0],
        "source.port": conversation.client[1],
        "destination.ip": conversation.server[0],
        "destination.port": conversation.server[1],
        "tls.client.server_name": conversation.server_name,
    }
    if conversation.cipher_suite is not None:
        fields["tls.cipher"] = cipher_suites()[conversation.cipher_suite]
    if conversation.alerts and version != "1.3":
        # the first fatal one ended the handshake: gnutls-serv sends another behind it
        fatal = [alert for alert in conversation.alerts if alert[1] == 2]
        side, _, description = fatal[0] if fatal else conversation.alerts[-1]
        fields["mtls.alert.from"] = side
        fields["mtls.alert.description"] = ALERTS[str(description)]
    else:
        fields["mtls.alert"] = None
    return fields


def field_differences(record, fields):
    found = []
    for path, expected in fields.items():
        actual = field(record, path)
        if actual is not expected and actual != expected:
            found.append(f"{path} is {_text(actual)}, expected {_text(expected)}")
    return found


def _text(value):
    return "absent" if value is ABSENT else repr(value)


def message_differences(record, conversation):
    """Type and length of each message in cleartext, in each direction in its order."""
    found = []
    for side, expected in conversation.messages.items():
        actual = [(step["type"], step["length"]) for step in record["mtls"]["messages"] if step["from"] == side]
        if actual != expected:
            found.append(f"messages from {side} (type, length) are {actual}, tshark has {expected}")
    return found


def type_differences(record, types):
    found = []
    for side, expected in types.items():
        actual = [step["type"] for step in record["mtls"]["messages"] if step["from"] == side]
        if actual != expected:
            found.append(f"types from {side} are {actual}, expected {expected}")
    return found


def time_differences(record, started, ended):
    """started, ended: the time around the client's run, in seconds since the epoch."""
    found = []
    start = datetime.fromisoformat(record["@timestamp"]).timestamp()
    seconds = record["event"]["duration"] / 1e9
    # the end of a connection may come after that of its client
    if not started <= start <= ended or start + seconds > ended + 1:
        found.append(f"from {start:.6f} for {seconds:.6f} s, the client ran from {started:.6f} to {ended:.6f}")
    times = [step["us"] for step in record["mtls"]["messages"]]
    if times != sorted(times) or times[:1] != [0]:
        found.append(f"times of the messages are {times}, expected to start at 0 and to grow")
    # an answer that is encrypted has no time
    answered = record["mtls"].get("answer") is not None and record["mtls"]["evidence"] == "cleartext"
    if ("request_to_answer_us" in record["mtls"]) != answered:
        actual = _text(field(record, "mtls.request_to_answer_us"))
        found.append(f"request_to_answer_us is {actual}, answered in cleartext: {answered}")
    return found


def role_fields(role):
    return {"mtls.role": role, "network.direction": "ingress" if role == "server" else "egress"}


def demand(differences):
    if differences:
        raise Failure("; ".join(differences))


def by_role(records, name, count=1):
    """The records of the server's end and of the client's, count of each, in the order of their time."""
    found = {}
    for role in ("server", "client"):
        of_role = [record for record in records if record["mtls"]["role"] == role]
        if len(of_role) != count:
            raise Failure(f"{len(of_role)} records as {role} of {name}, expected {count}")
        found[role] = sorted(of_role, key=lambda record: record["@timestamp"])
    if len(records) != 2 * count:
        raise Failure(f"{len(records)} records of {name}, expected {2 * count}")
    return found
