#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
Write build/compile_commands.json from the commands that make would run, for clangd and clang-tidy.

usage: compile_commands.py [TARGET...]  (default: all tests)
"""

import json
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DATABASE = ROOT / "build" / "compile_commands.json"
COMPILERS = ("cc", "gcc", "clang")


def commands_of(targets):
    """The shell commands of a build from nothing, without running any."""
    done = subprocess.run(["make", "--no-print-directory", "--dry-run", "--always-make", "V=1", *targets], cwd=ROOT, check=True,
                          capture_output=True, text=True)
    return done.stdout.replace("\\\n", " ").splitlines()


def entry_of(command):
    """The database's entry for a compilation, or None for any other command."""
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    if not words or Path(words[0]).name not in COMPILERS:
        return None
    sources = [word for word in words if word.endswith(".c")]
    if len(sources) != 1:
        return None
    words = [word for word in words if word not in ("-MMD", "-MP")]
    output = words[words.index("-o") + 1] if "-o" in words else str(Path("build", sources[0]).with_suffix(".o"))
    return {"directory": str(ROOT), "file": sources[0], "output": output, "arguments": words}


def main():
    entries = [entry for command in commands_of(sys.argv[1:] or ["all", "tests"]) if (entry := entry_of(command))]
    # a file is compiled up to three times: the program's own command comes first, and is the one that tools should take
    by_file = {}
    for entry in sorted(entries, key=lambda entry: not entry["output"].startswith(("build/user", "build/bpf", "build/tests/"))):
        by_file.setdefault(entry["file"], entry)
    DATABASE.parent.mkdir(exist_ok=True)
    DATABASE.write_text(json.dumps(list(by_file.values()), indent=1) + "\n")
    print(f"{DATABASE.relative_to(ROOT)}: {len(by_file)} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
