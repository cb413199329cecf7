# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
Many handshakes while two scrape: are the counts those that the clients made, is anything lost, does memory grow? Only where
it is named, `run load`: it takes minutes.
"""

import contextlib
import http.client
import sys
import threading
import time
from collections import Counter
from statistics import median

from children import ROOT, Helper, Tracer, cpu_ns, resident_kb
from rounds import print_table

sys.path.append(str(ROOT / "tests"))
from harness.exposition import Metrics  # noqa: E402

HANDSHAKES = 200_000
ROUND_SECONDS = 5
LONGEST_SECONDS = 3600
SCRAPE_SECONDS = 1
PORT = 9813
KINDS = [(version, asks) for version in ("1.2", "1.3") for asks in (False, True)]


class Scraper(threading.Thread):
    """Reads the metrics once a second, as text or OpenMetrics."""

    def __init__(self, accept):
        super().__init__(daemon=True)
        self._accept = accept
        self._ended = threading.Event()
        self.seconds = []
        self.failures = 0

    def scrape(self):
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/metrics", headers={"Accept": self._accept})
            return connection.getresponse().read().decode("ascii")

    def run(self):
        while not self._ended.wait(SCRAPE_SECONDS):
            begun = time.monotonic()
            try:
                Metrics(self.scrape(), openmetrics="openmetrics" in self._accept)
                self.seconds.append(time.monotonic() - begun)
            except Exception:
                self.failures += 1

    def stop(self):
        self._ended.set()
        self.join()


def _arguments(place, version, asks):
    pair = place.certificates.good["ecdsa"]
    return ["handshakes", place.ports["ecdsa", asks], version, 0.01, ROUND_SECONDS,
            *([pair.certificate, pair.key] if asks else [])]


def _round(place, made):
    """Each kind for some seconds, all at once."""
    with contextlib.ExitStack() as stack:
        clients = {kind: stack.enter_context(Helper("client", *_arguments(place, *kind))) for kind in KINDS}
        for client in clients.values():
            client.wait_ready()
        for client in clients.values():
            client.start()
        for kind, client in clients.items():
            made[kind] += client.figures()[2]


def _counted(metrics, version, asks, role):
    return int(metrics.total("mtlsnoop_handshakes_total", role=role, version=f"TLSv{version}",
                             client_auth="presented" if asks else "not_requested",
                             evidence="cleartext" if version == "1.2" else "inferred"))


def _wait_for(scraper, count):
    deadline = time.monotonic() + 30
    while True:
        metrics = Metrics(scraper.scrape())
        if metrics.total("mtlsnoop_handshakes_total") >= count or time.monotonic() > deadline:
            return metrics
        time.sleep(0.2)


def _describe(scrapers, metrics, used_ns, begun, handshakes):
    seconds = sorted(second for scraper in scrapers for second in scraper.seconds)
    lost = {dict(labels)["where"]: int(value) for labels, value in
            metrics.series("mtlsnoop_lost_events_total").items() if value}
    elapsed = time.monotonic() - begun
    return [f"In {elapsed:.0f} s, {handshakes / elapsed:.0f} a second; mtlsnoop took {used_ns / handshakes / 1000:.1f} us of "
            "each (both ends together).",
            f"Lost: {lost or 'nothing'}; unknown: {metrics.total('mtlsnoop_unknown_total'):.0f}; ring buffer at most "
            f"{metrics.value('mtlsnoop_ring_buffer_peak_bytes') / 1024:.0f} of "
            f"{metrics.value('mtlsnoop_ring_buffer_size_bytes') / 1024:.0f} KiB.",
            f"{len(seconds)} scrapes, {sum(scraper.failures for scraper in scrapers)} failed: median "
            f"{1000 * median(seconds):.1f} ms, at most {1000 * seconds[-1]:.1f}.",
            f"{metrics.total('mtlsnoop_packets_total'):.0f} packets, {metrics.total('mtlsnoop_packets_total') / handshakes:.1f} "
            "a handshake (both ends, scrapes too)."]


def run(place, stack, _rounds):
    place.start_servers(stack)
    made, memory = Counter(), []
    scrapers = [Scraper("text/plain"), Scraper("application/openmetrics-text;version=1.0.0")]
    with Tracer("-q", f"-m127.0.0.1:{PORT}", "-g", place.cgroup, seconds=LONGEST_SECONDS) as tracer:
        for scraper in scrapers:
            scraper.start()
        begun, used = time.monotonic(), cpu_ns(tracer.pid)
        while made.total() < HANDSHAKES:
            _round(place, made)
            memory.append(resident_kb(tracer.pid)["RssAnon"])
        for scraper in scrapers:
            scraper.stop()
        metrics = _wait_for(scrapers[0], 2 * made.total())
        notes = _describe(scrapers, metrics, cpu_ns(tracer.pid) - used, begun, made.total())
    rows = [[f"TLS {version}", "asked" if asks else "", made[version, asks],
             *(_counted(metrics, version, asks, role) for role in ("server", "client"))] for version, asks in KINDS]
    rows.append(["all", "", made.total(), *(int(metrics.total("mtlsnoop_handshakes_total", role=role))
                                            for role in ("server", "client"))])
    notes.append(f"Anonymous memory after {ROUND_SECONDS} s {memory[0]} KiB, at the end {memory[-1]}, at most {max(memory)}.")
    print_table("Load: handshakes made, and counted at either end", ["", "", "made", "server", "client"], rows, notes)
