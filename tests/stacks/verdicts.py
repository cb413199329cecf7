# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What mtlsnoop says of handshakes, inferred alone and with what the libraries say, held against what is expected, and counted."""

import collections

from harness import Tracer

LIBRARY_MODES = ("off", "auto")
ROLES = ("client", "server")
# A packet that comes while another CPU is in the same direction is lost to the walk (docs/design/hook.md, Two CPUs at once). On loopback
# with two CPUs that is rare, and each of the two tracers meets it: more than that is a defect.
GAPS_MAX = 2


class Table:
    """Of right, wrong and unknown for each pair of stacks."""

    def __init__(self):
        self.counts = collections.defaultdict(collections.Counter)
        self.reasons = collections.Counter()
        self.gaps = 0

    def add(self, pair, expected, record, allowed):
        """allowed is the reason for which it may be unknown. Returns what is wrong with the record."""
        actual, reason = record["mtls"]["client_auth"], record["mtls"]["reason"]
        counts = self.counts[pair]
        if actual == expected:
            counts["right"] += 1
            counts[record["mtls"]["evidence"]] += 1
            return None
        if actual == "unknown":
            counts["unknown"] += 1
            self.reasons[pair, reason] += 1
            if reason == allowed:
                return None
            if reason == "gap":
                self.gaps += 1
            if reason == "gap" and self.gaps <= GAPS_MAX:
                return None
            return f"unknown ({reason}), expected {expected}"
        counts["wrong"] += 1
        return f"{actual}, expected {expected}"

    def print(self):
        print("server          client           library  right  cleartext inferred library  wrong  unknown")
        for (server, client, mode), counts in sorted(self.counts.items()):
            print(f"{server:15} {client:16} {mode:7} {counts['right']:6} {counts['cleartext']:10} {counts['inferred']:8} "
                  f"{counts['library']:7} {counts['wrong']:6} {counts['unknown']:8}")
        for ((server, client, mode), reason), count in sorted(self.reasons.items()):
            print(f"unknown: {count} of server {server}, client {client}, library {mode}: {reason}")


class Verdicts:
    """Of two tracers, which look at one cgroup: what others do on this host at the same time is not looked at."""

    def __init__(self, stack, cgroup):
        self.table = Table()
        self._tracers = {mode: stack.enter_context(Tracer("--json", f"--library={mode}", f"--cgroup={cgroup}"))
                         for mode in LIBRARY_MODES}
        for tracer in self._tracers.values():
            tracer.wait_for_start()

    def from_library(self, name):
        """Whether what the server's library said decided a handshake of a server name."""
        records = self._tracers["auto"].wait_for(name, len(ROLES))
        return any((record["mtls"]["role"], record["mtls"]["evidence"]) == ("server", "library") for record in records)

    def judge(self, pair, case, name, expected, allowed):
        """
        The handshakes of a server name, in the order in which they began, at each end. expected has a verdict and a suite, or
        None for it, of each; allowed(mode, verdict, record) tells for which reason one may be unknown.
        """
        wrong = []
        for mode, tracer in self._tracers.items():
            records = tracer.wait_for(name, len(ROLES) * len(expected))
            for role in ROLES:
                found = [record for record in records if record["mtls"]["role"] == role]
                if len(found) != len(expected):
                    wrong.append(f"{case}, library {mode}: {len(found)} records of the {role}, expected {len(expected)}")
                    continue
                found.sort(key=lambda record: record["@timestamp"])
                for turn, (record, (verdict, suite)) in enumerate(zip(found, expected)):
                    where = f"{case}, library {mode}, as {role}, visit {turn}"
                    what = self.table.add((*pair, mode), verdict, record, allowed(mode, verdict, record))
                    wrong += [f"{where}: {what}"] if what else []
                    if suite and record["tls"]["cipher"] != suite:
                        wrong.append(f"{where}: the suite {record['tls']['cipher']}, expected {suite}")
        return wrong
