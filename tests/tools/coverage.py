#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
Sum up the lines of user/ that instrumented unit tests have reached, by gcov. usage: coverage.py BUILD

Writes BUILD/index.txt: a line for each file, the least covered first, then the numbers of the missed lines.
"""

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def reports(build):
    """gcov's report on each object that has run."""
    for data in sorted(build.rglob("*.gcda")):
        done = subprocess.run(["gcov", "--json-format", "--stdout", str(data)], cwd=ROOT, capture_output=True, text=True)
        for line in done.stdout.splitlines():
            yield json.loads(line)


def lines_of(build):
    """{file: {line: runs}} for files of user/."""
    found = defaultdict(lambda: defaultdict(int))
    for report in reports(build):
        for file in report["files"]:
            if file["file"].startswith("user/"):
                for line in file["lines"]:
                    found[file["file"]][line["line_number"]] += line["count"]
    return found


def main():
    build = Path(sys.argv[1]).resolve()
    found = lines_of(build)
    rows = []
    for name, lines in found.items():
        missed = [number for number, runs in sorted(lines.items()) if not runs]
        rows.append((100 * (len(lines) - len(missed)) / len(lines), name, len(lines), missed))
    total = sum(count for _, _, count, _ in rows)
    reached = sum(count - len(missed) for _, _, count, missed in rows)
    text = [f"{percent:5.1f} % of {count:5} lines  {name}  {' '.join(map(str, missed))}" for percent, name, count, missed in sorted(rows)]
    (build / "index.txt").write_text("\n".join(text) + "\n")
    print(f"{100 * reached / max(1, total):.1f} % of {total} lines in {len(rows)} files: {build / 'index.txt'}")
    return 0 if rows else 1


if __name__ == "__main__":
    sys.exit(main())
