#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Write the packets of the project's own captures (--write), and read them again: the records are the same, and no byte of
application data is in the file.

usage: evidence.py [PROGRAM]
"""
import json
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SECONDS = 60
LATER = "renegotiation"  # the handshake within an established connection is not written: only the first one is compared


def read(program, path, *options):
    """Returns the records without what differs from run to run."""
    result = subprocess.run([program, "--json", "-r", str(path), *options], capture_output=True, timeout=SECONDS, check=True)
    records = [json.loads(line) for line in result.stdout.splitlines()]
    for record in records:
        del record["event"]["id"]
    return [record for record in records if not record["mtls"].get("renegotiation")]


def difference(before, after):
    """Returns a text, empty where the records are the same."""
    if len(before) != len(after):
        return "%d records, expected %d" % (len(after), len(before))
    for old, new in zip(before, after):
        if old != new:
            return "the record is %s, expected %s" % (json.dumps(new), json.dumps(old))
    return ""


def content_of(path):
    """The payload of a record of application data, as a capture in clear bytes: the longest run that is not zero."""
    blocks, at, found = path.read_bytes(), 0, []
    while at < len(blocks):
        kind, size = int.from_bytes(blocks[at:at + 4], "little"), int.from_bytes(blocks[at + 4:at + 8], "little")
        if kind == 6:
            captured = int.from_bytes(blocks[at + 20:at + 24], "little")
            found.append(blocks[at + 28:at + 28 + captured])
        at += size
    return found


def application_data(packets):
    """Returns the first record of type 23 whose content is not blank, b'' where there is none."""
    for packet in packets:
        at = packet.find(b"\x17\x03\x03")
        if at >= 0:
            size = int.from_bytes(packet[at + 3:at + 5], "big")
            content = packet[at + 5:at + 5 + size]
            if content.strip(b"\0"):
                return content
    return b""


def check(program, path, directory):
    written = directory / (path.stem + ".pcapng")
    before = read(program, path, "--write", str(written))
    wrong = difference(before, read(program, written))
    if not wrong and before and not content_of(written):
        wrong = "no packet was written"
    if not wrong and path.stem.startswith("tls-1.3") and application_data(content_of(written)):
        wrong = "application data was written"
    return wrong


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else str(HERE.parent.parent / "build" / "mtlsnoop")
    failed = False
    with tempfile.TemporaryDirectory() as directory:
        for path in sorted((HERE / "own").glob("*.pcap*")):
            wrong = check(program, path, pathlib.Path(directory))
            failed |= bool(wrong)
            print("%s evidence/%s%s" % ("FAIL" if wrong else "PASS", path.name, wrong and ": " + wrong))
    sys.exit(failed)


if __name__ == "__main__":
    main()
