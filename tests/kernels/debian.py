# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
Debian packages of other releases and architectures, through an apt whose sources, lists and state are its own: the
system's are not touched. Signatures are checked with Debian's keyring; the mirror is the one that this host's packages
come from.
"""

import contextlib
import os
import re
import shutil
import subprocess
import tempfile

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class Unavailable(Exception):
    """It cannot be had here, and why."""


def run(*command, **how):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          **how)
    if done.returncode:
        last = done.stdout.strip().splitlines()[-1:]
        raise Unavailable(f"{os.path.basename(command[0])}: {''.join(last) or f'status {done.returncode}'}")
    return done.stdout


def mirror():
    for uri in run("apt-get", "indextargets", "--format", "$(REPO_URI)").splitlines():
        if uri.rstrip("/").endswith("/debian"):
            return uri
    raise Unavailable("this host's packages do not come from a mirror of Debian")


class Release:
    """A release of Debian for an architecture. Its state is in a directory that close() removes."""

    def __init__(self, name, architecture):
        if not shutil.which("apt-get") or not os.path.exists(KEYRING):
            raise Unavailable("no apt-get, or no Debian keyring")
        self._directory = tempfile.mkdtemp(prefix="mtlsnoop-apt-")
        try:
            self._prepare(name, architecture)
        except BaseException:
            self.close()
            raise

    def _prepare(self, name, architecture):
        # apt fetches as a user of its own, who has to reach this
        os.chmod(self._directory, 0o755)
        for part in ("lists/partial", "archives/partial"):
            os.makedirs(f"{self._directory}/{part}")
        with open(f"{self._directory}/sources.list", "w") as sources:
            sources.write(f"deb [signed-by={KEYRING}] {mirror()} {name} main\n")
        options = {
            "Dir::Etc::SourceList": f"{self._directory}/sources.list",
            "Dir::Etc::SourceParts": "-",
            "Dir::State": self._directory,
            "Dir::State::status": "/dev/null",
            "Dir::Cache": self._directory,
            "APT::Architecture": architecture,
            "APT::Architectures": architecture,
            "APT::Install-Recommends": "false",
        }
        self._options = [f"-o{key}={value}" for key, value in options.items()]
        self._apt("apt-get", "update", "--error-on=any")

    def close(self):
        shutil.rmtree(self._directory, ignore_errors=True)

    def _apt(self, tool, *arguments):
        return run(tool, *self._options, "-q", *arguments, cwd=self._directory)

    def depends(self, package):
        """The packages that it names first in its dependencies."""
        return re.findall(r"^ *(?:Pre)?Depends: ([^<\s]+)", self._apt("apt-cache", "depends", package), re.MULTILINE)

    def closure(self, packages):
        """These and all that they need."""
        simulated = self._apt("apt-get", "install", "--simulate", *packages)
        return re.findall(r"^Inst (\S+)", simulated, re.MULTILINE)

    def download(self, packages, directory):
        """Returns the paths of the packages' files."""
        os.makedirs(directory, exist_ok=True)
        self._apt("apt-get", "download", *packages)
        paths = []
        for name in sorted(os.listdir(self._directory)):
            if name.endswith(".deb"):
                paths.append(shutil.move(f"{self._directory}/{name}", f"{directory}/{name}"))
        return paths


@contextlib.contextmanager
def release(name, architecture):
    opened = Release(name, architecture)
    try:
        yield opened
    finally:
        opened.close()
