# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Handshakes per second: more clients than CPUs against nginx, so that no CPU is idle, mtlsnoop's own work included."""

import contextlib
import itertools
import time
from statistics import median

from children import Helper, cpu_ns
from place import ALGORITHMS
from rounds import Comparison, Sample, compare, print_table, spread

CLIENTS = 4
WARM_UP_SECONDS = 0.1
SECONDS = 0.35
DRAIN_SECONDS = 0.06  # mtlsnoop looks at what has come every 50 ms
VERSIONS = ("1.2", "1.3")


def client_arguments(place, version, algorithm, asks, seconds):
    arguments = ["handshakes", place.ports[algorithm, asks], version, WARM_UP_SECONDS, seconds]
    if asks:
        pair = place.certificates.good[algorithm]
        arguments += [pair.certificate, pair.key]
    return arguments


def _measure(place, arguments, tracer):
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Helper("client", *arguments)) for _ in range(CLIENTS)]
        for client in clients:
            client.wait_ready()
        watched = place.servers, [tracer.pid] if tracer else []
        before = [cpu_ns(*pids) for pids in watched]
        for client in clients:
            client.start()
        figures = [client.figures() for client in clients]
        if tracer:
            time.sleep(DRAIN_SECONDS)
        servers_ns, own_ns = (cpu_ns(*pids) - then for pids, then in zip(watched, before))
    handshakes = sum(count for _, _, count, _ in figures)
    clients_ns = sum(used for _, _, _, used in figures)
    return Sample(value=sum(count * 1e9 / elapsed for count, elapsed, _, _ in figures),
                  cpu=(clients_ns + servers_ns + own_ns) / handshakes / 1000, own=own_ns / handshakes / 1000)


def _row(name, comparison):
    return [*name, f"{median([sample.value for sample in comparison.without]):.0f}",
            *(spread(ratios) for ratios in comparison.ratios.values()), spread(comparison.noise),
            f"{median([sample.cpu for sample in comparison.without]):.0f}",
            *(spread(ratios) for ratios in comparison.cpu_ratios.values()),
            *(f"{median(own):.0f}" for own in comparison.own.values())]


def run(place, stack, rounds):
    place.start_servers(stack)
    quiet = ("-q", "-g", place.cgroup)
    modes = {"wire": (*quiet, "--library=off"), "library": (*quiet, "--library=auto")}
    rows, everything = [], Comparison.of(modes)
    for version, algorithm, asks in itertools.product(VERSIONS, ALGORITHMS, (False, True)):
        arguments = client_arguments(place, version, algorithm, asks, SECONDS)
        comparison = compare(modes, rounds, lambda tracer: _measure(place, arguments, tracer))
        everything.add(comparison)
        rows.append(_row([f"TLS {version}", algorithm.upper(), "yes" if asks else "no"], comparison))
    rows.append(_row(["all", "", ""], everything))
    print_table(
        "Handshakes with nginx: ratios of with mtlsnoop to without, median (quarters)",
        ["version", "key", "asked", "off/s", "wire rate", "library rate", "noise off/off", "off CPU us", "wire CPU",
         "library CPU", "wire own us", "library own us"],
        rows,
        [f"{CLIENTS} clients, {SECONDS} s at a time; wire: --library=off. Goals: rates >= 0.98 and 0.95.",
         "CPU: time of clients, servers and mtlsnoop for one handshake, which other load of the machine touches less",
         "than the rate; own: mtlsnoop's part of it. It sees both endpoints here, and reports each handshake twice."])
