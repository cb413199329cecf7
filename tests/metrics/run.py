#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
The metrics of the whole program, scraped over HTTP while handshakes are made. usage: run.py [WORD...] (only the cases with
one of the words in their name)

Everything happens in a network namespace of this process and a cgroup of its own, so that what is counted is known.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import platform
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from harness.certificates import Certificates  # noqa: E402
from harness import PROGRAM, ROOT, Failure, Skip, Suite, expect, wait_until  # noqa: E402
from harness.cgroups import own_cgroup  # noqa: E402
from harness.scraped import OPENMETRICS, PORT, MetricsTracer, own_network  # noqa: E402
from harness.servers import ADDRESS, Server, shake_hands  # noqa: E402

TEXT = "text/plain; version=0.0.4; charset=utf-8"
# what Prometheus 2.42 sends
PROMETHEUS = ("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
              "text/plain;version=0.0.4;q=0.5,*/*;q=0.1")

BPF_ENABLE_STATS = 32
WALL = 0x40000000  # waitpid(2): threads, too
BPF_SYSCALL = {"x86_64": 321, "aarch64": 280}

STALLED_SECONDS = 5  # /healthz, user/sink/exporter.c

# version, asks, whether the client has a certificate, verdict; each so many times that counts cannot be mixed up
PLAN = [
    ("TLSv1.2", "never", False, "not_requested", 1),
    ("TLSv1.2", "optional", False, "declined", 2),
    ("TLSv1.2", "required", True, "presented", 3),
    ("TLSv1.2", "required", False, "rejected_without_certificate", 4),
    ("TLSv1.3", "never", False, "not_requested", 5),
    ("TLSv1.3", "optional", False, "declined", 6),
    ("TLSv1.3", "required", True, "presented", 7),
    ("TLSv1.3", "required", False, "rejected_without_certificate", 8),
]

_libc = ctypes.CDLL(None, use_errno=True)


class Bench:
    """What the cases share."""

    def __init__(self, stack, cgroup):
        self.cgroup = cgroup
        self.certificates = Certificates(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        self.servers = {asks: Server(self.certificates, asks) for asks in ("never", "optional", "required")}
        for server in self.servers.values():
            stack.callback(server.close)

    def tracer(self, *options, **arguments):
        """Without probes: what processes of the whole host do with their libraries is in no cgroup."""
        return MetricsTracer(self.cgroup, "--library=off", *options, **arguments)

    def shake_hands(self, version="TLSv1.2", asks="required", has_certificate=True):
        return shake_hands(self.servers[asks], version, self.certificates.good["ecdsa"] if has_certificate else None)

    def carry_out_plan(self):
        """Returns the ports of the clients."""
        ports = []
        for version, asks, has_certificate, verdict, times in PLAN:
            for _ in range(times):
                went_on, port = self.shake_hands(version, asks, has_certificate)
                expect(went_on, not verdict.startswith("rejected"), f"{version} {asks} {verdict}: the server went on")
                ports.append(port)
        return ports


def planned_handshakes(bench):
    expected = {}
    for version, asks, _, verdict, times in PLAN:
        evidence = "inferred" if version == "TLSv1.3" else "cleartext"
        for role in ("server", "client"):
            labels = {"role": role, "service": bench.servers[asks].service, "version": version, "client_auth": verdict,
                      "evidence": evidence}
            expected[tuple(sorted(labels.items()))] = times
    return expected


def check_counts(bench, metrics):
    expect(metrics.series("mtlsnoop_handshakes_total"), planned_handshakes(bench), "handshakes")
    total = 2 * sum(times for *_, times in PLAN)
    asked = 2 * sum(times for version, asks, _, _, times in PLAN if version == "TLSv1.2" and asks != "never")
    refused = 2 * sum(times for version, _, _, verdict, times in PLAN
                      if version == "TLSv1.2" and verdict.startswith("rejected"))
    messages = "mtlsnoop_handshake_messages_total"
    expect(metrics.value(messages, **{"type": "client_hello", "from": "client"}), total, "ClientHello")
    expect(metrics.value(messages, **{"type": "server_hello", "from": "server"}), total, "ServerHello")
    expect(metrics.value(messages, **{"type": "certificate_request", "from": "server"}), asked, "CertificateRequest")
    expect(metrics.value(messages, **{"type": "certificate", "from": "client"}), asked, "client's Certificate")
    expect(metrics.series("mtlsnoop_handshake_alerts_total"),
           {(("description", "handshake_failure"), ("from", "server")): refused}, "alerts")
    expect(metrics.total("mtlsnoop_handshake_duration_seconds_count"), total, "durations")
    expect(metrics.total("mtlsnoop_certificate_answer_seconds_count"), asked, "answers")
    expect(metrics.total("mtlsnoop_unknown_total"), 0, "unknown")
    check_nothing_lost(metrics)


def check_nothing_lost(metrics):
    lost = {pairs: value for pairs, value in metrics.series("mtlsnoop_lost_events_total").items() if value}
    expect(lost, {}, "losses")
    expect(metrics.total("mtlsnoop_gaps_total"), 0, "gaps")


def check_state(metrics, before):
    states = [(("state", name),) for name in ("handshake", "last_word", "library")]
    expect(metrics.series("mtlsnoop_connections"), dict.fromkeys(states, 0), "connections followed")
    handshakes = sum(times for *_, times in PLAN)
    expect(metrics.value("mtlsnoop_tls_connections_total"), 2 * handshakes, "TLS connections")
    if metrics.value("mtlsnoop_tcp_connections_total") < 2 * handshakes:
        raise Failure(f"TCP connections: {metrics.value('mtlsnoop_tcp_connections_total')}")
    last = metrics.value("mtlsnoop_last_event_timestamp_seconds")
    if not before < last < time.time():
        raise Failure(f"last event at {last}, expected between {before} and {time.time()}")
    expect(metrics.value("mtlsnoop_evidence_conflicts_total"), 0, "conflicts")
    check_sight(metrics)
    check_expiry(metrics, before)


def check_sight(metrics):
    expect(metrics.series("mtlsnoop_hooks"), {(("hook", "socket"),): 2}, "hooks")
    packets = 2 * 6 * sum(times for *_, times in PLAN)  # a handshake has more than six each way
    for program in ("receive", "send"):
        if metrics.value("mtlsnoop_packets_total", program=program) < packets:
            raise Failure(f"{program}: {metrics.value('mtlsnoop_packets_total', program=program)} packets")
    read = metrics.value("mtlsnoop_last_read_timestamp_seconds")
    if not metrics.value("mtlsnoop_last_event_timestamp_seconds") <= read + 0.1 or not -1 < time.time() - read < 5:
        raise Failure(f"last read at {read}, now {time.time()}")
    size = metrics.value("mtlsnoop_ring_buffer_size_bytes")
    expect(size, 8 << 20, "size of the ring buffer")
    peak = metrics.value("mtlsnoop_ring_buffer_peak_bytes")
    if not 0 < peak < size or metrics.value("mtlsnoop_ring_buffer_waiting_bytes") > peak:
        raise Failure(f"ring buffer: peak {peak}")


def check_expiry(metrics, before):
    """Of the certificate that was presented in TLS 1.2: it ends in two days."""
    found = metrics.series("mtlsnoop_client_certificate_earliest_expiry_timestamp_seconds")
    expect({dict(pairs)["role"] for pairs in found}, {"server", "client"}, "roles with certificates")
    for pairs, value in found.items():
        if not before + 1.9 * 86400 < value < before + 2.1 * 86400:
            raise Failure(f"{dict(pairs)}: ends at {value}, two days from {before} expected")


def check_same(tracer):
    """OpenMetrics has the same series as the text, and the same values where nothing moves."""
    text, openmetrics = tracer.metrics(), tracer.metrics(Accept=PROMETHEUS)
    expect(openmetrics.samples.keys() ^ text.samples.keys(), set(), "series in one format alone")
    moving = ("mtlsnoop_tcp_connections_total", "mtlsnoop_last_", "mtlsnoop_bpf_", "mtlsnoop_packets_total",
              "mtlsnoop_ring_buffer_")
    moved = {key for key in text.samples if text.samples[key] != openmetrics.samples[key]
             and not key[0].startswith(moving)}
    expect(moved, set(), "series that differ")
    units = {family.name for family in openmetrics.families.values() if family.unit}
    expect(units, {"mtlsnoop_handshake_duration_seconds", "mtlsnoop_certificate_answer_seconds",
                   "mtlsnoop_client_certificate_earliest_expiry_timestamp_seconds",
                   "mtlsnoop_last_event_timestamp_seconds", "mtlsnoop_last_read_timestamp_seconds",
                   "mtlsnoop_ring_buffer_size_bytes", "mtlsnoop_ring_buffer_waiting_bytes",
                   "mtlsnoop_ring_buffer_peak_bytes", "mtlsnoop_bpf_run_seconds",
                   "mtlsnoop_library_look_delay_seconds"}, "families with a unit")


def check_promtool(tracer):
    program = shutil.which("promtool", path=f"{os.environ.get('PATH', '')}:{ROOT}/build/stacks/usr/bin")
    if not program:
        raise Skip("there is no promtool: tests/unpack-packages build/stacks prometheus (19 MB)")
    done = subprocess.run([program, "check", "metrics"], input=tracer.get()[2], capture_output=True, text=True)
    expect((done.returncode, done.stdout + done.stderr), (0, ""), "promtool check metrics")


def check_secrets(tracer, ports):
    """No client is in a label: its address is the server's here, but not its port."""
    body = tracer.get()[2]
    found = [text for text in [f":{port}" for port in ports] + ["CN=", "good client", str(os.getpid())] if text in body]
    expect(found, [], "of clients in the metrics")


def check_http(tracer):
    for path, wanted in (("/metrics", (200, TEXT)), ("/healthz", (200, "text/plain; charset=utf-8")),
                         ("/", (200, "text/html; charset=utf-8")), ("/metrics?name=x", (200, TEXT)),
                         ("/metrics/", (404, "text/plain; charset=utf-8")), ("/favicon.ico", (404, None)),
                         ("//metrics", (404, None)), ("/../../etc/passwd", (404, None)), ("/%00", (404, None))):
        status, headers, body = tracer.get(path)
        expect((status, headers["Content-Type"] if wanted[1] else None), wanted, path)
        if path == "/":
            expect(('href="/metrics"' in body, 'href="/healthz"' in body), (True, True), "links")
        expect(headers["Connection"], "close", f"{path}: Connection")
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"):
        status, headers, _ = tracer.get("/metrics", method)
        expect((status, headers["Allow"]), (405, "GET, HEAD"), method)
    status, headers, body = tracer.get("/metrics", "HEAD")
    expect((status, body, int(headers["Content-Length"]) > 1000), (200, "", True), "HEAD")
    expect(tracer.get("/healthz")[2], "ok\n", "/healthz")
    expect(tracer.get(Accept=PROMETHEUS)[1]["Content-Type"], OPENMETRICS, "Content-Type")


def check_privileges(tracer):
    """The thread that answers is started behind privileges_drop(), so that it has none either."""
    threads = list(Path(f"/proc/{tracer.process.pid}/task").iterdir())
    expect(len(threads), 2, "threads")
    for thread in threads:
        status = dict(line.split(":", 1) for line in (thread / "status").read_text().splitlines())
        found = {name: status[name].strip() for name in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb", "NoNewPrivs")}
        expect(found, {**dict.fromkeys(found, "0" * 16), "NoNewPrivs": "1"}, f"thread {thread.name}")
        expect(set(status["Uid"].split()), {"65534"}, f"thread {thread.name}: uid")


def check_silence(tracer):
    """
    The port is open before the programs are attached: the first who asks may come between. Two CPUs may bring a stream's
    segments out of order, which loses nothing.
    """
    harmless = ("(midstream)", "reassembled outside the kernel")
    expect(tracer.stop(), 0, "exit status")
    told = [line for line in tracer.errors().splitlines() if not any(words in line for words in harmless)]
    expect(told, [], "standard error")


def run_planned(suite, bench):
    with bench.tracer("--quiet") as tracer:
        tracer.wait_for_start()
        before = time.time()
        ports = bench.carry_out_plan()
        metrics = tracer.wait_for_handshakes(sum(times for *_, times in PLAN))
        suite.run("metrics: counts are those of the handshakes made", check_counts, bench, metrics)
        suite.run("metrics: state", check_state, metrics, before)
        suite.run("metrics: both formats say the same", check_same, tracer)
        suite.run("metrics: promtool", check_promtool, tracer)
        suite.run("metrics: nothing of clients", check_secrets, tracer, ports)
        suite.run("http: paths, methods, formats", check_http, tracer)
        suite.run("privileges: none in any thread", check_privileges, tracer)
        suite.run("metrics: silence", check_silence, tracer)


def filters(bench):
    """-P chooses what is counted and printed, -R only what is printed."""
    wanted = bench.servers["optional"]
    with bench.tracer("-P", str(wanted.port), "--json", stdout=subprocess.PIPE) as tracer:
        tracer.wait_for_start()
        for asks in bench.servers:
            bench.shake_hands(asks=asks)
        metrics = tracer.wait_for_handshakes(1)
        expect(metrics.total("mtlsnoop_handshakes_total", service=wanted.service), 2, "of the port")
        tracer.stop()
    with bench.tracer("-R", "--json", stdout=subprocess.PIPE) as tracer:
        tracer.wait_for_start()
        for asks in bench.servers:
            bench.shake_hands(asks=asks)
        metrics = tracer.wait_for_handshakes(3)
        expect(metrics.total("mtlsnoop_handshakes_total", client_auth="not_requested"), 2, "not requested")
        expect(metrics.total("mtlsnoop_handshakes_total", client_auth="presented"), 4, "presented")
        expect(tracer.stop(), 0, "exit status")
        printed = Counter(json.loads(line)["mtls"]["client_auth"] for line in tracer.process.stdout)
        expect(printed, {"presented": 4}, "printed")


def services(bench):
    with bench.tracer("--quiet", "--max-services=2") as tracer:
        tracer.wait_for_start()
        for asks in bench.servers:
            bench.shake_hands(asks=asks)
        metrics = tracer.wait_for_handshakes(3)
        found = Counter(dict(pairs)["service"] for pairs in metrics.series("mtlsnoop_handshakes_total"))
        first, second, _ = (server.service for server in bench.servers.values())
        expect(found, {first: 2, second: 2, "other": 2}, "series of each service")


class Hostile(threading.Thread):
    """Opens connections of all bad kinds until it is told to stop."""

    def __init__(self, tracer):
        super().__init__(daemon=True)
        self._tracer = tracer
        self._ended = threading.Event()
        self.opened = 0
        self.error = None

    def connect(self, sends):
        connection = socket.create_connection((ADDRESS, self._tracer.port), 5)
        connection.setblocking(False)
        with contextlib.suppress(OSError):
            connection.send(sends)
        self.opened += 1
        return connection

    def run(self):
        try:
            while not self._ended.is_set():
                self._assault()
        except OSError as error:
            self.error = error

    def _assault(self):
        silent = [self.connect(b"") for _ in range(100)]
        dripping = [self.connect(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-") for _ in range(80)]
        # asks, and never reads
        deaf = [self.connect(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 3) for _ in range(20)]
        huge = [self.connect(b"GET / HTTP/1.1\r\nX: " + b"x" * 100000) for _ in range(10)]
        garbage = [self.connect(os.urandom(500)) for _ in range(10)]
        for _ in range(10):
            for connection in dripping:
                with contextlib.suppress(OSError):
                    connection.send(b"x")
            self._ended.wait(0.1)
        for connection in silent + dripping + deaf + huge + garbage:
            connection.close()

    def stop(self):
        self._ended.set()
        self.join(20)


def hostile_clients(bench):
    with bench.tracer("--quiet") as tracer:
        tracer.wait_for_start()
        memory, descriptors = int(tracer.status("VmRSS")), len(os.listdir(f"/proc/{tracer.process.pid}/fd"))
        hostile = Hostile(tracer)
        hostile.start()
        waited = []
        for _ in range(60):
            bench.shake_hands("TLSv1.2")
            begun = time.monotonic()
            tracer.metrics()
            waited.append(time.monotonic() - begun)
            time.sleep(0.05)
        hostile.stop()
        expect(hostile.error, None, "the hostile clients' own trouble")
        if hostile.opened < 400:
            raise Failure(f"only {hostile.opened} hostile connections")
        if statistics.median(waited) > 2:
            raise Failure(f"scrapes took up to {max(waited):.1f} s, half of them {statistics.median(waited):.1f} s")
        metrics = tracer.wait_for_handshakes(60)
        check_nothing_lost(metrics)
        expect(metrics.total("mtlsnoop_unknown_total"), 0, "unknown")
        expect(tracer.get("/healthz")[2], "ok\n", "/healthz")
        expect(tracer.status("Threads"), "2", "threads")
        grown = int(tracer.status("VmRSS")) - memory
        if grown > 8 * 1024:
            raise Failure(f"memory has grown by {grown} KB")
        opened = len(os.listdir(f"/proc/{tracer.process.pid}/fd")) - descriptors
        if opened > 24:
            raise Failure(f"{opened} more files are open")
        expect(tracer.stop(), 0, "exit status")


def no_request_lasts(bench):
    """A client that sends a byte now and then is ended all the same; a head that is too long is refused."""
    with bench.tracer("--quiet") as tracer:
        tracer.wait_for_start()
        with socket.create_connection((ADDRESS, tracer.port), 5) as connection:
            connection.send(b"GET / HTTP/1.1\r\nX: " + b"x" * 20000)
            expect(connection.recv(12), b"HTTP/1.1 431", "a head of 20 KB")
        begun = time.monotonic()
        with socket.create_connection((ADDRESS, tracer.port), 5) as connection:
            connection.send(b"GET / HTTP/1.1\r\n")
            while time.monotonic() - begun < 20:
                if select.select([connection], [], [], 0.5)[0]:
                    break
                with contextlib.suppress(OSError):
                    connection.send(b"X")
        lasted = time.monotonic() - begun
        if not 9 < lasted < 13:
            raise Failure(f"it lasted {lasted:.1f} s, expected 10 to 12")


def output_unread(bench):
    """Nobody reads standard output: nothing is lost, all is counted, and the records come once somebody reads."""
    read_end, write_end = os.pipe()
    fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)
    read = []
    with bench.tracer("--json", "--buffer=64K", stdout=write_end) as tracer:
        os.close(write_end)
        tracer.wait_for_start()
        for _ in range(80):  # more than the ring buffer holds, and more than the pipe
            bench.shake_hands()
            time.sleep(0.02)
        time.sleep(STALLED_SECONDS + 2)
        expect(tracer.get("/healthz")[::2], (200, "ok\n"), "/healthz")
        metrics = tracer.wait_for_handshakes(80)
        check_nothing_lost(metrics)
        expect(metrics.value("mtlsnoop_sink_records_total", sink="json", state="dropped"), 0, "records left out")
        drain = threading.Thread(target=lambda: read.extend(iter(lambda: os.read(read_end, 65536), b"")), daemon=True)
        drain.start()
        wait_until(lambda: b"".join(read).count(b"\n") >= 160, timeout=10)
        expect(tracer.stop(), 0, "exit status")
        drain.join(5)
    os.close(read_end)
    records = [json.loads(line) for line in b"".join(read).splitlines()]
    expect(Counter(record["mtls"]["client_auth"] for record in records), {"presented": 160}, "records")


@contextlib.contextmanager
def stopped_thread(thread):
    """One thread stands still, and the others of its process go on: ptrace(2) stops threads, signals stop processes."""
    seize, interrupt, detach = 0x4206, 0x4207, 17
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]

    def ptrace(request):
        if libc.ptrace(request, thread, None, None) < 0:
            raise Failure(f"ptrace: {os.strerror(ctypes.get_errno())}")
    ptrace(seize)
    ptrace(interrupt)
    os.waitpid(thread, WALL)
    try:
        yield
    finally:
        ptrace(detach)


def reader_stands_still(bench):
    """/healthz says that the reader stands still, /metrics still answers, and the events lost meanwhile are counted."""
    with bench.tracer("--trace", "--buffer=64K", stdout=subprocess.DEVNULL) as tracer:
        tracer.wait_for_start()
        with stopped_thread(tracer.process.pid):
            stalled = wait_until(lambda: tracer.get("/healthz")[0] == 503, timeout=15)
            expect(stalled, True, "/healthz is 503")
            expect("have not been read" in tracer.get("/healthz")[2], True, tracer.get("/healthz")[2])
            tracer.metrics()
            for _ in range(80):  # more than the ring buffer holds
                bench.shake_hands()
        lost = wait_until(lambda: "lost in the last" in tracer.get("/healthz")[2], timeout=10)
        expect(lost, True, f"/healthz tells of the loss ({tracer.get('/healthz')[2].strip()})")
        metrics = tracer.metrics()
        if not metrics.value("mtlsnoop_lost_events_total", where="ring_buffer"):
            raise Failure("no loss in the metrics")
        if metrics.value("mtlsnoop_ring_buffer_peak_bytes") < 32 << 10:
            raise Failure(f"the ring buffer was full: {metrics.value('mtlsnoop_ring_buffer_peak_bytes')} bytes")
        expect(tracer.get("/healthz")[0], 503, "/healthz behind a scrape: a minute is not over")
        expect(tracer.stop(), 0, "exit status")


def cgroup_removed(bench):
    """The programs are detached with their cgroup: what sees nothing any more does not say that there is nothing."""
    path = bench.cgroup / "short-lived"
    path.mkdir()
    with MetricsTracer(path, "--quiet", "--library=off") as tracer:
        tracer.wait_for_start()
        path.rmdir()
        expect(tracer.process.wait(10), 1, "exit status")
        expect(tracer.errors(), "mtlsnoop: the cgroup was removed: nothing is seen any more\n", "standard error")


def run_times(bench):
    """Where the kernel counts the runs of BPF programs they are told, without privileges; else there is nothing."""
    number = BPF_SYSCALL.get(platform.machine())
    if not number:
        raise Skip(f"bpf(2) has a number that is not known here on {platform.machine()}")
    if Path("/proc/sys/kernel/bpf_stats_enabled").read_text().strip() != "0":
        raise Skip("the host counts already")
    if tuple(map(int, platform.release().split(".")[:2])) < (5, 19):
        raise Skip("the kernel may refuse")
    attributes = ctypes.create_string_buffer(128)
    with bench.tracer("--quiet") as tracer:
        tracer.wait_for_start()
        counting = _libc.syscall(number, BPF_ENABLE_STATS, attributes, 128)
        if counting < 0:
            raise Skip(f"BPF_ENABLE_STATS: {os.strerror(ctypes.get_errno())}")
        try:
            bench.shake_hands()
        finally:
            os.close(counting)
        metrics = tracer.wait_for_handshakes(1)
        for program in ("receive", "send"):
            runs = metrics.value("mtlsnoop_bpf_runs_total", program=program)
            seconds = metrics.value("mtlsnoop_bpf_run_seconds_total", program=program)
            if not runs or runs < 10 or not 0 < seconds < 1:
                raise Failure(f"{program}: {runs} runs, {seconds} s")


def addresses(bench):
    """Low ports and IPv6; what cannot be listened on is told, with status 1."""
    for address in ("[::1]:9813", f"{ADDRESS}:81"):
        with bench.tracer("--quiet", metrics=address) as tracer:
            expect(tracer.wait_for_start().get("/healthz")[0], 200, address)
            expect(tracer.stop(), 0, f"{address}: exit status")
    with socket.create_server((ADDRESS, PORT)):
        expect_refusal(bench, f"{ADDRESS}:{PORT}", "Address already in use")
    expect_refusal(bench, "192.0.2.1:9813", "Cannot assign requested address")


def expect_refusal(bench, address, reason):
    with bench.tracer("--quiet", metrics=address) as tracer:
        expect(tracer.process.wait(10), 1, f"{address}: exit status")
        told = tracer.errors()
        expect((address in told, reason in told, told.count("\n")), (True, True, 1), f"{address}: {told.strip()}")


def again(bench):
    """The port can be had again at once, with connections of the last process still closing."""
    for _ in range(2):
        with bench.tracer("--quiet") as tracer:
            tracer.wait_for_start()
            with socket.create_connection((ADDRESS, tracer.port)) as connection:
                tracer.metrics()
                expect(tracer.stop(), 0, "exit status with a connection open")
                expect(connection.recv(1), b"", "the connection is closed")


def run_all(suite):
    with contextlib.ExitStack() as stack:
        bench = Bench(stack, stack.enter_context(own_cgroup()))
        if any(suite.wants(word) for word in ("metrics", "http", "privileges")):
            run_planned(suite, bench)
        suite.run("metrics: -P filters, -R does not", filters, bench)
        suite.run("metrics: --max-services", services, bench)
        suite.run("metrics: run times of the BPF programs", run_times, bench)
        suite.run("health: the cgroup is removed", cgroup_removed, bench)
        suite.run("http: addresses", addresses, bench)
        suite.run("http: stopped and started again", again, bench)
        suite.run("http: no request lasts", no_request_lasts, bench)
        suite.run("http: hostile clients while handshakes go on", hostile_clients, bench)
        suite.run("health: standard output is not read", output_unread, bench)
        suite.run("health: the reader stands still, and loses events", reader_stands_still, bench)


def main():
    if os.geteuid() != 0:
        print("SKIP metrics: network namespaces and BPF want root")
        return 0
    if not os.access(PROGRAM, os.X_OK):
        print(f"FAIL metrics: there is no {PROGRAM}: make")
        return 1
    suite = Suite(sys.argv[1:])
    # an exit like any other: what was made is removed
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        own_network()
        run_all(suite)
    except Exception as error:
        print(f"FAIL metrics: {type(error).__name__}: {error}", flush=True)
        return 1
    return 1 if suite.failed else 0


if __name__ == "__main__":
    sys.exit(main())
