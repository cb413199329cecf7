#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Hold what mtlsnoop -r tells of other people's captures against what two other parsers read in them.

The captures and the truth about them (truth.tsv, one row per stream) lie beside the repository; where they do not, this
skips. One line per capture file. A difference that is known to be right stands in exceptions.tsv with its reason; one
that is gone fails, so that the list cannot grow old.

usage: check.py [PROGRAM [PART-OF-A-PATH]]
"""
import collections
import csv
import ipaddress
import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
CAPTURES = REPOSITORY.parent / "shared" / "captures"
SECONDS_PER_FILE = 60

VERSIONS = {"SSLv2": "2.0", "SSLv3": "3.0", "TLS1.0": "1.0", "TLS1.1": "1.1", "TLS1.2": "1.2", "TLS1.3": "1.3",
            "DTLS1.0": "1.0", "DTLS1.2": "1.2"}
CHANGE_CIPHER_SPEC, HANDSHAKE, FINISHED, ALERT_FATAL = 20, 22, "20", "2"
HANDSHAKE_TYPES = {0, 1, 2, 3, 4, 11, 12, 13, 14, 15, 16, 20, 21, 22, 23}  # in the clear: RFC 5246 and its extensions
ALERT_LEVELS = {"warning": "1", "fatal": "2"}
ALERTS = {  # RFC 5246 section 7.2, RFC 8446 section 6, RFC 6101 section 5.4
    "close_notify": 0, "unexpected_message": 10, "bad_record_mac": 20, "decryption_failed": 21, "record_overflow": 22,
    "decompression_failure": 30, "handshake_failure": 40, "no_certificate": 41, "bad_certificate": 42,
    "unsupported_certificate": 43, "certificate_revoked": 44, "certificate_expired": 45, "certificate_unknown": 46,
    "illegal_parameter": 47, "unknown_ca": 48, "access_denied": 49, "decode_error": 50, "decrypt_error": 51,
    "protocol_version": 70, "insufficient_security": 71, "internal_error": 80, "inappropriate_fallback": 86,
    "user_canceled": 90, "no_renegotiation": 100, "missing_extension": 109, "unsupported_extension": 110,
    "unrecognized_name": 112, "certificate_required": 116, "no_application_protocol": 120}


def read_rows(path):
    with open(path, encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


class Side:
    """What one side of a stream sent in the clear, as far as it is known."""

    def __init__(self):
        self.messages = []   # HandshakeType, in order
        self.changed = False  # ChangeCipherSpec
        self.encrypted = False  # an encrypted handshake record behind it
        self.whole = True    # no bytes are missing before the end of messages
        self.alerts = []     # (level, description)


class Truth:
    """A row of truth.tsv as what mtlsnoop is to tell of it."""

    def __init__(self, row):
        self.row = row
        self.dtls = row["kind"] == "DTLS"
        self.client = endpoint(row["client"], row["cport"])
        self.server = endpoint(row["server"], row["sport"])
        self.sides = {"client": Side(), "server": Side()}
        for word in row["msgs"].split():
            who, what = word.split(":", 1)
            self.add("client" if who == "c" else "server", what.rstrip("!~"))
        # a message of which the capture has the beginning alone: mtlsnoop tells it by its header
        for word in row["framing"].replace("; ", ";").split("partial=")[1:]:
            what = word.split(";")[0].split()
            who, number = what[0].split(":")
            if what[1:] == ["partial"] and int(number) in HANDSHAKE_TYPES:
                self.add("client" if who == "c" else "server", number)
        # of a stream whose ClientHello was not captured the row may have the roles the other way round
        if not self.dtls or self.sides["client"].messages[:1] != [2]:
            return
        self.client, self.server = self.server, self.client
        self.sides = {"client": self.sides["server"], "server": self.sides["client"]}

    def add(self, who, what):
        side = self.sides[who]
        if not side.whole or side.encrypted:
            return  # behind a hole nothing is certain; behind Finished everything is encrypted
        if what == "v2:1":
            side.messages.append(1)  # an SSL 2.0 compatible ClientHello
        elif what == "HOLE":
            side.whole = False
        elif what == "CCS":
            side.changed = True
        elif self.row["kind"] == "SSLv2":
            pass  # SSL 2.0 itself is not read
        elif what == "E" or (side.changed and what == FINISHED and "NULLcipher" in self.row["framing"]):
            side.encrypted = True
        elif what.startswith("A"):
            side.alerts.append(tuple(what[1:].split(".")))
        else:
            side.messages.append(int(what))

    def has_hello(self):
        return any(1 in side.messages or 2 in side.messages for side in self.sides.values())

    def has_hole(self):
        return not all(side.whole for side in self.sides.values())

    def name(self):
        return "stream %s (%s -> %s)" % (self.row["stream"], show(self.client), show(self.server))


def endpoint(address, port):
    return (ipaddress.ip_address(address), int(port)) if address else None


def show(end):
    return "%s:%d" % end if end else "-"


class Told:
    """A line of mtlsnoop's."""

    def __init__(self, line):
        self.line = line
        self.mtls = line["mtls"]
        self.tls = line.get("tls") or {}
        self.client = endpoint(line["source"]["ip"], line["source"]["port"])
        self.server = endpoint(line["destination"]["ip"], line["destination"]["port"])
        self.dtls = line["network"]["transport"] == "udp"

    def messages(self, who):
        # the truth is what stands there in cleartext; a file with secrets in it shows more
        return [message["type"] for message in self.mtls["messages"]
                if message["from"] == who and message.get("evidence") != "decrypted"]

    def has_record(self, who, content_type):
        return any(record["from"] == who and record["content_type"] == content_type
                   for record in self.mtls.get("records", []))

    def signature(self):
        return (self.client, self.server, [(m["from"], m["type"], m["length"]) for m in self.mtls["messages"]])

    def name(self):
        return "%s -> %s" % (show(self.client), show(self.server))


def without_repetitions(messages):
    """DTLS sends a flight again until it is answered; the truth has every copy."""
    return [m for i, m in enumerate(messages) if i == 0 or m != messages[i - 1]]


def compare_side(truth, told, who):
    side = truth.sides[who]
    expected, actual = side.messages, told.messages(who)
    if truth.dtls:
        expected, actual = without_repetitions(expected), without_repetitions(actual)
    if not side.whole:
        actual = actual[:len(expected)]
    if actual != expected:
        yield "%s's messages are %s, expected %s" % (who, actual, expected)
    if truth.dtls:
        return  # the truth has no records of DTLS
    for what, content_type, expected in (("ChangeCipherSpec", CHANGE_CIPHER_SPEC, side.changed),
                                         ("encrypted handshake record", HANDSHAKE, side.encrypted)):
        actual = told.has_record(who, content_type)
        if actual != expected and (expected or side.whole):
            yield "%s's %s is %s, expected %s" % (who, what, actual, expected)


def compare_alert(truth, told):
    """The alert told is the one that ended the handshake, or else the last one."""
    alerts = [(who, level, description) for who, side in truth.sides.items() for level, description in side.alerts]
    if not alerts or truth.has_hole():
        return
    fatal = [alert for alert in alerts if alert[1] == ALERT_FATAL]
    alert = told.mtls.get("alert")
    actual = alert and (alert["from"], ALERT_LEVELS.get(alert["level"]),
                        str(ALERTS.get(alert["description"], alert["description"])))
    if actual not in (fatal or alerts):
        yield "alert is %s, expected one of %s" % (actual, fatal or alerts)


def compare_answers(truth, told):
    row, mtls = truth.row, told.mtls
    requested = {"yes": True, "no": False}.get(row["certreq"])
    if row["tls13_certreq_decrypted"] in ("yes", "no"):
        requested = row["tls13_certreq_decrypted"] == "yes"
    actual = mtls.get("requested")
    if requested is not None and actual is not None and actual != requested:
        yield "requested is %s, expected %s" % (actual, requested)
    if row["certreq"] == "yes" and not truth.has_hole() and actual is not True:
        yield "requested is %s, expected True" % actual
    if row["ccert"] == "yes" and row["certreq"] == "yes" and row["ccert_n"] and not truth.dtls:
        expected = "certificate" if int(row["ccert_n"]) else "empty"
        if mtls.get("answer") != expected:
            yield "answer is %s, expected %s" % (mtls.get("answer"), expected)
    if row["ccert"] == "no" and mtls.get("evidence") == "cleartext" and mtls.get("answer") in ("certificate", "empty"):
        yield "answer is %s, expected none" % mtls.get("answer")


def compare_names(truth, told):
    version = VERSIONS.get(truth.row["version"])
    if version and 2 in truth.sides["server"].messages and told.tls.get("version") != version:
        yield "version is %s, expected %s" % (told.tls.get("version"), version)
    expected = truth.row["sni"]
    actual = (told.tls.get("client") or {}).get("server_name", "")
    if expected and actual.lower() != expected.lower():
        yield "server_name is %r, expected %r" % (actual, expected)


def differences(truth, told):
    """What is wrong in a line about a stream."""
    found = []
    if (told.client, told.server) != (truth.client, truth.server):
        found.append("the client is %s, expected %s" % (show(told.client), show(truth.client)))
    for who in ("client", "server"):
        found += compare_side(truth, told, who)
    found += compare_alert(truth, told)
    found += compare_answers(truth, told)
    found += compare_names(truth, told)
    return found


def is_same_stream(truth, told):
    return told.dtls == truth.dtls and {told.client, told.server} == {truth.client, truth.server}


def check_stream(truth, lines):
    """Returns what is wrong with what the lines tell of the stream, and takes its line out of them."""
    candidates = [told for told in lines if is_same_stream(truth, told)]
    if not truth.has_hello():
        # nothing shows that it is TLS, or what was negotiated: to say anything but unknown would be a guess
        found = ["%s is told of a stream without a hello" % told.mtls["client_auth"]
                 for told in candidates if told.mtls["client_auth"] != "unknown"]
        for told in candidates:
            lines.remove(told)
        return found
    if not candidates:
        return ["nothing is told, expected client %s server %s" % (truth.sides["client"].messages,
                                                                  truth.sides["server"].messages)]
    judged = sorted(((differences(truth, told), index) for index, told in enumerate(candidates)),
                    key=lambda pair: (len(pair[0]), pair[1]))
    lines.remove(candidates[judged[0][1]])
    return judged[0][0]


def run(program, path):
    """Returns the lines told and what is wrong with the run itself."""
    result = subprocess.run([program, "--json", "-r", str(path)], capture_output=True, timeout=SECONDS_PER_FILE,
                            check=False)
    error = result.stderr.decode("utf-8", "replace").strip()
    lines = [Told(json.loads(line)) for line in result.stdout.splitlines()]
    if result.returncode:
        return lines, ["exit status is %d, expected 0: %s" % (result.returncode, error)]
    return lines, []


def check_renegotiations(rows, again):
    """
    Returns [(stream, difference)]: of each stream as many are told that were completed as there are pairs of ChangeCipherSpec
    behind the first.
    """
    expected = collections.Counter()
    for row in rows:
        if row["kind"] == "TLS" and row["reneg"]:
            truth = Truth(row)
            expected[truth.client, truth.server] += int(row["reneg"]) // 2
    completed = collections.Counter((told.client, told.server) for told in again if told.tls.get("established"))
    found = [("file", "%s -> %s: %d renegotiations are told, expected %d" % (show(ends[0]), show(ends[1]), completed[ends],
                                                                         expected[ends]))
             for ends in sorted(expected.keys() | completed.keys(), key=str) if completed[ends] != expected[ends]]
    return found + [("none", "%s: a renegotiation that was not completed" % told.name())
                    for told in again if not told.tls.get("established")]


def check_file(program, path, rows):
    """Returns [(stream, difference)]."""
    lines, wrong = run(program, path)
    found = [("file", what) for what in wrong]
    found += check_renegotiations(rows, [told for told in lines if told.mtls.get("renegotiation")])
    lines = [told for told in lines if not told.mtls.get("renegotiation")]
    signatures = collections.Counter(str(told.signature()) for told in lines)
    for row in rows:
        # TLS inside QUIC, EAP, OpenVPN is out of scope; of what is in doubt nothing is asserted
        if row["kind"] not in ("TLS", "DTLS", "SSLv2"):
            continue
        truth = Truth(row)
        if row["oracle"].startswith("doubt"):
            lines = [told for told in lines if not is_same_stream(truth, told)]
            continue
        found += [(row["stream"], "%s: %s" % (truth.name(), what)) for what in check_stream(truth, lines)]
    for told in lines:
        # some captures hold the same packets twice, far apart in time: two connections here, one in the truth
        if signatures[str(told.signature())] == 1:
            found.append(("none", "%s is told, expected nothing: client %s server %s"
                          % (told.name(), told.messages("client"), told.messages("server"))))
    return found


def read_exceptions():
    return {(row["path"], row["stream"]): row["reason"] for row in read_rows(HERE / "exceptions.tsv")}


def report(name, found, exceptions):
    expected = {stream for path, stream in exceptions if path == name}
    wrong = ["%s" % what for stream, what in found if stream not in expected]
    wrong += ["stream %s: there is no difference any more, but an exception" % stream
              for stream in sorted(expected - {stream for stream, _ in found})]
    print("FAIL %s: %s" % (name, "; ".join(wrong)) if wrong else "PASS %s" % name, flush=True)
    return not wrong


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else str(REPOSITORY / "build" / "mtlsnoop")
    wanted = sys.argv[2] if len(sys.argv) > 2 else ""
    if not (CAPTURES / "truth.tsv").exists():
        print("SKIP captures: there are none in %s" % CAPTURES)
        return 0
    rows = collections.defaultdict(list)
    for row in read_rows(CAPTURES / "truth.tsv"):
        rows[row["repo"] + "/" + row["path"]].append(row)
    with open(CAPTURES / "index.tsv", encoding="utf-8") as index:
        names = ["/".join(line.split("\t")[:2]) for line in index]
    exceptions = read_exceptions()
    good = True
    for name in names:
        if wanted in name and (CAPTURES / name).is_file():
            good &= report(name, check_file(program, CAPTURES / name, rows[name]), exceptions)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
