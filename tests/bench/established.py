# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What mtlsnoop costs where there is nothing more to see: established TLS connections, and those that are none."""

from statistics import median

from children import Helper
from rounds import Sample, compare, print_table, spread

SECONDS = 0.3
TRANSPORTS = {"plain": "TCP", "1.2": "TLS 1.2", "1.3": "TLS 1.3"}
KINDS = tuple((transport, pattern) for pattern in ("bulk", "echo") for transport in TRANSPORTS)


def transfer(place, transport, pattern, seconds):
    """A connection that is established when the helper is ready."""
    pair = place.certificates.server["ecdsa"]
    return Helper("transfer", transport, pattern, seconds, pair.certificate, pair.key)


def _measure(place, transport, pattern):
    with transfer(place, transport, pattern, SECONDS) as helper:
        helper.wait_ready()
        helper.start()
        count, nanoseconds, cpu = helper.figures()
    if pattern == "bulk":
        return Sample(count / nanoseconds, cpu / count)  # bytes in a nanosecond: GB/s
    return Sample(nanoseconds / 1000, cpu / count)


def run(place, _stack, rounds):
    modes = {"-q": ("-q", "-g", place.cgroup)}
    rows = []
    for transport, pattern in KINDS:
        comparison = compare(modes, rounds, lambda _: _measure(place, transport, pattern))
        without = median([sample.value for sample in comparison.without])
        rows.append([TRANSPORTS[transport],
                     *(("throughput", f"{without:.2f} GB/s") if pattern == "bulk" else
                       ("round trip", f"{without:.2f} us")),
                     spread(comparison.ratios["-q"]), spread(comparison.noise), spread(comparison.cpu_ratios["-q"])])
    print_table("Established connections: ratios of with mtlsnoop -q to without, median (quarters)",
                ["", "what", "off", "on/off", "noise off/off", "CPU on/off"], rows,
                [f"{SECONDS} s at a time on the loopback device. A round trip (64 bytes each way) is the median of its",
                 "kind, with both processes on one CPU. CPU: time of both processes for a byte, or for a round trip."])
