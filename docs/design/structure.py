#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
Draw the wings of the source tree and the includes between them, and check that includes run downwards.

usage: structure.py          write docs/design/structure.svg
       structure.py --check  print PASS or FAIL for each rule, as tests/run reads it
"""

import re
import subprocess
import sys
from collections import defaultdict
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PICTURE = Path(__file__).with_name("structure.svg")

# The order of the wings, top floor first. A wing may include wings of lower floors only. A new folder needs a place here.
FLOORS = [
    ["user"],
    ["user/top", "user/web"],
    ["user/store", "user/send", "user/evidence"],
    ["user/sink", "user/decrypt"],
    ["user/tracking", "user/library"],
    ["user/attribution", "user/filter", "user/capture", "user/kernel", "user/http"],
    ["user/handshake", "bpf"],
    ["user/tls", "user/stream", "bpf/hook", "bpf/library"],
    ["user/system", "bpf/shared"],
]

# Includes that still run upwards, each with the reason. An entry that no include needs is an error.
UPWARDS = {
    ("user/kernel", "user/library"): "the places of probes in a file (points.h) are plain data; the wing of libraries owns the data",
}

# Pure wings may include only these system headers: no input, no output, no libbpf.
PURE = ["bpf/shared", "user/tls", "user/stream", "user/handshake", "user/filter"]
IMPURE_HEADERS = re.compile(r"bpf/|linux/bpf|sys/socket\.h|sys/epoll|sys/wait|sys/stat|fcntl\.h|pthread\.h|poll\.h|microhttpd|sqlite3|seccomp")

BOX_WIDTH, BOX_HEIGHT, FLOOR_HEIGHT, GAP, MARGIN = 132, 34, 84, 26, 20
PASSAGE_WIDTH = 12  # of an arrow that crosses a floor
COLOURS = ["#3465a4", "#a40000", "#4e9a06", "#75507b", "#c17d11", "#06989a", "#ce5c00", "#555753", "#204a87"]


def sources():
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "user", "bpf"], cwd=ROOT, check=True,
                            capture_output=True, text=True).stdout.split()
    return [name for name in listed if re.search(r"\.[ch]$", name) and (ROOT / name).exists()]


def wing_of(name):
    parts = Path(name).parts
    return "/".join(parts[:2]) if len(parts) > 2 else parts[0]


def resolve(includer, header, files):
    """The file of the tree that an include names; None for a generated or a system header."""
    skeleton = re.fullmatch(r"(\w+)\.skel\.h", header)
    if skeleton:
        header = f"bpf/{skeleton[1]}.bpf.c"
    for candidate in (header, f"user/{header}", f"bpf/{header}", str(Path(includer).parent / header)):
        if candidate in files:
            return candidate
    return None


def includes():
    """(file, included file) of each include within the tree, and (file, header) of each system header."""
    names = sources()
    files, inner, system = set(names), [], []
    for name in names:
        for quote, header in re.findall(r'^#\s*include\s+(["<])([^">]+)[">]', (ROOT / name).read_text(), re.MULTILINE):
            target = resolve(name, header, files) if quote == '"' else None
            if target:
                inner.append((name, target))
            elif quote == "<":
                system.append((name, header))
    return inner, system


def floor_of():
    return {wing: floor for floor, wings in enumerate(FLOORS) for wing in wings}


def edges_of(inner):
    return sorted({(wing_of(a), wing_of(b)) for a, b in inner if wing_of(a) != wing_of(b)})


def circles(inner):
    """Files that include each other, directly or not: the first circle found, as a list of files."""
    below = defaultdict(set)
    for upper, lower in inner:
        below[upper].add(lower)
    done, path = set(), []

    def visit(name):
        if name in path:
            return path[path.index(name):] + [name]
        if name in done:
            return None
        path.append(name)
        for lower in sorted(below[name]):
            found = visit(lower)
            if found:
                return found
        path.pop()
        done.add(name)
        return None

    return next((found for name in sorted(below) if (found := visit(name))), None)


class Layout:
    """Floors of boxes and of passages: an arrow over several floors passes each floor between through a passage."""

    def __init__(self, edges):
        used = {wing for edge in edges for wing in edge}
        floors = [[wing for wing in wings if wing in used] for wings in FLOORS]
        self.rows = [row for row in floors if row]
        row_of = {wing: row for row, wings in enumerate(self.rows) for wing in wings}
        self.paths = {}
        for upper, lower in edges:
            if row_of[upper] >= row_of[lower]:
                continue  # upwards: the check reports such an include
            passages = [(upper, lower, row) for row in range(row_of[upper] + 1, row_of[lower])]
            for passage in passages:
                self.rows[passage[2]].append(passage)
            self.paths[upper, lower] = [upper, *passages, lower]
        self._sort()
        self._place()

    def _sort(self):
        """Order each row by the middle of its neighbours' positions, down and up, so that few arrows cross."""
        neighbours = {True: defaultdict(list), False: defaultdict(list)}
        for path in self.paths.values():
            for upper, lower in zip(path, path[1:]):
                neighbours[True][lower].append(upper)
                neighbours[False][upper].append(lower)
        for step in range(24):
            downwards = step % 2 == 0
            rows = self.rows if downwards else self.rows[::-1]
            for before, row in zip(rows, rows[1:]):
                position = {node: (index + 0.5) / len(before) for index, node in enumerate(before)}
                own = {node: (index + 0.5) / len(row) for index, node in enumerate(row)}

                def middle(node):
                    near = [position[other] for other in neighbours[downwards][node]]
                    return sum(near) / len(near) if near else own[node]

                row.sort(key=middle)

    def _place(self):
        def width_of(node):
            return BOX_WIDTH if isinstance(node, str) else PASSAGE_WIDTH

        spans = [sum(map(width_of, row)) + GAP * (len(row) - 1) for row in self.rows]
        self.width = max(spans) + 2 * MARGIN
        self.height = FLOOR_HEIGHT * (len(self.rows) - 1) + BOX_HEIGHT + 2 * MARGIN
        self.at = {}
        for index, (row, span) in enumerate(zip(self.rows, spans)):
            extra = (self.width - 2 * MARGIN - span) / (len(row) + 1)  # the space that is left, shared evenly
            x = MARGIN + extra
            for node in row:
                self.at[node] = (round(x + width_of(node) / 2), MARGIN + index * FLOOR_HEIGHT)
                x += width_of(node) + GAP + extra


def arrow(layout, path, colour):
    x, y = layout.at[path[0]]
    steps = [f"M{x},{y + BOX_HEIGHT}"]
    previous = (x, y + BOX_HEIGHT)
    for node in path[1:]:
        x, y = layout.at[node]
        bend = (y - previous[1]) / 2
        steps.append(f"C{previous[0]},{previous[1] + bend:g} {x},{y - bend:g} {x},{y}")
        if isinstance(node, tuple):
            steps.append(f"L{x},{y + BOX_HEIGHT}")
        previous = (x, y + BOX_HEIGHT)
    return (f'<path d="{" ".join(steps)}" stroke="{colour}" marker-end="url(#head)">'
            f"<title>{escape(path[0])} includes {escape(path[-1])}</title></path>")


def draw(edges):
    layout = Layout(edges)
    colour = {wing: COLOURS[index % len(COLOURS)] for index, wing in enumerate(wing for wings in FLOORS for wing in wings)}
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {layout.width} {layout.height}" font-family="sans-serif" font-size="13">',
        "<!-- drawn by docs/design/structure.py from the includes: make structure -->",
        '<defs><marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="6" markerHeight="6" orient="auto">'
        '<path d="M0,0 L8,4 L0,8 z" fill="#555753"/></marker></defs>',
        '<rect width="100%" height="100%" fill="white"/>',
        '<g fill="none" stroke-width="1.4" stroke-opacity="0.75">',
        *(arrow(layout, path, colour[path[0]]) for path in layout.paths.values()),
        "</g>",
    ]
    for node, (x, y) in layout.at.items():
        if isinstance(node, str):
            fill = "#eeeeec" if node.startswith("bpf") else "#e7eef7"
            lines.append(f'<rect x="{x - BOX_WIDTH // 2}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="4" fill="{fill}" '
                         f'stroke="{colour[node]}"/><text x="{x}" y="{y + 22}" text-anchor="middle">{escape(node)}</text>')
    return "\n".join([*lines, "</svg>", ""])


def report(name, wrong):
    """Print a case; wrong is a list of what breaks the rule."""
    print(f"FAIL structure/{name}: {'; '.join(wrong)}" if wrong else f"PASS structure/{name}")
    return bool(wrong)


def check(inner, system):
    floors = floor_of()
    known = [(upper, lower) for upper, lower in inner if wing_of(upper) in floors and wing_of(lower) in floors]
    missing = sorted({wing_of(name) for pair in inner for name in pair} - floors.keys())
    upwards = sorted({(wing_of(a), wing_of(b)) for a, b in known if wing_of(a) != wing_of(b) and floors[wing_of(a)] >= floors[wing_of(b)]})
    wrong_files = [f"{a} includes {b}" for a, b in known if (wing_of(a), wing_of(b)) in upwards and (wing_of(a), wing_of(b)) not in UPWARDS]
    circle = circles(inner)
    impure = [f"{name} includes <{header}>" for name, header in system if wing_of(name) in PURE and IMPURE_HEADERS.match(header)]
    failed = report("every folder has a floor in docs/design/structure.py", missing)
    failed |= report("includes run downwards", wrong_files)
    failed |= report("every listed exception is in use", [f"{a} -> {b}" for a, b in UPWARDS if (a, b) not in upwards])
    failed |= report("no files include each other", [" -> ".join(circle)] if circle else [])
    failed |= report("pure wings include no header for input, output or libbpf", impure)
    if not missing:
        current = PICTURE.exists() and PICTURE.read_text() == draw(edges_of(inner))
        failed |= report("docs/design/structure.svg shows the includes", [] if current else ["out of date: run make structure"])
    return 1 if failed else 0


def main():
    inner, system = includes()
    if sys.argv[1:] == ["--check"]:
        return check(inner, system)
    if sys.argv[1:]:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    PICTURE.write_text(draw(edges_of(inner)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
