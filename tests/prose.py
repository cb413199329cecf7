#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
Count placeholder words, which make a reader look back, in comments and documents.

usage: tests/prose.py [--folders]  print PASS or FAIL for comments and for documents; --folders adds a line for each folder
"""

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 5.0  # percent
# Old comments are still above the limit. Each bound may only be lowered, until it is the limit.
BOUNDS = {"comments": 5.0, "test comments": 10.5}
WORST = 10  # files to name if the limit is exceeded
PLACEHOLDERS = set("it its what that who which whom whose one ones none those this these such else they them their there".split())


def listed():
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return [name for name in names if (ROOT / name).is_file()]


def comments(text):
    """The comments of a C source, without licence headers."""
    return " ".join(found for found in re.findall(r"/\*.*?\*/|//[^\n]*", text, re.DOTALL) if "SPDX" not in found)


def prose(text):
    """Markdown without code: fenced blocks, indented lines, code spans."""
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return "\n".join(line for line in text.split("\n") if not line.startswith("    "))


def kind_of(name):
    """(kind, function that leaves the prose) of a file, or None for a file without prose."""
    if re.match(r"(user|bpf)/.*\.[chly]$", name):
        return "comments", comments
    if re.match(r"tests/.*\.[ch]$", name):
        return "test comments", comments
    if name.endswith((".md", ".8")):
        return "documents", prose
    return None


class Count:
    def __init__(self):
        self.words = self.placeholders = 0

    def add(self, other):
        self.words += other.words
        self.placeholders += other.placeholders

    @property
    def percent(self):
        return 100 * self.placeholders / self.words if self.words else 0.0


def count_of(text):
    count = Count()
    words = [word.lower() for word in re.findall(r"[A-Za-z']+", text)]
    count.words = len(words)
    count.placeholders = sum(word in PLACEHOLDERS for word in words)
    return count


def main():
    kinds, folders, files = defaultdict(Count), defaultdict(Count), defaultdict(list)
    for name in listed():
        kind = kind_of(name)
        if not kind:
            continue
        count = count_of(kind[1]((ROOT / name).read_text(errors="replace")))
        kinds[kind[0]].add(count)
        folders[kind[0], str(Path(name).parent)].add(count)
        files[kind[0]].append((count.placeholders - LIMIT / 100 * count.words, name, count))
    failed = False
    for kind, count in sorted(kinds.items()):
        told = f"{kind}: {count.percent:.1f} % of {count.words} words"
        limit = BOUNDS.get(kind, LIMIT)
        if count.percent < limit:
            print(f"PASS prose/{kind}")
            print(f"# {told}")
            continue
        failed = True
        print(f"FAIL prose/{kind}: {told} are placeholders, the limit is {limit:g} %")
        for _, name, worst in sorted(files[kind], reverse=True)[:WORST]:
            print(f"# {name}: {worst.percent:.1f} % of {worst.words} words")
    if "--folders" in sys.argv[1:]:
        for (kind, folder), count in sorted(folders.items()):
            print(f"# {count.percent:5.1f} % of {count.words:6} words  {folder} ({kind})")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
