# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The JSON line's contract: each field that may be there, and what it may hold. Anything else breaks a consumer."""

import ipaddress
import json
import re

CLIENT_AUTHS = {"not_requested", "presented", "declined", "rejected_certificate", "rejected_without_certificate",
                "unanswered", "resumed", "failed_before_request", "unknown", "psk", "not_tls"}
REASONS = {"encrypted", "gap", "midstream", "lost_events", "padding", "early_data", "malformed", "ssl2", "unfinished", "abandoned"}
SIDES = {"client", "server"}
FAILURES = {"certificate_required", "certificate_expired", "certificate_not_yet_valid", "certificate_revoked", "self_signed",
            "unknown_ca", "certificate_purpose", "bad_certificate", "bad_signature", "hostname_mismatch",
            "unsupported_version", "no_shared_cipher", "no_shared_signature_algorithm", "unrecognized_name",
            "no_application_protocol", "not_tls", "timeout", "closed", "reset", "other"}
SOURCES = {"library", "alert", "inferred"}


def number(minimum, maximum):
    # JSON's true is a Python bool, which is an int
    return lambda value: type(value) is int and minimum <= value <= maximum


def one_of(*values):
    # 1 is no true
    return lambda value: any(value == allowed and type(value) is type(allowed) for allowed in values)


def text(pattern):
    return lambda value: isinstance(value, str) and bool(re.fullmatch(pattern, value))


def address(value):
    try:
        return isinstance(value, str) and str(ipaddress.ip_address(value)) == value
    except ValueError:
        return False


def list_of(check):
    """check: what each member must hold, a function or an object's fields."""
    return [check]


NAME = text(r"[ -~]+")
COUNT = number(0, 2 ** 63 - 1)
KNOWN = one_of(True, False, None)

ENDPOINT = {"!ip": address, "!port": number(1, 65535)}
MESSAGE = {"!us": COUNT, "!from": one_of(*SIDES), "!type": number(0, 255), "name": NAME,
           "!length": number(0, 2 ** 24 - 1)}
RECORD = {"!us": COUNT, "!from": one_of(*SIDES), "!content_type": number(20, 24), "name": NAME,
          "!length": number(0, 2 ** 16 - 1)}

ID = text(r"[0-9a-f]{32}")
TIME = text(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
WORDS = text(r".+")
X509 = {"subject": {"!distinguished_name": WORDS}, "issuer": {"!distinguished_name": WORDS},
        "serial_number": text(r"[0-9A-F]+"), "not_before": TIME, "not_after": TIME,
        "alternative_names": list_of(text(r".*")), "public_key_algorithm": NAME, "public_key_size": number(1, 65535),
        "signature_algorithm": NAME, "extended_key_usage": list_of(NAME)}
HASH = {"!sha256": text(r"[0-9A-F]{64}")}
VERIFICATION = [None, {"!result": one_of("ok", *FAILURES), "code": number(-2 ** 31, 2 ** 31 - 1), "!source": one_of(*SOURCES)}]

# A name with ! is always there.
LINE = {
    "!@timestamp": text(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"),
    "!event": {
        "!id": ID, "!kind": one_of("event"), "!category": one_of(["network"]), "!action": one_of("tls-handshake"),
        "!outcome": one_of("success", "failure", "unknown"), "!duration": COUNT,
    },
    "host": {"name": NAME, "id": ID},
    "!source": ENDPOINT,
    "!destination": {**ENDPOINT, "nat": ENDPOINT},
    "!network": {
        "!transport": one_of("tcp", "udp"), "!type": one_of("ipv4", "ipv6"), "direction": one_of("ingress", "egress"),
        "protocol": one_of("tls", "dtls", "quic"), "netns": number(1, 2 ** 32 - 1),
    },
    "process": {"pid": number(1, 2 ** 31), "name": WORDS, "executable": WORDS, "command_line": WORDS},
    "user": {"!id": text(r"\d+"), "name": WORDS},
    "systemd": {"!unit": WORDS},
    "container": {"id": text(r"[0-9a-f]+"), "runtime": NAME},
    "orchestrator": {"!type": one_of("kubernetes"), "namespace": NAME, "resource": {"!type": one_of("pod"), "!name": NAME}},
    "kubernetes": {"pod": {"!uid": NAME}, "container": {"!name": NAME}},
    "!tls": {
        "version": one_of("1.0", "1.1", "1.2", "1.3", "3.0", "2.0"), "version_protocol": one_of("tls", "ssl", "dtls"),
        "cipher": text(r"TLS_[A-Z0-9_]+|\d+"), "!established": KNOWN, "!resumed": KNOWN, "next_protocol": NAME,
        "client": {
            "server_name": NAME, "subject": text(r".+"), "issuer": text(r".+"),
            "not_after": TIME, "hash": HASH, "x509": X509, "certificate_chain_length": COUNT,
        },
        "server": {"hash": HASH, "x509": X509, "certificate_chain_length": COUNT},
    },
    "!mtls": {
        "!role": one_of("server", "client", "observer"), "!client_auth": one_of(*CLIENT_AUTHS), "!requested": KNOWN,
        "answer": one_of("certificate", "empty", None), "!evidence": one_of("cleartext", "inferred", "library", "decrypted"),
        "!trusted": KNOWN, "!verification": {"!client": VERIFICATION, "!server": VERIFICATION},
        "!failure": [None, {"!reason": one_of(*FAILURES), "!by": one_of(None, *SIDES), "!source": one_of(*SOURCES),
                            "detail": NAME}],
        "hints": list_of(WORDS), "!corrects": [None, ID],
        "!reason": one_of(None, *REASONS),
        "!alert": [None, {"!level": one_of("warning", "fatal"), "!description": NAME, "!from": one_of(*SIDES)}],
        "!end": one_of("none", "completed", "alert", "closed", "reset", "timeout", "not_tls"),
        "ended_by": one_of(*SIDES), "request_to_answer_us": COUNT, "post_handshake_auth": one_of(True, False),
        "certificate_request": {
            "!certificate_types": list_of(number(0, 255)), "!signature_algorithms": list_of(number(0, 65535)),
            "!authorities": list_of(text(r".*")), "!authorities_total": COUNT,
        },
        "!messages": list_of(MESSAGE), "!records": list_of(RECORD), "messages_dropped": number(1, 2 ** 31),
    },
}


def _breaches(value, check, path):
    if isinstance(check, dict):
        return _object_breaches(value, check, path)
    if isinstance(check, list) and check[0] is None:
        return [] if value is None else _breaches(value, check[1], path)
    if isinstance(check, list):
        if not isinstance(value, list):
            return [f"{path} is {value!r}, expected a list"]
        return [breach for index, member in enumerate(value)
                for breach in _breaches(member, check[0], f"{path}[{index}]")]
    return [] if check(value) else [f"{path} is {value!r}"]


def _object_breaches(value, fields, path):
    if not isinstance(value, dict):
        return [f"{path} is {value!r}, expected an object"]
    found = []
    for name, check in fields.items():
        required, name = name.startswith("!"), name.removeprefix("!")
        if name in value:
            found += _breaches(value[name], check, f"{path}.{name}")
        elif required:
            found.append(f"{path}.{name} is missing")
    allowed = {name.removeprefix("!") for name in fields}
    found += [f"{path}.{name} is not in the contract" for name in value if name not in allowed]
    return found


def _no_duplicates(pairs):
    names = [name for name, _ in pairs]
    if len(names) != len(set(names)):
        raise ValueError(f"names twice in {names}")
    return dict(pairs)


def breaches(line):
    """What is wrong with a line of output; empty where nothing is."""
    if not line.endswith("\n"):
        return ["the line has no end"]
    try:
        record = json.loads(line, object_pairs_hook=_no_duplicates)
    except ValueError as error:
        return [f"not JSON: {error}"]
    found = _breaches(record, LINE, "")
    # the verdict's parts have to agree with each other
    mtls = record.get("mtls", {})
    if (mtls.get("failure") or {}).get("by") not in (None, mtls.get("ended_by")):
        found.append(f"failure by {mtls['failure']['by']!r}, ended by {mtls.get('ended_by')!r}")
    if (mtls.get("client_auth") == "unknown") != (mtls.get("reason") is not None):
        found.append(f"client_auth {mtls.get('client_auth')!r} with reason {mtls.get('reason')!r}")
    return found
