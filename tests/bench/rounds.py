# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
Ratios that hold on a machine that does other things too: each round measures without mtlsnoop, with it, and without it
again, one after the other; the ratio is that of with to the mean of the two without, and its median over the rounds
counts. The two without against each other show what is noise.
"""

from dataclasses import dataclass
from statistics import quantiles

from children import Tracer


@dataclass
class Sample:
    value: float  # a rate or a time
    cpu: float  # CPU time for one unit of work, in any unit
    own: float = 0  # mtlsnoop's part of it


@dataclass
class Comparison:
    """Of one thing measured: a list with an element per round in each."""

    without: list  # Sample
    ratios: dict  # by mode: of the value
    cpu_ratios: dict  # by mode: of the CPU time
    own: dict  # by mode: mtlsnoop's CPU time
    noise: list  # the second without to the first

    @classmethod
    def of(cls, modes):
        return cls([], *({mode: [] for mode in modes} for _ in range(3)), [])

    def add(self, other):
        """Take the rounds of another one as more of these."""
        self.without += other.without
        self.noise += other.noise
        for mode in self.ratios:
            self.ratios[mode] += other.ratios[mode]
            self.cpu_ratios[mode] += other.cpu_ratios[mode]
            self.own[mode] += other.own[mode]


def _mean(first, last):
    return Sample((first.value + last.value) / 2, (first.cpu + last.cpu) / 2)


def compare(modes, rounds, measure):
    """modes: options of mtlsnoop by name. measure(tracer) measures once; tracer is None where none runs."""
    comparison = Comparison.of(modes)
    for index in range(rounds):
        first = measure(None)
        samples = {}
        # a drift hits the modes in turn
        for mode in list(modes)[::-1 if index % 2 else 1]:
            with Tracer(*modes[mode]) as tracer:
                samples[mode] = measure(tracer)
        last = measure(None)
        without = _mean(first, last)
        comparison.without.append(without)
        comparison.noise.append(last.value / first.value)
        for mode, sample in samples.items():
            comparison.ratios[mode].append(sample.value / without.value)
            comparison.cpu_ratios[mode].append(sample.cpu / without.cpu)
            comparison.own[mode].append(sample.own)
    return comparison


def spread(ratios):
    """The median, and the quarters around it."""
    if len(ratios) < 2:
        return f"{ratios[0]:.3f}"
    low, middle, high = quantiles(ratios, n=4, method="inclusive")
    return f"{middle:.3f} ({low:.3f}-{high:.3f})"


def print_table(title, headings, rows, notes=()):
    print(f"\n{title}\n")
    widths = [max(len(str(row[column])) for row in [headings, *rows]) for column in range(len(headings))]
    for row in [headings, *rows]:
        print("  " + "  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())
    for note in notes:
        print(f"  {note}")
    print(end="", flush=True)
