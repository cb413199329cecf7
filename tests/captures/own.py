#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Read the project's own captures: own/TESTLIST says what each of them holds. Where tshark is installed, it reads the
messages of each a second time, so that the list is not mtlsnoop's word against its author's.

tshark takes its time: it reads every fifth capture, with `all` every one.

usage: own.py [PROGRAM [all]]
"""
import json
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
SECONDS = 60
SAMPLE = 5
# what tshark cannot tell: it passes over a message behind bytes that were not captured
TSHARK_CANNOT = {"short.pcap"}


def read_list(path):
    """Yields (capture, options, [expected handshake])."""
    entry = None
    for line in path.read_text(encoding="ascii").splitlines():
        if line.startswith("\t"):
            entry[2].append(line.strip())
        elif line and not line.startswith("#"):
            if entry:
                yield entry
            name, *options = line.split(" ")
            entry = (name, options, [])
    if entry:
        yield entry


def address(end):
    return ("[%s]:%d" if ":" in end["ip"] else "%s:%d") % (end["ip"], end["port"])


def facts(line):
    """A line of JSON as the fields that a list may name."""
    mtls, tls = line["mtls"], line.get("tls", {})
    words = {True: "yes", False: "no", None: "unknown"}
    told = {who: ",".join(str(message["type"]) for message in mtls["messages"] if message["from"] == who)
            for who in ("client", "server")}
    alert = mtls.get("alert")
    return {**told, "client_auth": mtls["client_auth"], "requested": words[mtls.get("requested")],
            "answer": mtls.get("answer"), "evidence": mtls["evidence"], "reason": mtls.get("reason"),
            "version": tls.get("version"), "renegotiation": words[mtls.get("renegotiation", False)], "established": words[tls.get("established")],
            "alert": alert and "%s:%s" % (alert["from"], alert["description"])}


def compare(expected, line):
    """Returns what is wrong."""
    transport, client, server, *fields = expected.split(" ")
    actual = [line["network"]["transport"], address(line["source"]), address(line["destination"])]
    wrong = []
    if actual != [transport, client, server]:
        wrong.append("connection is %s, expected %s" % (actual, [transport, client, server]))
    told = facts(line)
    for field in fields:
        name, value = field.split("=")
        if told[name] != value:
            wrong.append("%s is %s, expected %s" % (name, told[name], value))
    return wrong


def check(program, path, options, expected):
    result = subprocess.run([program, "--json", *options, "-r", str(path)], capture_output=True, timeout=SECONDS,
                            check=False)
    if result.returncode:
        return ["exit status is %d, expected 0: %s" % (result.returncode, result.stderr.decode("utf-8", "replace"))]
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    if len(lines) != len(expected):
        return ["%d handshakes are told, expected %d" % (len(lines), len(expected))]
    return [what for want, line in zip(expected, lines) for what in compare(want, line)]


def messages_by_tshark(path):
    """Returns {(client, server): {who: [type]}} of the messages in cleartext, in tshark's reading."""
    ports = ["-d", "tcp.port==25,tls", "-d", "udp.port==443,dtls", "-o", "tcp.reassemble_out_of_order:TRUE"]
    fields = ["tls.handshake.type", "dtls.handshake.type", "tls.record.opaque_type"]
    result = subprocess.run(["tshark", "-r", str(path), *ports, "-T", "fields", "-e", "tcp.srcport", "-e", "udp.srcport",
                             *[word for field in fields for word in ("-e", field)]],
                            capture_output=True, timeout=SECONDS, check=True)
    told = {"client": [], "server": []}
    for line in result.stdout.decode().splitlines():
        tcp_port, udp_port, tls, dtls, _ = (line.split("\t") + [""] * 5)[:5]
        # of a tunnel the inner port comes last
        who = "server" if (tcp_port or udp_port).split(",")[-1] in ("443", "25") else "client"
        told[who] += [int(number) for number in (tls + "," + dtls).split(",") if number]
    return told


def without_repetitions(messages):
    return [m for i, m in enumerate(messages) if m not in messages[:i]]


def second_opinion(path, expected):
    """The same types of messages from each side, whatever the order in which tshark shows them."""
    told = messages_by_tshark(path)
    wrong = []
    for who in ("client", "server"):
        want = [int(number) for line in expected for field in line.split(" ") if field.startswith(who + "=")
                for number in field.split("=")[1].split(",")]
        if sorted(set(without_repetitions(want))) != sorted(set(told[who])):
            wrong.append("tshark reads %s from the %s, the list says %s" % (sorted(set(told[who])), who,
                                                                           sorted(set(want))))
    return wrong


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else str(HERE.parent.parent / "build" / "mtlsnoop")
    good = True
    tshark = shutil.which("tshark")
    every = 1 if "all" in sys.argv[2:] else SAMPLE
    for index, (name, options, expected) in enumerate(read_list(HERE / "own" / "TESTLIST")):
        wrong = check(program, HERE / "own" / name, options, expected)
        if tshark and index % every == 0 and name not in TSHARK_CANNOT:
            wrong += second_opinion(HERE / "own" / name, expected)
        print("FAIL own/%s: %s" % (name, "; ".join(wrong)) if wrong else "PASS own/%s" % name, flush=True)
        good &= not wrong
    if not tshark:
        print("SKIP own captures, second opinion: tshark is not installed")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
