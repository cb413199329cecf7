#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The page and its API: answers, bounds, who may see names; each view in a real browser (Chromium, headless) with hostile names in
the store; 50,000 handshakes.

usage: run.py [PROGRAM]
"""
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OWN = ROOT / "tests" / "captures" / "own"
PROGRAM = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "build" / "mtlsnoop")
SECONDS = 30
HOSTILE = "<img src=x onerror=\"document.title='pwned'\"><script>document.title='pwned'</script>"
VIEWS = ("overview", "clients", "certificates", "failures", "changes", "handshakes", "live")
BROWSER = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync")

failures = 0


def case(name, problem):
    global failures
    if problem:
        failures += 1
        print(f"FAIL web/{name}: {problem}")
    else:
        print(f"PASS web/{name}")


def differs(actual, expected):
    return None if actual == expected else f"is {actual!r}, expected {expected!r}"


def free_port():
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """mtlsnoop on the live host, in a cgroup of its own without traffic: what it shows comes from the store."""

    def __init__(self, store, *arguments):
        self.port = free_port()
        self._process = subprocess.Popen([PROGRAM, "-q", "-L", "off", f"-m127.0.0.1:{self.port}", *([f"--store={store}"] if store else []), *arguments],
                                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.get("/healthz")[0] in (200, 503):
                    return
            time.sleep(0.1)
        raise RuntimeError("mtlsnoop does not answer")

    def get(self, path, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode("utf-8"), dict(answer.getheaders())
        finally:
            connection.close()

    def api(self, path, **arguments):
        status, text, _ = self.get(f"/api/v1/{path}?{urllib.parse.urlencode(arguments)}")
        return status, json.loads(text)

    def close(self):
        self._process.terminate()
        self._process.wait(SECONDS)


def make_store(path):
    for capture in sorted(OWN.glob("*.pcap*")):
        subprocess.run([PROGRAM, "-r", str(capture), "-q", f"--store={path}"], stderr=subprocess.DEVNULL, timeout=SECONDS, check=True)
    # names that a client may choose, in every column that a view shows
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE service SET name = ? WHERE port = 25", (HOSTILE,))
        database.execute("UPDATE service SET process = ?, unit = ?, authorities = ?", (HOSTILE, HOSTILE, HOSTILE))
        database.execute("UPDATE client SET process = ?", (HOSTILE,))
        database.execute("UPDATE certificate SET subject = ?, issuer = ?, names = ?, key = ?", (HOSTILE, HOSTILE, HOSTILE, HOSTILE))
        database.execute("UPDATE failure SET detail = ?", (HOSTILE,))
        database.execute("INSERT INTO change(time, service, what, before, after) SELECT last, id, ?, ?, ? FROM service", (HOSTILE, HOSTILE, HOSTILE))
        database.commit()


def answers(server):
    status, services = server.api("services")
    case("services are answered", differs((status, services["total"] >= 4, len(services["rows"]) == services["total"]), (200, True, True)))
    status, page = server.api("services", first=1, limit=2)
    case("a page of rows", differs((status, page["first"], page["rows"]), (200, 1, services["rows"][1:3])))
    status, rows = server.api("services", expression="server.port == 25")
    case("an expression", differs((status, [row["port"] for row in rows["rows"]]), (200, [25])))
    status, error = server.api("services", expression="verdict = x")
    case("a wrong expression", differs((status, "column 9" in error["error"]), (400, True)))
    status, error = server.api("services", since="yesterday")
    case("a wrong time", differs((status, "since" in error["error"]), (400, True)))
    for question in ("clients", "certificates", "failures", "changes", "handshakes", "rates"):
        case(f"{question} are answered", differs(server.api(question)[0], 200))
    handshakes = server.api("handshakes", limit=1)[1]["rows"]
    status, whole = server.api("handshakes/" + handshakes[0]["event"])
    case("one handshake in full", differs((status, whole["record"]["event"]["id"], "Client hello" in whole["ladder"]), (200, handshakes[0]["event"], True)))
    case("a handshake that is not kept", differs(server.api("handshakes/00")[0], 404))
    case("no such question", differs(server.api("nothing")[0], 404))
    status, text, headers = server.get("/api/v1/services?format=csv")
    case("csv", differs((status, headers["Content-Type"], text.splitlines()[0].split(",")[:2], "attachment" in headers["Content-Disposition"]),
                        (200, "text/csv; charset=utf-8", ["address", "port"], True)))


def protections(server):
    case("another Host header is turned away", differs(server.get("/api/v1/services", Host="evil.example")[0], 403))
    case("localhost is heard", differs(server.get("/api/v1/services", Host=f"localhost:{server.port}")[0], 200))
    case("a name that begins so is turned away", differs(server.get("/api/v1/services", Host="localhost.evil.example")[0], 403))
    for path in ("/", "/app.js", "/style.css", "/chart.js", "/api/v1/services"):
        headers = server.get(path)[2]
        case(f"{path} has a policy without inline scripts", None if "default-src 'none'" in headers["Content-Security-Policy"] and "unsafe" not in headers["Content-Security-Policy"]
             else headers["Content-Security-Policy"])
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=SECONDS)
    connection.request("POST", "/api/v1/services", body="x")
    case("nothing can be written", differs(connection.getresponse().status, 405))
    connection.close()
    case("metrics are where they were", differs((server.get("/metrics")[0], "mtlsnoop_build_info" in server.get("/metrics")[1]), (200, True)))


def streams(server):
    """As many live streams as there may be, and one more; metrics are answered meanwhile."""
    open_streams, statuses = [], []
    for _ in range(9):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=3)
        connection.request("GET", "/api/v1/live")
        try:
            statuses.append(connection.getresponse().status)
        except (OSError, http.client.HTTPException):
            statuses.append(None)
        open_streams.append(connection)
    case("eight streams and no more", differs(statuses, [200] * 8 + [None]))
    case("metrics beside the streams", differs(server.get("/metrics")[0], 200))
    for connection in open_streams:
        connection.close()


def browse(folder, url, *arguments):
    done = subprocess.run(["chromium", *BROWSER, f"--user-data-dir={folder}/browser", "--virtual-time-budget=3000", *arguments, url], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    return done.stdout


def views(folder, server):
    if not shutil.which("chromium"):
        print("SKIP web/views: chromium is not installed")
        return
    for view in VIEWS:
        page = browse(folder, f"http://127.0.0.1:{server.port}/#/{view}", "--dump-dom")
        case(f"{view} is drawn", None if f'data-view="{view}"' in page else f"the page is {page[:400]!r}")
        case(f"{view}: nothing that a name says is executed", None if f"<title>mtlsnoop: {view}</title>" in page and "<img src" not in page else "a name became markup")
        if view not in ("live",):
            case(f"{view} shows the names as text", None if "&lt;img src=x" in page else f"no name in {page[-600:]!r}")
    row = server.api("services", expression="server.port == 25")[1]["rows"][0]
    query = urllib.parse.urlencode({"address": row["address"], "port": row["port"], "name": row["name"], "role": row["role"]})
    page = browse(folder, f"http://127.0.0.1:{server.port}/#/service?{query}", "--dump-dom")
    case("a service is drawn", None if 'data-view="service"' in page and "Failures by cause" in page else f"the page is {page[:400]!r}")
    event = server.api("handshakes", limit=1)[1]["rows"][0]["event"]
    page = browse(folder, f"http://127.0.0.1:{server.port}/#/handshake?event={event}", "--dump-dom")
    case("a ladder is drawn", None if "<svg" in page and "client_hello (1)" in page else f"the page is {page[:400]!r}")
    page = browse(folder, f"http://127.0.0.1:{server.port}/#/overview?expression={urllib.parse.quote('server.port == 25')}", "--dump-dom", "--window-size=360,740")
    case("an address holds its expression", None if page.count("<tr>") == 2 else f"{page.count('<tr>')} rows")


def many(folder, server, path):
    """50,000 handshakes of 50,000 clients: the API answers within its bound, and the page is drawn."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("INSERT INTO client(id, address, first, last) SELECT value + 1000, '10.' || (value / 65536) || '.' || (value / 256 % 256) || '.' || (value % 256), 1, 1"
                         " FROM (WITH RECURSIVE n(value) AS (SELECT 0 UNION ALL SELECT value + 1 FROM n WHERE value < 49999) SELECT value FROM n)")
        database.execute("INSERT INTO cell(begin, service, client, certificate, outcome, count, first, last) SELECT 1699999200, 1, id, 0, 1, 1, 1700000000, 1700000000 FROM client WHERE id >= 1000")
        database.commit()
    begin = time.monotonic()
    status, clients = server.api("clients", limit=200)
    took = time.monotonic() - begin
    case("50,000 clients are paged", differs((status, len(clients["rows"]), clients["total"] >= 50000), (200, 200, True)))
    case("within the bound of time", None if took < 3 else f"it took {took:.1f} s")
    if shutil.which("chromium"):
        page = browse(folder, f"http://127.0.0.1:{server.port}/#/clients", "--dump-dom")
        case("the page of 50,000 clients is drawn", None if page.count("<tr>") == 201 else f"{page.count('<tr>')} rows")


def without(folder):
    server = Server(None)
    try:
        status, error = server.api("services")
        case("without a store: the answer says what to do", differs((status, "--store" in error["error"]), (503, True)))
        case("without a store: rates are there", differs(server.api("rates")[0], 200))
    finally:
        server.close()
    server = Server(None, "--no-web")
    try:
        case("--no-web: no API", differs((server.get("/api/v1/services")[0], server.get("/app.js")[0], server.get("/metrics")[0]), (404, 404, 200)))
    finally:
        server.close()


def main():
    if os.geteuid():
        print("SKIP web: needs root")
        return 0
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mtlsnoop-web."))
    folder.chmod(0o777)
    path = folder / "store.db"
    try:
        make_store(path)
        server = Server(path)
        try:
            answers(server)
            protections(server)
            streams(server)
            views(folder, server)
            many(folder, server, path)
        finally:
            server.close()
        without(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
