# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Memory of the process and of what it holds in the kernel, at rest and with many established TLS connections."""

import re
import subprocess
import time
from statistics import median

from children import Helper, Tracer, kernel_objects, resident_kb
from rounds import print_table

CONNECTIONS = 1000
SETTLE_SECONDS = 0.3
RING_BUFFER = "27"  # BPF_MAP_TYPE_RINGBUF


def _option_memory():
    """Bytes charged to each established TCP socket of this namespace as option memory: socket storage is among it."""
    output = subprocess.run(["ss", "-Htmn", "state", "established"], check=True, capture_output=True, text=True).stdout
    return [int(found) for found in re.findall(r"skmem:\([^)]*\bo(\d+)", output)]


def _hold(place):
    return Helper("client", "hold", place.ports["ecdsa", False], "1.2", CONNECTIONS)


def _release(client):
    client.start()
    client.process.wait()


def _charged_without(place):
    """Option memory of a socket for other reasons: somebody else's programs."""
    with _hold(place) as client:
        client.wait_ready()
        charged = median(_option_memory())
        _release(client)
    return charged


def _look(name, tracer):
    time.sleep(SETTLE_SECONDS)
    resident = resident_kb(tracer.pid)
    return [name, *(resident[kind] for kind in ("VmRSS", "RssAnon", "RssFile", "maps"))]


def _kernel_kb(held):
    """Memory of programs or maps, as the kernel charges it."""
    return sum(int(one["memlock"]) for one in held) / 1024


def run(place, stack, _rounds):
    place.start_servers(stack)
    charged = -_charged_without(place)
    with Tracer("-q", "-g", place.cgroup) as tracer:
        rows = [_look("at rest", tracer)]
        with _hold(place) as client:
            client.wait_ready()
            rows.append(_look(f"{CONNECTIONS} connections", tracer))
            charged += median(_option_memory())
            _release(client)
        rows.append(_look("after them", tracer))
        objects = kernel_objects(tracer.pid)
    ring = [one for one in objects.maps.values() if one["map_type"] == RING_BUFFER]
    print_table("Memory: resident in the process, KiB", ["", "in all", "anonymous", "of files", "ring buffer"], rows,
                ["The ring buffer is mapped twice and counts twice. In the kernel it takes "
                 f"{_kernel_kb(ring):.0f} KiB,",
                 f"the other maps {_kernel_kb(objects.maps.values()) - _kernel_kb(ring):.0f}, the programs "
                 f"{_kernel_kb(objects.programs.values()):.0f}; and each endpoint of a connection on this host has",
                 f"{charged:.0f} bytes of socket storage, which go with the socket: with {CONNECTIONS} connections "
                 f"{2 * CONNECTIONS * charged / 1024:.0f} KiB."])
