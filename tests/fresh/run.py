#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
The two commands of the README on a Debian that has nothing but make, git and sudo: what they need, they have to
install. usage: run.py [SUITE...] (of the last command only these)

It is made with mmdebstrap from the mirror of this host, in a directory, and runs on this host's kernel; the project
is a clone of what is committed. Packages come through the network of this host; `make check` has one of its own.
"""

import contextlib
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path += [str(TESTS), str(TESTS / "package")]

from container import FILE_SYSTEMS, make_archive  # noqa: E402
from harness import ROOT, Failure, Suite, expect, wait_until  # noqa: E402
from harness.cgroups import cgroup_root  # noqa: E402

PACKAGES = {"make", "git", "sudo", "ca-certificates"}
PROJECT = "/root/mtlsnoop"
CAPTURES = Path("shared/captures")  # beside the project, where somebody has put it there
MINUTE = 60
ENTER = FILE_SYSTEMS + """
exec chroot . /usr/bin/env -i TERM=dumb HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \\
	sh -c "umount -l /mnt; cd {project} && $1"
""".format(project=PROJECT)


class FreshSystem:
    def __init__(self, stack, archive):
        # 2 GB: more than a /tmp in memory may hold
        self.root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mtlsnoop-fresh-", dir="/var/tmp")))
        self.root.chmod(0o755)
        subprocess.run(["tar", "-C", self.root, "-xf", archive], check=True)
        shutil.copy("/etc/resolv.conf", self.root / "etc" / "resolv.conf")
        (self.root / "etc" / "hosts").write_text(f"127.0.0.1 localhost {socket.gethostname()}\n")
        subprocess.run(["git", "clone", "--quiet", ROOT, f"{self.root}{PROJECT}"], check=True)
        if (ROOT.parent / CAPTURES).exists():
            shutil.copytree(ROOT.parent / CAPTURES, self.root / "root" / CAPTURES, symlinks=True)
        self._cgroup = cgroup_root() / f"mtlsnoop-fresh-{os.getpid()}"
        self._cgroup.mkdir()
        stack.callback(self._remove_cgroup)

    def run(self, command, minutes, network=()):
        """Exit status and output of a command in there; with ("--net",) in a network of its own."""
        process = subprocess.Popen(
            ["unshare", "--mount", "--uts", "--ipc", "--cgroup", *network, "sh", "-c", ENTER, self.root, command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            preexec_fn=lambda: (self._cgroup / "cgroup.procs").write_text(str(os.getpid())))
        try:
            output, _ = process.communicate(timeout=minutes * MINUTE)
        except subprocess.TimeoutExpired:
            raise Failure(f"{command} did not end within {minutes} minutes") from None
        finally:
            self._end_all()
            process.wait()
        return process.returncode, output

    def _end_all(self):
        """Processes are those of this host: a namespace of their own would change what probes and tests see of them."""
        for path in [self._cgroup, *self._cgroup.rglob("*/")]:
            with contextlib.suppress(OSError):
                for process in (path / "cgroup.procs").read_text().split():
                    os.kill(int(process), signal.SIGKILL)

    def _remove_cgroup(self):
        def removed():
            self._end_all()
            for path in sorted(self._cgroup.rglob("*/"), reverse=True) + [self._cgroup]:
                with contextlib.suppress(OSError):
                    path.rmdir()
            return not self._cgroup.exists()
        wait_until(removed, timeout=2 * MINUTE)

    def packages(self):
        """How many there are, and the MB that they take."""
        command = ["dpkg-query", f"--admindir={self.root}/var/lib/dpkg", "-W", "-f", "${Installed-Size}\\n"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        sizes = [int(size or 0) for size in done.stdout.split("\n")[:-1]]
        return len(sizes), sum(sizes) // 1024


def succeed(system, command, minutes, network=()):
    """It ends well; what was installed and how long it took is printed."""
    packages, megabytes = system.packages()
    begun = time.monotonic()
    status, output = system.run(command, minutes, network)
    more, larger = system.packages()
    took = f"{more - packages} packages, {larger - megabytes} MB, {time.monotonic() - begun:.0f} s"
    print(f"# {command}: {took}", flush=True)
    if status:
        raise Failure("\n".join([f"{command} ended with status {status}", *output.splitlines()[-20:]]))
    return output


def make_run(system):
    output = succeed(system, 'sudo make run ARGS="--duration 3"', 20)
    expect("TIME     ROLE" in output, True, f"the heading of the table in {output[-500:]!r}")


def make_check(system, suites):
    succeed(system, "sudo make deps-check", 20)
    command = f"sudo make check SUITES={shlex.quote(' '.join(suites))}" if suites else "sudo make check"
    status, output = system.run(command, 60, ("--net",))
    # what could not be tested there is told, too
    for line in output.splitlines():
        if re.match(r"  (FAIL|SKIP) |.* passed, ", line):
            print(f"# {line}", flush=True)
    expect(status, 0, f"{command}: exit status")


def main():
    if os.geteuid():
        print("SKIP fresh: needs root")
        return 0
    suite = Suite([])
    # an exit like any other: what was made is removed
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with contextlib.ExitStack() as stack:
        systems = []
        suite.run("fresh: a system", lambda: systems.append(FreshSystem(stack, make_archive("fresh", PACKAGES))))
        for system in systems:
            suite.run("fresh: sudo make run", make_run, system)
            suite.run("fresh: sudo make check", make_check, system, sys.argv[1:])
    return 1 if suite.failed else 0


if __name__ == "__main__":
    sys.exit(main())
