#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The store, from the command line: what the questions answer is compared with counts that this script makes of the JSON
lines; files that are wrong are refused; the writer is killed in mid-write; the disk is full; readers read meanwhile.

usage: run.py [PROGRAM]
"""
import collections
import contextlib
import csv
import io
import json
import os
import pathlib
import random
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OWN = ROOT / "tests" / "captures" / "own"
PROGRAM = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "build" / "mtlsnoop")
LIMIT = 60
KILLS = 50 if os.environ.get("CI") else 10
FAILED = ("rejected_certificate", "rejected_without_certificate", "unanswered", "failed_before_request")
SEED = 20261130

failures = 0


def case(name, problem):
    """Report a case: problem is None or what is wrong."""
    global failures
    if problem:
        failures += 1
        print(f"FAIL store/{name}: {problem}")
    else:
        print(f"PASS store/{name}")


def differs(actual, expected):
    return None if actual == expected else f"is {actual!r}, expected {expected!r}"


def run(*arguments, **options):
    return subprocess.run([PROGRAM, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=LIMIT, check=False, **options)


def ask(question, *arguments):
    """The rows of a question as dictionaries."""
    done = run(question, "--json", *arguments)
    if done.returncode:
        raise RuntimeError(f"{question}: status {done.returncode}: {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def records(path):
    return [json.loads(line) for line in run("-r", path, "-j").stdout.splitlines()]


def service_key(record):
    return (record["destination"]["ip"], record["destination"]["port"], record["network"]["transport"], record["tls"].get("client", {}).get("server_name"),
            record["mtls"]["role"])


def check_services(name, lines, rows):
    """Each service's counts, counted a second time from the JSON lines."""
    expected = collections.defaultdict(collections.Counter)
    for line in lines:
        expected[service_key(line)][line["mtls"]["client_auth"]] += 1
    actual = {(row["address"], row["port"], row["transport"], row["name"], row["role"]): row for row in rows}
    if set(actual) != set(expected):
        return case(name, f"services are {sorted(map(str, actual))}, expected {sorted(map(str, expected))}")
    for key, counts in expected.items():
        row, total = actual[key], sum(counts.values())
        for column, verdict in (("presented_percent", "presented"), ("declined_percent", "declined"), ("resumed_percent", "resumed"),
                                ("unknown_percent", "unknown")):
            if abs(row[column] - 100 * counts[verdict] / total) > 0.006:
                return case(name, f"{key} {column} is {row[column]}, expected {100 * counts[verdict] / total:.2f}")
        if row["handshakes"] != total:
            return case(name, f"{key} handshakes is {row['handshakes']}, expected {total}")
    return case(name, None)


def questions_answer_what_was_captured(folder):
    for path in sorted(OWN.glob("*.pcap*")):
        lines = records(path)
        check_services(f"services of {path.name}", lines, ask("services", "-r", path))
        failed = sum(line["mtls"]["client_auth"] in FAILED or bool((line["mtls"].get("failure") or {}).get("reason")) for line in lines)
        case(f"failures of {path.name}", differs(sum(row["count"] for row in ask("failures", "-r", path)), failed))
        kept = [json.loads(line) for line in run("handshakes", "-r", path, "--json").stdout.splitlines()]
        verdicts = [line["mtls"]["client_auth"] for line in lines]
        case(f"handshakes of {path.name}", differs([line["mtls"]["client_auth"] for line in kept], verdicts))
    store = folder / "all.db"
    lines = []
    for path in sorted(OWN.glob("*.pcap*")):
        run("-r", path, "-q", f"--store={store}")
        lines += records(path)
    check_services("one store of all captures", lines, ask("services", f"--store={store}"))
    case("the word may stand after the file", differs(run("-r", OWN / "required.pcap", "services", "--json").stdout,
                                                      run("services", "-r", OWN / "required.pcap", "--json").stdout))


def expressions_mean_the_same(folder):
    store = folder / "all.db"
    every = ask("services", f"--store={store}")
    for expression, keep in (("verdict == presented", lambda row: row["presented_percent"] > 0), ("server.port == 443", lambda row: row["port"] == 443),
                             ("role == observer", lambda row: row["role"] == "observer"), ("role == server", lambda row: row["role"] == "server")):
        rows = ask("services", f"--store={store}", expression)
        expected = {(row["address"], row["port"], row["name"]) for row in every if keep(row)}
        case(f"expression {expression}", differs({(row["address"], row["port"], row["name"]) for row in rows}, expected))
    done = run("services", f"--store={store}", "client.port > 1024")
    case("expression about what a store does not keep", differs((done.returncode, "client.port" in done.stderr), (1, True)))
    done = run("services", f"--store={store}", "verdict = presented")
    case("wrong expression points at the place", differs((done.returncode, "^" in done.stderr), (2, True)))


def formats(folder):
    store = folder / "all.db"
    rows = ask("services", f"--store={store}")
    table = list(csv.DictReader(io.StringIO(run("services", f"--store={store}", "--csv").stdout)))
    case("csv has the rows of JSON", differs([(row["address"].strip("'"), int(row["handshakes"])) for row in table],
                                             [(row["address"], row["handshakes"]) for row in rows]))
    lines = run("services", f"--store={store}").stdout.splitlines()
    case("table has a heading and the rows", differs((lines[0].split()[:2], len(lines)), (["SERVICE", "PORT"], len(rows) + 1)))
    since = ask("services", f"--store={store}", "--since=1h")
    case("--since leaves out what is older", differs(since, []))
    case("--until=2001-01-01 leaves out what is newer", differs(ask("services", f"--store={store}", "--until=2001-01-01"), []))
    done = run("services", f"--store={store}", "--since=2026-02-30")
    case("a day that does not exist", differs(done.returncode, 2))


def wrong_files(folder):
    text = folder / "text"
    text.write_text("no database, but a file that somebody needs\n" * 100, encoding="ascii")
    before = text.read_bytes()
    done = run("-r", OWN / "required.pcap", f"--store={text}")
    case("a file that is no database", differs((done.returncode, text.read_bytes() == before, "not a database" in done.stderr), (1, True, True)))
    other = folder / "other.db"
    with contextlib.closing(sqlite3.connect(other)) as database:
        database.execute("CREATE TABLE wanted(a)")
        database.commit()
    before = other.read_bytes()
    done = run("-r", OWN / "required.pcap", f"--store={other}")
    case("another program's database", differs((done.returncode, other.read_bytes() == before), (1, True)))
    done = run("services", f"--store={folder}/none.db")
    case("a store that is not there", differs((done.returncode, "none.db" in done.stderr), (1, True)))
    newer = folder / "newer.db"
    shutil.copy(folder / "all.db", newer)
    with contextlib.closing(sqlite3.connect(newer)) as database:
        database.execute("PRAGMA user_version = 1000")
        database.commit()
    done = run("services", f"--store={newer}")
    case("a store of a newer version", differs((done.returncode, "newer" in done.stderr), (1, True)))
    damaged = folder / "damaged.db"
    content = bytearray((folder / "all.db").read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    damaged.write_bytes(content)
    damaged.chmod(0o644)
    done = run("-r", OWN / "required.pcap", f"--store={damaged}")
    case("a store that the writer may not write", differs((done.returncode, "may only read" in done.stderr), (1, True)) if os.geteuid() == 0 else None)
    damaged.chmod(0o666)
    done = run("-r", OWN / "required.pcap", "-j", f"--store={damaged}")
    case("a damaged store is reported", differs(("store" in done.stderr, len(done.stdout.splitlines()) in (0, 1)), (True, True)))


def readdress(frame, number):
    """The client's address by the connection's number; the captures have 10.1.0.2."""
    place = 26 if frame[26:30] == b"\x0a\x01\x00\x02" else 30
    return frame[:place] + struct.pack(">I", 0x0a020000 + number) + frame[place + 4:]


def many_handshakes(out, count, stop=lambda: False):
    """Write a capture of so many handshakes, one behind the other."""
    content, frames, place = (OWN / "required.pcap").read_bytes(), [], 24
    while place < len(content):
        length = struct.unpack_from("<I", content, place + 8)[0]
        frames.append(content[place + 16:place + 16 + length])
        place += 16 + length
    out.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, 1))
    for number in range(count):
        for frame in frames:
            frame = readdress(frame, number)
            out.write(struct.pack("<IIII", 1700000000 + number // 1000, number % 1000 * 1000, len(frame), len(frame)) + frame)
        if stop():
            return


def writer_of(process):
    """The child that writes the store: the one whose sandbox allows it to be there at all has the store open."""
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        with contextlib.suppress(OSError, IndexError):
            parent = int(pathlib.Path(f"/proc/{name}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
            links = [os.readlink(f"/proc/{name}/fd/{fd}") for fd in os.listdir(f"/proc/{name}/fd")] if parent == process.pid else []
            if any(link.endswith(".db") for link in links):
                return int(name)
    return None


def feed(process, count):
    with contextlib.suppress(BrokenPipeError):
        many_handshakes(process.stdin, count)
        process.stdin.close()


def stored(path):
    """The number of handshakes in the store, and what its own check says."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        return (database.execute("SELECT coalesce(sum(count), 0) FROM cell").fetchone()[0], database.execute("PRAGMA integrity_check").fetchone()[0])


def killed_in_mid_write(folder):
    """The writer is killed: the file is sound, and mtlsnoop goes on and says that handshakes are not stored."""
    pick, wrong = random.Random(SEED), []
    for index in range(KILLS):
        path = folder / f"killed{index}.db"
        with subprocess.Popen([PROGRAM, "-r", "-", "-j", f"--store={path}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            lines, errors = [], []
            readers = [threading.Thread(target=lambda: lines.extend(process.stdout)), threading.Thread(target=lambda: errors.extend(process.stderr))]
            feeder = threading.Thread(target=feed, args=(process, 30000))
            for thread in (*readers, feeder):
                thread.start()
            time.sleep(0.3 + pick.random())
            writer = writer_of(process)
            # a writer that dies behind the last record, while the program ends, is not reported
            more_to_come = feeder.is_alive()
            if writer:
                os.kill(writer, signal.SIGKILL)
            feeder.join()
            for thread in readers:
                thread.join()
            status = process.wait(LIMIT)
        count, word = stored(path)
        text = b"".join(errors).decode()
        if word != "ok" or count > len(lines) or status or len(lines) != 30000 or (writer and more_to_come and count < len(lines) and "not stored" not in text):
            wrong.append(f"kill {index}: integrity {word}, {count} stored, {len(lines)} printed, status {status}, {text!r}")
    case(f"writer killed {KILLS} times in mid-write", wrong[0] if wrong else None)


def readers_and_a_writer(folder):
    path, wrong = folder / "read.db", []
    run("-r", OWN / "required.pcap", "-q", f"--store={path}")
    with subprocess.Popen([PROGRAM, "-r", "-", "-q", f"--store={path}"], stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        feeder = threading.Thread(target=feed, args=(process, 60000))
        feeder.start()
        last, asked = 0, 0
        while feeder.is_alive():
            rows = [run("services", "--json", f"--store={path}") for _ in range(2)]
            asked += len(rows)
            for done in rows:
                if done.returncode or not done.stdout:
                    wrong.append(f"status {done.returncode}: {done.stderr}")
                    continue
                count = json.loads(done.stdout.splitlines()[0])["handshakes"]
                if count < last:
                    wrong.append(f"{count} handshakes behind {last}")
                last = count
        feeder.join()
        process.stdin.close()
        process.wait(LIMIT)
    case("two readers and a writer", wrong[0] if wrong else None if asked > 2 else f"only {asked} questions were asked")
    case("all records are stored", differs(stored(path), (60001, "ok")))


def full_disk(folder):
    if os.geteuid():
        print("SKIP store/full disk: needs root to mount a small file system")
        return
    place = folder / "small"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k,mode=777", "tmpfs", str(place)], check=False).returncode:
        print("SKIP store/full disk: tmpfs cannot be mounted here")
        return
    try:
        with subprocess.Popen([PROGRAM, "-r", "-", "-j", f"--store={place}/store.db"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            feeder = threading.Thread(target=feed, args=(process, 60000))
            feeder.start()
            output, errors = [], []
            reader = threading.Thread(target=lambda: errors.extend(process.stderr))
            reader.start()
            output.extend(process.stdout)
            feeder.join()
            reader.join()
            status = process.wait(LIMIT)
        text = b"".join(errors).decode()
        case("full disk: every handshake is printed", differs((len(output), status), (60000, 0)))
        case("full disk is reported", None if "disk is full" in text else f"stderr is {text!r}")
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)


def permissions(folder):
    path = folder / "private" / "store.db"
    run("-r", OWN / "required.pcap", "-q", f"--store={path}")
    mode = (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777)
    case("the store is not readable by others", differs(tuple(map(oct, mode)), ("0o640", "0o750")))
    if os.geteuid() == 0:
        case("the store belongs to no privileged user", None if path.stat().st_uid else "it belongs to root")


def redaction(folder):
    path = folder / "redacted.db"
    run("-r", OWN / "many-records.pcap", "-q", "--redact", f"--store={path}")
    with contextlib.closing(sqlite3.connect(path)) as database:
        names = database.execute("SELECT subject || issuer || serial || names FROM certificate").fetchall()
        text = "".join(row[0] for row in database.execute("SELECT json || ladder FROM handshake"))
    plain = [line for line in records(OWN / "many-records.pcap") if line["tls"].get("client", {}).get("subject")]
    case("the capture has a name to redact", None if plain else "no subject in it")
    subject = plain[0]["tls"]["client"]["subject"] if plain else "?"
    case("--redact keeps names out of the store", differs(([row[0] for row in names if row[0]], subject in text), ([], False)))


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mtlsnoop-store."))
    folder.chmod(0o777)
    try:
        for suite in (questions_answer_what_was_captured, expressions_mean_the_same, formats, wrong_files, permissions, redaction, killed_in_mid_write,
                      readers_and_a_writer, full_disk):
            suite(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
