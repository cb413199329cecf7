# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A path between two namespaces that loses, repeats and reorders packets as a plan says.

The kernels of the hosts that this runs on need not have netem, and netem cannot be told "the third data segment of the
server, once". Segments are counted per direction by the sequence number that they start at, as it was first seen.
"""

import heapq
import os
import random
import select
import threading
import time

import packet

CLIENT, SERVER = 0, 1
SIDES = ("client", "server")


class Plan:
    """Pass everything on at once."""

    applied = 0  # how many packets met a fate of their own

    def segment(self, side, index, copy, data):
        """
        What becomes of a data segment: a list of (seconds to wait, packet), where packet may be a function that is
        asked for it, or for None, when the time has come. index counts segments in the order in which they were first
        sent by side (CLIENT or SERVER), copy the transmissions of this one.
        """
        return [(0, data)]

    def other(self, side, segment, data):
        """The same of a segment without data."""
        return [(0, data)]


class Swap(Plan):
    """Segment index of a side arrives behind the one that is sent after it."""

    # for a segment that is the last of its flight: nothing comes after it, so it goes its way in the end
    PATIENCE = 0.03

    def __init__(self, side, index):
        self._side, self._index, self._held = side, index, None

    def _release(self):
        held, self._held = self._held, None
        return held

    def segment(self, side, index, copy, data):
        if side != self._side:
            return [(0, data)]
        if index == self._index and copy == 0:
            self._held = data
            self.applied += 1
            return [(Swap.PATIENCE, self._release)]
        return [(0, data), (0, self._release)]


class Drop(Plan):
    """The first copies of segment index of a side are lost."""

    def __init__(self, side, index, copies=1):
        self._side, self._index, self._copies = side, index, copies

    def segment(self, side, index, copy, data):
        if (side, index) == (self._side, self._index) and copy < self._copies:
            self.applied += 1
            return []
        return [(0, data)]


class Duplicate(Plan):
    """Segment index of a side arrives three times: twice at once, and again when others have passed."""

    def __init__(self, side, index):
        self._side, self._index = side, index

    def segment(self, side, index, copy, data):
        if (side, index) != (self._side, self._index) or copy:
            return [(0, data)]
        self.applied += 1
        return [(0, data), (0, data), (0.01, data)]


class Shuffle(Plan):
    """Each data segment is delayed at random, now and then lost once, now and then repeated."""

    def __init__(self, seed, loss=0.1, repeat=0.15, delay=0.02):
        self._seed, self._loss, self._repeat, self._delay = seed, loss, repeat, delay

    def segment(self, side, index, copy, data):
        # by name, not by turn: the same segment meets the same fate in each run with this seed
        chance = random.Random(f"{self._seed} {side} {index} {copy}")
        self.applied += 1
        if copy == 0 and chance.random() < self._loss:
            return []
        copies = 2 if chance.random() < self._repeat else 1
        return [(chance.random() * self._delay, data) for _ in range(copies)]


class DropThirdAck(Plan):
    """The client's first segment without data behind its SYN is lost: its data arrives in its place."""

    def __init__(self, copies=1):
        self._left = copies

    def other(self, side, segment, data):
        if side == CLIENT and self._left and not segment.flags & (packet.SYN | packet.FIN | packet.RST):
            self._left -= 1
            self.applied += 1
            return []
        return [(0, data)]


class Relay(threading.Thread):
    """Carries packets between two TUN devices: that of the client's namespace and that of the server's."""

    def __init__(self, client_tun, server_tun):
        super().__init__(name="relay", daemon=True)
        self._fds = (client_tun.fd, server_tun.fd)
        self._wake_read, self._wake_write = os.pipe()
        self._lock = threading.Lock()
        self._due = []
        self._order = 0
        self.error = None
        self.begin(Plan(), 0)

    def begin(self, plan, client_port):
        """From now on this plan for the connections of this port of the client's; forget what was seen."""
        with self._lock:
            self._plan = plan
            self._client_port = client_port
            self._index = ({}, {})
            self._copies = ({}, {})
            self._log = []

    def seen(self):
        """[(time, side, packet)] as they came from the side that sent them."""
        with self._lock:
            return list(self._log)

    def segments(self, side):
        """How many different data segments a side has sent."""
        with self._lock:
            return len(self._index[side])

    def stop(self):
        os.write(self._wake_write, b".")
        self.join()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _fate(self, side, data):
        segment = packet.parse(data)
        if segment is None or self._client_port != (segment.source_port, segment.destination_port)[side]:
            return [(0, data)]
        self._log.append((time.time(), side, data))
        if not segment.payload:
            return self._plan.other(side, segment, data)
        if segment.sequence not in self._index[side]:
            self._index[side][segment.sequence] = len(self._index[side])
        index = self._index[side][segment.sequence]
        copy = self._copies[side].get(index, 0)
        self._copies[side][index] = copy + 1
        return self._plan.segment(side, index, copy, data)

    def _take(self, side):
        try:
            data = os.read(self._fds[side], 1 << 16)
        except BlockingIOError:
            return False
        with self._lock:
            for delay, copy in self._fate(side, data):
                if delay:
                    self._order += 1
                    heapq.heappush(self._due, (time.monotonic() + delay, self._order, 1 - side, copy))
                else:
                    self._deliver(1 - side, copy)
        return True

    def _deliver(self, side, data):
        if callable(data):
            data = data()
        if data:
            os.write(self._fds[side], data)

    def _deliver_due(self):
        """Write what has waited long enough; returns for how long the next one waits, None where there is none."""
        with self._lock:
            now = time.monotonic()
            while self._due and self._due[0][0] <= now:
                _, _, side, data = heapq.heappop(self._due)
                self._deliver(side, data)
            return max(self._due[0][0] - now, 0) if self._due else None

    def run(self):
        try:
            while True:
                wait = self._deliver_due()
                ready, _, _ = select.select([*self._fds, self._wake_read], [], [], wait)
                if self._wake_read in ready:
                    return
                for side in (CLIENT, SERVER):
                    if self._fds[side] in ready:
                        # a few at a time, so that both directions and the delayed ones get their turn
                        for _ in range(16):
                            if not self._take(side):
                                break
        except OSError as error:
            self.error = error
