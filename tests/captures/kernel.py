#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Drive the kernel's walk with captures (build/tests/replay) and hold what comes of it against what mtlsnoop -r reads
in the same file: other people's captures, where they lie beside the repository, and the project's own, also in other
packets (variants.py). One line per file.

Both give the same record of each handshake, but for what the kernel cannot know of a capture. What that is is decided
by what truth.tsv and own/TESTLIST say of the capture, never by what was printed:

- late: the stream's SYN was not captured. The device program follows connections from their beginning: no record.
- no hello: the ClientHello was not captured. The program's record is the same, or unknown.
- hole: bytes of the stream were not captured. The program's record is the same, or unknown; of each side's messages and
  records either may know more than the other.

What the packets of a file show is read by tshark, where the two records differ:

- order: packets acknowledge bytes that stand behind them in the file, or the clock of the file runs backwards. The reader puts
  them in order, the kernel takes them as they come: the same record, at other times.
- acknowledged: bytes were received and not captured, or a side has no byte in the file. The reader knows of the loss: its
  record is the same, or unknown.
- decrypted: the file carries its secrets. The kernel has none.

How long a handshake took is compared where it ended by itself: else it is the time to the last packet that was told of,
and the program tells of no more packets than it has to.

usage: kernel.py [BUILD [PART-OF-A-PATH]]
"""
import collections
import csv
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import variants

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
CAPTURES = REPOSITORY.parent / "shared" / "captures"
OWN = HERE / "own"
SECONDS_PER_FILE = 20
SECONDS_FOR_ALL = 60

LATE, NO_HELLO, HOLE = "late", "no hello", "hole"
ORDER, ACKNOWLEDGED, DECRYPTED = "order", "acknowledged", "decrypted"
PACKET_FIELDS = ("frame.time_epoch", "ip.src", "ipv6.src", "tcp.srcport", "ip.dst", "ipv6.dst", "tcp.dstport", "tcp.seq_raw", "tcp.len",
                 "tcp.flags.syn", "tcp.flags.fin", "tcp.flags.ack", "tcp.ack_raw")
SECRETS = b"CLIENT_HANDSHAKE_TRAFFIC_SECRET"
CLIENT_HELLOS = {"c:1", "c:v2:1"}
ENDED_BY_ITSELF = {"completed", "alert", "reset", "not_tls"}
# of so many handshakes that the kernel finds, one direction may be handed over: or userspace is compared with itself
HANDED_OVER_MOST = 10


# What the captures are ----------------------------------------------------------------------------------------------

class Capture:
    """A file, and by pair of ends what of its streams the kernel cannot know."""

    def __init__(self, name, path, original=None):
        self.name = name
        self.path = path
        self.original = original  # the capture that this is a variant of
        self.allowed = collections.defaultdict(set)


def pair(first, second):
    return frozenset((first, second))


def shared_captures():
    captures = {}
    with open(CAPTURES / "index.tsv", encoding="utf-8") as index:
        for line in index:
            name = "/".join(line.split("\t")[:2])
            captures[name] = Capture(name, CAPTURES / name)
    with open(CAPTURES / "truth.tsv", encoding="utf-8", newline="") as truth:
        for row in csv.DictReader(truth, delimiter="\t", quoting=csv.QUOTE_NONE):
            capture = captures.get(row["repo"] + "/" + row["path"])
            if capture and row["client"] and row["kind"] in ("TLS", "SSLv2", "DTLS"):
                ends = pair((row["client"], int(row["cport"])), (row["server"], int(row["sport"])))
                capture.allowed[ends] |= allowed_by(row)
    return list(captures.values())


def allowed_by(row):
    allowed = set()
    if row["syn"] == "no":
        allowed.add(LATE)
    if not CLIENT_HELLOS & set(row["msgs"].split()):
        allowed.add(NO_HELLO)
    if row["hole"] or row["truncated"]:
        allowed.add(HOLE)
    return allowed


def end(text):
    address, port = text.rsplit(":", 1)
    return address.strip("[]"), int(port)


def own_captures():
    """TESTLIST is written from what each capture was made of: a handshake of which a part is missing says so."""
    captures = []
    for line in (OWN / "TESTLIST").read_text(encoding="ascii").splitlines():
        if line.startswith("\t"):
            _, client, server, *fields = line.split()
            if "reason=gap" in fields:
                captures[-1].allowed[pair(end(client), end(server))] |= {HOLE, NO_HELLO}
        elif line and not line.startswith("#"):
            name = line.split(" ")[0]
            captures.append(Capture("own/" + name, OWN / name))
    return captures


# What the packets show ---------------------------------------------------------------------------------------------

def tcp_packets(path):
    """[(time, source end, destination end, sequence, length, acknowledgement or None)] as tshark reads the file."""
    command = ["tshark", "-r", str(path), "-o", "tcp.relative_sequence_numbers:FALSE", "-T", "fields", "-E", "occurrence=f"]
    for field in PACKET_FIELDS:
        command += ["-e", field]
    result = subprocess.run(command, capture_output=True, timeout=SECONDS_FOR_ALL, check=False, text=True)
    for line in result.stdout.splitlines():
        time, ip, ipv6, port, to_ip, to_ipv6, to_port, sequence, length, syn, fin, ack, acknowledged = line.split("\t")
        if port and sequence:
            span = int(length or 0) + (syn in ("1", "True")) + (fin in ("1", "True"))
            yield (float(time), (ip or ipv6, int(port)), (to_ip or to_ipv6, int(to_port)), int(sequence), span,
                   int(acknowledged) if ack in ("1", "True") and acknowledged else None)


def shown_by(path):
    """By pair of ends what the packets show: ORDER, ACKNOWLEDGED."""
    shown, packets = collections.defaultdict(set), list(tcp_packets(path))
    bytes_of = collections.defaultdict(list)  # by direction: (sequence, end, number)
    for number, (_, source, destination, sequence, span, _) in enumerate(packets):
        bytes_of[source, destination].append((sequence, sequence + span, number))
    latest = 0
    backwards = False
    for time, *_ in packets:
        backwards |= time < latest - 1 or (latest and time > latest + 365 * 86400)
        latest = max(latest, time)
    for number, (_, source, destination, _, _, acknowledged) in enumerate(packets):
        theirs = bytes_of[destination, source]
        if acknowledged is None or not theirs:
            continue
        last = (acknowledged - 1) % 2 ** 32
        carriers = [at for begin, end, at in theirs if (last - begin) % 2 ** 32 < (end - begin)]
        if not carriers and (last - theirs[0][0]) % 2 ** 32 < 2 ** 31:
            shown[pair(source, destination)].add(ACKNOWLEDGED)
        elif carriers and min(carriers) > number:
            shown[pair(source, destination)].add(ORDER)
    # of a side without a byte of its own the reader cannot say whether the capture has that side at all
    spoke = {(source, destination) for _, source, destination, _, span, _ in packets if span > 1}
    for source, destination in spoke:
        if (destination, source) not in spoke:
            shown[pair(source, destination)].add(ACKNOWLEDGED)
    for _, source, destination, *_ in packets if backwards else ():
        shown[pair(source, destination)].add(ORDER)
    return shown


# What was made of them ----------------------------------------------------------------------------------------------

def ends_of(record):
    return pair(*((record[side]["ip"], record[side]["port"]) for side in ("source", "destination")))


def read(build, path):
    """The records that mtlsnoop -r prints, and its exit status."""
    result = subprocess.run([build / "mtlsnoop", "--json", "-r", path], capture_output=True, timeout=SECONDS_PER_FILE,
                            check=False)
    return [json.loads(line) for line in result.stdout.splitlines()], result.returncode


def replay(build, captures):
    """[(the records, what was counted)] of the files, as far as it came, and what is wrong with the run itself."""
    result = subprocess.run([build / "tests" / "replay", *(capture.path for capture in captures)], capture_output=True,
                            timeout=SECONDS_FOR_ALL, check=False)
    told, records = [], []
    for line in result.stdout.splitlines(keepends=True):
        if not line.endswith(b"\n"):
            break  # it was ended in the middle of it
        record = json.loads(line)
        if "replay" in record:
            told.append((records, record["replay"]))
            records = []
        else:
            records.append(record)
    wrong = []
    if result.returncode not in (0, 1) or len(told) != len(captures):
        wrong = ["exit status is %d after %d files, expected 0 or 1 after %d: %s"
                 % (result.returncode, len(told), len(captures), result.stderr.decode("utf-8", "replace")[-500:])]
    return told, wrong


# Comparison ---------------------------------------------------------------------------------------------------------

def comparable(record):
    """Without the fields that belong to the run: the id, and the duration of a handshake that the run's end ends."""
    left_out = {"id"} if record["mtls"].get("end") in ENDED_BY_ITSELF else {"id", "duration"}
    return {**record, "event": {name: value for name, value in record["event"].items() if name not in left_out}}


def differences(expected, actual, where=""):
    """Yields the fields in which two records differ."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        for name in sorted(expected.keys() | actual.keys()):
            yield from differences(expected.get(name), actual.get(name), "%s.%s" % (where, name) if where else name)
    elif expected != actual:
        yield "%s is %s, expected %s" % (where, json.dumps(actual), json.dumps(expected))


def steps(record, kind, who):
    return [{name: value for name, value in step.items() if name != "us"}
            for step in record["mtls"].get(kind, []) if step["from"] == who]


def step_differences(expected, actual):
    """Of what a side sent, the one who knows less knows the beginning."""
    for kind, who in itertools.product(("messages", "records"), ("client", "server")):
        ours, theirs = steps(actual, kind, who), steps(expected, kind, who)
        known = min(len(ours), len(theirs))
        if ours[:known] != theirs[:known]:
            yield "%s of the %s are %s, expected %s" % (kind, who, json.dumps(ours), json.dumps(theirs))


def without_steps(record):
    return {**record, "@timestamp": None, "event": {**record["event"], "id": None, "duration": None},
            "mtls": {name: value for name, value in record["mtls"].items()
                     if name not in ("messages", "records", "request_to_answer_us")}}


def without_times(record):
    """The fields that times decide: also which certificate was valid then, and what time ended."""
    mtls = {name: value for name, value in record["mtls"].items() if name not in ("request_to_answer_us", "hints", "messages", "records", "end")}
    return {**record, "@timestamp": None, "event": {**record["event"], "id": None, "duration": None}, "mtls": mtls}


def record_differences(expected, actual, allowed):
    found = list(differences(comparable(expected), comparable(actual)))
    if found and DECRYPTED in allowed and expected["mtls"]["evidence"] == "decrypted":
        return list(differences(expected["mtls"].get("requested"), actual["mtls"].get("requested"), "mtls.requested"))
    if found and ACKNOWLEDGED in allowed and expected["mtls"]["client_auth"] == "unknown" and expected["mtls"]["reason"] == "gap":
        return list(step_differences(expected, actual))
    if found and ORDER in allowed:
        return list(step_differences(expected, actual)) + list(differences(without_times(expected), without_times(actual)))
    if not found or not allowed & {HOLE, NO_HELLO}:
        return found
    found = list(step_differences(expected, actual))
    if actual["mtls"]["client_auth"] != "unknown":
        found += differences(without_steps(expected), without_steps(actual))
    return found


def match(expected, actual):
    """Yields pairs of records of the same two ends: first those that are the same, then the others in their order."""
    left = list(actual)
    unmatched = []
    for record in expected:
        same = next((other for other in left if comparable(other) == comparable(record)), None)
        if same:
            left.remove(same)
        else:
            unmatched.append(record)
    yield from itertools.zip_longest(unmatched, left)


def stream_differences(expected, actual, allowed):
    for want, have in match(expected, actual):
        if have is None and LATE not in allowed:
            yield "there is no record, expected client_auth %s" % want["mtls"]["client_auth"]
        elif want is None:
            yield "there is a record with client_auth %s, expected none" % have["mtls"]["client_auth"]
        elif have is not None:
            yield from record_differences(want, have, allowed)


def by_ends(records):
    found = collections.defaultdict(list)
    for record in records:
        found[record["network"]["transport"], ends_of(record)].append(record)
    return found


def file_differences(capture, expected, actual):
    want, have = by_ends(expected), by_ends(actual)
    for stream in sorted(want.keys() | have.keys(), key=str):
        name = "%s %s" % (stream[0], " - ".join("%s port %d" % side for side in sorted(stream[1])))
        for difference in stream_differences(want[stream], have[stream], capture.allowed[stream[1]]):
            yield "%s: %s" % (name, difference)


def same_whatever_way(original, variant):
    """The same bytes mean the same, in whatever packets they came."""
    for want, have in itertools.zip_longest(original, variant, fillvalue={"mtls": {}}):
        for name in ("client_auth", "requested", "answer", "reason"):
            yield from differences(want["mtls"].get(name), have["mtls"].get(name), name)
        for kind, who in itertools.product(("messages", "records"), ("client", "server")):
            if steps(want, kind, who) != steps(have, kind, who):
                yield "%s of the %s are %s, expected %s" % (kind, who, steps(have, kind, who), steps(want, kind, who))


def check(build, capture, actual, counted):
    expected, status = read(build, capture.path)
    wrong = list(file_differences(capture, expected, actual))
    if wrong:
        for ends, what in shown_by(capture.path).items():
            capture.allowed[ends] |= what
        if SECRETS in capture.path.read_bytes():
            for ends in {ends_of(record) for record in expected}:
                capture.allowed[ends].add(DECRYPTED)
        wrong = list(file_differences(capture, expected, actual))
    if capture.original:
        wrong += same_whatever_way(read(build, capture.original)[0], actual)
    if counted["status"] != status:
        wrong.append("status is %d, expected %d as of mtlsnoop -r" % (counted["status"], status))
    for what in ("lost", "too_long"):
        if counted[what]:
            wrong.append("%s is %d, expected 0" % (what, counted[what]))
    return wrong


# Cases --------------------------------------------------------------------------------------------------------------

def report(name, wrong):
    print("FAIL kernel/%s: %s" % (name, "; ".join(wrong[:5])) if wrong else "PASS kernel/%s" % name, flush=True)
    return not wrong


def check_loads(build, program):
    """The verifier takes every program of the object."""
    tool = shutil.which("bpftool") or shutil.which("bpftool", path="/usr/sbin:/usr/local/sbin")
    pins = pathlib.Path("/sys/fs/bpf/mtlsnoop-kernel-%s-%d" % (program, os.getpid()))
    if not tool:
        print("SKIP kernel/load %s: bpftool is not installed" % program)
        return True
    try:
        result = subprocess.run([tool, "prog", "loadall", build / "bpf" / (program + ".bpf.o"), pins],
                                capture_output=True, timeout=SECONDS_PER_FILE, check=False)
    finally:
        for pin in pins.iterdir() if pins.is_dir() else ():
            pin.unlink()
        if pins.is_dir():
            pins.rmdir()
    error = result.stderr.decode("utf-8", "replace").strip()
    return report("load " + program, ["exit status is %d, expected 0: %s" % (result.returncode, error[-500:])]
                  if result.returncode else [])


def check_walked(totals):
    """That it was the kernel that walked, and not userspace that it had handed everything over to."""
    wrong = []
    if totals["handovers"] * HANDED_OVER_MOST > totals["handshakes"]:
        wrong.append("%(handovers)d directions were handed over, of %(handshakes)d handshakes found" % totals)
    if not totals["as_captured"]:
        wrong.append("no frame was given to the program as it was captured")
    if CAPTURES.is_dir() and not totals["in_tunnels"]:
        wrong.append("none of them had tags, labels or tunnels")
    return report("walked in the kernel", wrong)


def check_captures(build, captures):
    told, wrong = replay(build, captures)
    good = report("replay", wrong)
    totals = collections.Counter()
    for capture, (actual, counted) in zip(captures, told):
        totals.update(counted)
        good &= report(capture.name, check(build, capture, actual, counted))
    return good & check_walked(totals)


def all_captures(directory):
    captures = own_captures()
    captures += [Capture(*variant) for variant in variants.make(OWN, directory)]
    if (CAPTURES / "truth.tsv").exists():
        captures += shared_captures()
    else:
        print("SKIP kernel/captures: there are none in %s" % CAPTURES)
    return [capture for capture in captures if capture.path.is_file()]


def obstacle(build):
    if os.geteuid():
        return "loading BPF programs wants root"
    missing = [str(path) for path in (build / "mtlsnoop", build / "tests" / "replay") if not path.exists()]
    return "%s is not built" % missing[0] if missing else None


def main():
    build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else REPOSITORY / "build").resolve()
    wanted = sys.argv[2] if len(sys.argv) > 2 else ""
    reason = obstacle(build)
    if reason:
        print("SKIP kernel: %s" % reason)
        return 0
    good = all([check_loads(build, program) for program in ("device", "socket")])
    with tempfile.TemporaryDirectory(prefix="mtlsnoop-kernel-") as directory:
        captures = [capture for capture in all_captures(pathlib.Path(directory)) if wanted in capture.name]
        return 0 if check_captures(build, captures) and good else 1


if __name__ == "__main__":
    sys.exit(main())
