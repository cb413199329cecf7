# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A file system in memory: programs with the libraries that they need, put together as the kernel unpacks it."""

import os
import re
import stat
import subprocess

# The kernel's Documentation/driver-api/early-userspace/buffer-format.rst: the magic number and 13 fields
NEWC = "070701" + "{:08X}" * 13
TRAILER = "TRAILER!!!"


def entry(name, mode, data=b"", device=(0, 0), inode=0):
    path = name.encode() + b"\0"
    head = NEWC.format(inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(path), 0).encode()
    # name and content each end at a multiple of four
    return pad(head + path) + pad(data)


def pad(data):
    return data + bytes(-len(data) % 4)


def dynamic(path):
    """What readelf tells of an executable or library: its interpreter (None where it has none), the libraries that it
    names, and the directories that it names for them."""
    said = subprocess.run(["readelf", "-dlW", path], capture_output=True, text=True, check=True).stdout
    interpreter = re.search(r"program interpreter: (\S+)\]", said)
    paths = re.findall(r"Library r(?:un)?path: \[(.*?)\]", said)
    places = [place.replace("$ORIGIN", os.path.dirname(path)) for found in paths for place in found.split(":")]
    return interpreter and interpreter[1], re.findall(r"\(NEEDED\).*\[(.*?)\]", said), places


class Initramfs:
    """
    Takes files of a root directory (the host's, or one with another architecture's packages) and of others. Two archives
    behind each other are one to the kernel: what machines have in common need be made only once.
    """

    def __init__(self, root="/", triplet=None):
        self._root = root.rstrip("/")
        self._libraries = [f"{prefix}/{triplet}" for prefix in ("/lib", "/usr/lib")] + ["/lib", "/usr/lib", "/lib64"]
        self._parts, self._names = [], set()

    def archive(self):
        return b"".join(self._parts) + entry(TRAILER, 0)

    def directory(self, path):
        path = path.strip("/")
        if path and path not in self._names:
            self.directory(os.path.dirname(path))
            self._add(path, stat.S_IFDIR | 0o755)

    def file(self, path, data, mode=0o644):
        self.directory(os.path.dirname(path))
        if path.strip("/") not in self._names:
            self._add(path.strip("/"), stat.S_IFREG | mode, data)

    def device(self, path, major, minor):
        self.directory(os.path.dirname(path))
        self._add(path.strip("/"), stat.S_IFCHR | 0o666, device=(major, minor))

    def _add(self, name, mode, data=b"", device=(0, 0)):
        self._names.add(name)
        self._parts.append(entry(name, mode, data, device, len(self._names)))

    def copy(self, source, path):
        """A file from anywhere, with the libraries of the root that it needs."""
        with open(source, "rb") as opened:
            data = opened.read()
        self.file(path, data, 0o755 if os.access(source, os.X_OK) else 0o644)
        if data.startswith(b"\x7fELF"):
            self._copy_libraries(os.path.realpath(source))

    def take(self, path):
        """A file of the root, at its own place."""
        if path.strip("/") not in self._names:
            self.copy(self._root + path, path)

    def take_tree(self, path, leave_out):
        for directory, subdirectories, files in os.walk(self._root + path):
            subdirectories[:] = [name for name in subdirectories if not leave_out(name)]
            for name in files:
                self.take(os.path.join(directory, name).removeprefix(self._root))

    def copy_tree(self, source, path, leave_out):
        for directory, subdirectories, files in os.walk(source):
            subdirectories[:] = [name for name in subdirectories if not leave_out(name)]
            for name in files:
                inside = os.path.relpath(os.path.join(directory, name), source)
                self.copy(os.path.join(directory, name), f"{path}/{inside}")

    def _copy_libraries(self, path):
        interpreter, needed, places = dynamic(path)
        if interpreter:
            self.take(interpreter)
        for name in needed:
            for place in [place.removeprefix(self._root) for place in places] + self._libraries:
                if os.path.exists(f"{self._root}{place}/{name}"):
                    self.take(f"{place}/{name}")
                    break
            else:
                raise FileNotFoundError(f"{path} needs {name}")
