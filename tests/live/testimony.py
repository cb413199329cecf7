# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the programs at both ends say of a handshake themselves: the check of the rules in matrix.py."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Testimony:
    """One handshake. None where the program does not say."""

    completed: bool
    resumed: bool
    requested: bool = None
    answer: str = None  # "certificate" or "empty", of a client that was asked
    seen: bool = None  # whether the server says that it has the client's certificate


def server_saw(text):
    """nginx: $ssl_client_verify in the answer; s_server -www: the page that it makes."""
    nginx = re.search(r"^verify=(SUCCESS|FAILED|NONE)", text, re.MULTILINE)
    if nginx:
        return nginx[1] != "NONE"
    if "no client certificate available" in text:
        return False
    return True if "\nClient certificate\n" in text else None


def _of_curl(part):
    requested = "TLS handshake, Request CERT (13)" in part
    answer = "certificate" if "(OUT), TLS handshake, CERT verify (15)" in part else "empty"
    # in TLS 1.3 the client has completed the handshake when the server's alert comes
    refused = re.search(r"\(IN\), TLS alert, (?!close notify)", part)
    completed = "SSL connection using" in part and "\n< HTTP/1" in part and not refused
    return Testimony(completed=completed,
                     resumed=completed and "(IN), TLS handshake, Certificate (11)" not in part,
                     requested=requested,
                     answer=answer if requested else None,
                     seen=server_saw(part))


def of_curl(outputs):
    # what comes before the first connection belongs to none
    return [_of_curl(part) for part in outputs[0].split("* Connected to ")[1:]]


def _of_openssl(output):
    completed = "SSL alert number" not in output and "exit status 0" in output
    resumed = completed and bool(re.search(r"^Reused, ", output, re.MULTILINE))
    # all servers of the matrix name authorities when they ask
    requested = "Acceptable client certificate CA names" in output
    # s_client tells of a certificate request again where it resumes: out of the session
    return Testimony(completed=completed, resumed=resumed, requested=None if resumed else requested,
                     seen=server_saw(output))


def of_openssl(outputs):
    return [_of_openssl(output) for output in outputs]


def _of_gnutls(part):
    sent = re.search(r"Successfully sent (\d+) certificate", part)
    completed = "andshake was completed" in part and "Received alert" not in part
    answer = None
    if sent:
        answer = "certificate" if int(sent[1]) else "empty"
    return Testimony(completed=completed, resumed="*** This is a resumed session" in part, requested=bool(sent),
                     answer=answer, seen=server_saw(part))


def of_gnutls(outputs):
    return [_of_gnutls(part) for part in re.split(r"- Connecting again", outputs[0])]


READERS = {"curl": of_curl, "openssl": of_openssl, "gnutls": of_gnutls}
