# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A kernel of Debian's for virtual machines, and those of its modules that the tests need."""

import fcntl
import lzma
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import debian

MODULES = ["veth", "tun", "bridge", "8021q", "dummy", "vxlan", "sch_ingress", "cls_bpf", "cls_u32", "sch_netem"]


@dataclass(frozen=True)
class Kernel:
    version: str
    image: Path
    modules: list  # in the order in which they can be loaded


def fetch(cache, release, architecture):
    """The kernel of a release; what was fetched before stays in the cache directory. Raises debian.Unavailable."""
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / "lock", "w") as lock:
        # another run of these tests may be at it
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not list(cache.glob("*.deb")):
            with debian.release(release, architecture) as packages:
                image = packages.depends(f"linux-image-cloud-{architecture}")
                packages.download(image[:1], cache)
        stamp = cache / "modules.list"
        if not stamp.exists() or stamp.read_text() != " ".join(MODULES):
            unpack(cache)
            stamp.write_text(" ".join(MODULES))
    version = (cache / "version").read_text()
    return Kernel(version, cache / "vmlinuz", sorted((cache / "modules").iterdir()))


def unpack(cache):
    package = next(cache.glob("*.deb"))
    fields = debian.run("dpkg-deb", "--field", str(package), "Version")
    with tempfile.TemporaryDirectory(dir=cache) as directory:
        debian.run("dpkg-deb", "--extract", str(package), directory)
        root = Path(directory)
        (cache / "vmlinuz").write_bytes(next(root.glob("boot/vmlinuz-*")).read_bytes())
        copy_modules(root, cache / "modules")
    (cache / "version").write_text(fields.strip().rsplit("-", 1)[0])


def copy_modules(root, target):
    files = {path.name.split(".")[0].replace("-", "_"): path for path in root.rglob("*.ko*")}
    chosen = {}

    def add(name):
        # one that is not there is built into the kernel, or tests that want it will say so
        if name in chosen or name not in files:
            return
        data = read_module(files[name])
        for needed in depends(data):
            add(needed)
        chosen[name] = data

    for name in MODULES:
        add(name)
    target.mkdir(exist_ok=True)
    for old in target.iterdir():
        old.unlink()
    for number, (name, data) in enumerate(chosen.items()):
        (target / f"{number:02}-{name}.ko").write_bytes(data)


def read_module(path):
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def depends(data):
    """The modules that a module names, as modinfo(8) shows them."""
    found = re.search(rb"\0depends=([^\0]+)\0", data)
    return [name.replace("-", "_") for name in found[1].decode().split(",")] if found else []
