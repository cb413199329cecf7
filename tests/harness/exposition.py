# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
A strict reader of Prometheus' text format 0.0.4 and of OpenMetrics 1.0: what one of them forbids, or what mtlsnoop has
no reason to write, is an error.
"""

import re
from dataclasses import dataclass, field

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\S+)")
NUMBER = re.compile(r"\d+(\.\d+)?")
UNITS = ("seconds", "bytes")

# of each type, the suffixes that its samples may have
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "info": ("_info",), "histogram": ("_bucket", "_sum", "_count")}


class Malformed(Exception):
    pass


@dataclass
class Family:
    name: str  # without the suffix of its samples
    type: str = None
    help: str = None
    unit: str = None
    samples: dict = field(default_factory=dict)  # (sample name, labels as sorted pairs) -> value


def demand(holds, what):
    if not holds:
        raise Malformed(what)


def parse_labels(text):
    labels = [(match[1], re.sub(r"\\(.)", lambda escaped: "\n" if escaped[1] == "n" else escaped[1], match[2]))
              for match in re.finditer(LABEL, text or "")]
    demand(len({name for name, _ in labels}) == len(labels), f"a label twice: {text}")
    return tuple(sorted(labels))


def check_histogram(family):
    """Each group of labels: bounds ascend, counts too, the last bound is +Inf and counts all."""
    groups = {}
    for (name, labels), value in family.samples.items():
        rest = tuple(pair for pair in labels if pair[0] != "le")
        groups.setdefault(rest, {}).setdefault(name.removeprefix(family.name), []).append((dict(labels).get("le"), value))
    for labels, parts in groups.items():
        demand(set(parts) == {"_bucket", "_sum", "_count"}, f"{family.name}{labels}: has {sorted(parts)}")
        bounds = [float(bound) for bound, _ in parts["_bucket"]]
        counts = [count for _, count in parts["_bucket"]]
        demand(bounds == sorted(set(bounds)) and bounds[-1] == float("inf"), f"{family.name}{labels}: bounds {bounds}")
        demand(counts == sorted(counts), f"{family.name}{labels}: counts {counts}")
        demand(parts["_count"] == [(None, counts[-1])], f"{family.name}{labels}: count {parts['_count']}")
        demand(all("." in bound or bound == "+Inf" for bound, _ in parts["_bucket"]), "a bound that is no float")


class Reader:
    def __init__(self, openmetrics):
        self.openmetrics = openmetrics
        self.families = {}
        self._current = None

    def read(self, text):
        demand(text.endswith("\n") and "\r" not in text and text.isascii(), "lines")
        lines = text.split("\n")[:-1]
        if self.openmetrics:
            demand(lines.pop() == "# EOF", "no # EOF at the end")
        for line in lines:
            if line.startswith("#"):
                self._comment(line)
            else:
                self._sample(line)
        for family in self.families.values():
            demand(family.type and family.help, f"{family.name} has no HELP or no TYPE")
            if family.type == "histogram":
                check_histogram(family)
        return self.families

    def _comment(self, line):
        match = re.fullmatch(rf"# (HELP|TYPE|UNIT) ({NAME}) (\S.*)", line)
        demand(match, f"comment: {line}")
        keyword, name, text = match.groups()
        if keyword == "HELP":  # is the first line of a family here
            demand(name not in self.families, f"{name} twice")
            demand("\\" not in text and '"' not in text, f"help: {text}")
            self._current = self.families[name] = Family(name, help=text)
            return
        family = self._current
        demand(family and family.name == name and not family.samples, f"not in its family: {line}")
        demand(getattr(family, keyword.lower()) is None, f"twice: {line}")
        if keyword == "TYPE":
            self._type(family, text)
        else:
            demand(self.openmetrics and text in UNITS and name.endswith(f"_{text}"), f"unit: {line}")
            family.unit = text

    def _type(self, family, text):
        demand(text in SUFFIXES and (self.openmetrics or text != "info"), f"type: {text}")
        family.type = text
        if not self.openmetrics:
            demand(text != "counter" or family.name.endswith("_total"), f"counter {family.name}")
        else:
            demand(not family.name.endswith(("_total", "_info")), f"family name {family.name}")

    def _sample(self, line):
        match = SAMPLE.fullmatch(line)
        demand(match, f"sample: {line}")
        name, labels, value = match[1], parse_labels(match[2]), match[match.lastindex]
        family = self._current
        demand(family and name in self._sample_names(family), f"not in its family: {line}")
        demand(family.type != "info" or value == "1", f"info: {line}")
        demand((name, labels) not in family.samples, f"twice: {line}")
        demand(NUMBER.fullmatch(value), f"value: {line}")
        family.samples[name, labels] = float(value)

    def _sample_names(self, family):
        if not self.openmetrics and family.type != "histogram":
            return {family.name}
        return {family.name + suffix for suffix in SUFFIXES[family.type]}


class Metrics:
    """What a scrape says."""

    def __init__(self, text, openmetrics=False):
        self.families = Reader(openmetrics).read(text)
        self.samples = {key: value for family in self.families.values() for key, value in family.samples.items()}

    def value(self, name, **labels):
        """Of one series; None where it is not there."""
        return self.samples.get((name, tuple(sorted(labels.items()))))

    def total(self, name, **labels):
        """The sum over all series that have these labels."""
        return sum(value for (found, pairs), value in self.samples.items()
                   if found == name and labels.items() <= dict(pairs).items())

    def series(self, name):
        return {pairs: value for (found, pairs), value in self.samples.items() if found == name}
