#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Read handshakes of TLS 1.3 with their secrets, from the capture file and from a key log.

keyed/tls-1.3.pcapng holds s_client and s_server of OpenSSL 3.0 on the loopback interface, with the secrets in a Decryption
Secrets Block (editcap --inject-secrets). What is expected follows from how the two were called; tshark decrypts the same
messages.

usage: decrypted.py [PROGRAM]
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

KEYED = pathlib.Path(__file__).resolve().parent / "keyed"
CAPTURE, KEYS = KEYED / "tls-1.3.pcapng", KEYED / "tls-1.3.keys"
SECONDS = 60
ASKED = "c1 s2 s8 s13 s11 s15 s20"
EXPECTED = [  # client_auth, answer, alert, messages
    ("not_requested", None, None, "c1 s2 s8 s11 s15 s20 c20"),
    ("presented", "certificate", None, ASKED + " c11 c15 c20"),
    ("declined", "empty", None, ASKED + " c11 c20"),
    ("rejected_without_certificate", "empty", "certificate_required", ASKED + " c11 c20"),
    ("presented", "certificate", None, ASKED + " c11 c15 c20"),  # ChaCha20-Poly1305
    ("presented", "certificate", None, ASKED + " c11 c15 c20"),  # AES-CCM
    ("presented", "certificate", None, "c1 s2 " + ASKED + " c11 c15 c20"),  # HelloRetryRequest
    ("presented", "certificate", None, ASKED + " c11 c15 c20"),  # both sides pad their records
]


def read(program, path, *options):
    """Returns (evidence, (client_auth, answer, alert, messages)) of each record."""
    result = subprocess.run([program, "--json", "-r", str(path), *options], capture_output=True, timeout=SECONDS, check=True)
    records = []
    for line in result.stdout.splitlines():
        mtls = json.loads(line)["mtls"]
        messages = " ".join("%s%d" % (message["from"][0], message["type"]) for message in mtls["messages"])
        alert = mtls["alert"] and mtls["alert"]["description"]
        records.append((mtls["evidence"], (mtls["client_auth"], mtls.get("answer"), alert, messages)))
    return records


def without_secrets(directory):
    path = pathlib.Path(directory) / "plain.pcapng"
    data, at, kept = CAPTURE.read_bytes(), 0, b""
    while at < len(data):
        size = int.from_bytes(data[at + 4:at + 8], "little")
        if int.from_bytes(data[at:at + 4], "little") != 10:
            kept += data[at:at + size]
        at += size
    path.write_bytes(kept)
    return path


def expect(name, actual, expected):
    print("PASS decrypted/" + name if actual == expected else "FAIL decrypted/%s: %s, expected %s" % (name, actual, expected))
    return actual == expected


def asked_by_tshark():
    """How many CertificateRequests tshark decrypts."""
    result = subprocess.run(["tshark", "-r", str(CAPTURE), "-Y", "tls.handshake.type == 13"], capture_output=True,
                            timeout=SECONDS, check=False)
    return len(result.stdout.splitlines())


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else str(KEYED.parent.parent.parent / "build" / "mtlsnoop")
    expected = [("decrypted", facts) for facts in EXPECTED]
    with tempfile.TemporaryDirectory() as directory:
        plain = without_secrets(directory)
        passed = [expect("secrets in the file", read(program, CAPTURE), expected),
                  expect("--keylog", read(program, plain, "--keylog", str(KEYS)), expected),
                  expect("no secrets: nothing is decrypted", [evidence for evidence, _ in read(program, plain)
                                                               if evidence == "decrypted"], []),
                  expect("secrets of others", read(program, plain, "--keylog", "/dev/null"), read(program, plain))]
    if shutil.which("tshark"):
        passed.append(expect("tshark: as many requests", asked_by_tshark(),
                             sum("s13" in messages for _, _, _, messages in EXPECTED)))
    sys.exit(not all(passed))


if __name__ == "__main__":
    main()
