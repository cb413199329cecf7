# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Programs in Go, built without any network."""

import os
import subprocess

from harness import ROOT

DEBIAN = "/usr/lib/go"


def build_go(directory, name, toolchain, options, source):
    """The program, or the reason why there is none."""
    if not os.access(f"{toolchain}/bin/go", os.X_OK):
        return f"{toolchain} is not there"
    variables = {**os.environ, "HOME": str(directory), "GOPATH": str(directory / "go"), "GOFLAGS": "-mod=mod",
                 "GOCACHE": str(ROOT / "build" / "go" / "cache"), "GOPROXY": "off", "GOTOOLCHAIN": "local",
                 "GOROOT": toolchain, "CGO_ENABLED": "0"}
    program = directory / name
    done = subprocess.run([f"{toolchain}/bin/go", "build", *options, "-o", program, source], env=variables,
                          cwd=directory, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr.strip()}")
    return program
