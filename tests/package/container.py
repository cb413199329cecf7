# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Debian with systemd, in namespaces of its own: what runs there is as real as on a host, but for the kernel."""

import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path

from harness import ROOT, Failure, Skip, wait_until
from harness.cgroups import cgroup_root

CACHE = ROOT / "build" / "package"
BASE = ["systemd", "systemd-sysv", "init-system-helpers"]
DEVICES = [device for device in ("null", "zero", "full", "random", "urandom", "tty", "net/tun")
           if os.path.exists(f"/dev/{device}")]
BOOT_SECONDS = 60

# in new namespaces, with a directory that becomes the root: the file systems that a system has, and the way in
FILE_SYSTEMS = """set -e
mount --make-rprivate /
mount --bind "$0" "$0"
mount -t proc proc "$0/proc"
mount -t sysfs sysfs "$0/sys"
mount -t cgroup2 cgroup2 "$0/sys/fs/cgroup"
mount -t tmpfs tmpfs "$0/run"
mount -t tmpfs tmpfs "$0/dev"
mkdir "$0/dev/net"
for device in {devices}; do touch "$0/dev/$device"; mount --bind "/dev/$device" "$0/dev/$device"; done
mkdir "$0/dev/pts" "$0/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$0/dev/pts"
ln -s pts/ptmx "$0/dev/ptmx"
ln -s /proc/self/fd "$0/dev/fd"
touch "$0/dev/console"
ip link set lo up
cd "$0"
# services get a root of their own, which a mere chroot cannot have
pivot_root . mnt
""".format(devices=" ".join(DEVICES))
# the first process: becomes systemd
INIT = FILE_SYSTEMS + """
exec chroot . /usr/bin/env -i container=namespaces PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -c \
	'umount -l /mnt; exec /lib/systemd/systemd'
"""


def release():
    text = Path("/etc/os-release").read_text()
    found = re.search(r"^VERSION_CODENAME=(\w+)$", text, re.MULTILINE)
    if "ID=debian" not in text or not found:
        raise Skip("this is not Debian")
    return found[1]


def mirror():
    """Where this host has its packages from."""
    done = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Origin: Debian"], capture_output=True,
                          text=True)
    found = re.search(r"^\S+/debian/$", done.stdout, re.MULTILINE)
    if not found:
        raise Skip("apt names no mirror of Debian")
    return found[0]


def make_system(packages):
    """An archive of a minimal Debian with systemd and these packages."""
    name = release()
    if not os.environ.get("CI") and not (CACHE / f"{name}.tar").exists():
        raise Skip("no system has been made for it: make check-deb")
    return make_archive(name, {*BASE, *packages})


def make_archive(name, packages):
    """An archive of a minimal Debian with these packages; it stays for the next time."""
    if not shutil.which("mmdebstrap"):
        raise Skip("mmdebstrap is not installed")
    names = sorted(packages)
    archive = CACHE / f"{name}.tar"
    wanted = CACHE / f"{name}.packages"
    if archive.exists() and wanted.exists() and wanted.read_text().split() == names:
        return archive
    CACHE.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mmdebstrap", "--variant=minbase", f"--include={','.join(names)}", release(), archive, mirror()],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise Skip(f"mmdebstrap makes no system: {done.stderr.strip().splitlines()[-1:]}")
    wanted.write_text("\n".join(names))
    return archive


class Container:
    """A system that has been booted."""

    def __init__(self, archive):
        self._directory = tempfile.TemporaryDirectory(prefix="mtlsnoop-package-")
        self.root = Path(self._directory.name)
        self.root.chmod(0o755)
        with tarfile.open(archive) as files:
            files.extractall(self.root, filter="fully_trusted") if hasattr(tarfile, "fully_trusted_filter") else \
                files.extractall(self.root)
        self._cgroup = cgroup_root() / f"mtlsnoop-package-{os.getpid()}"
        self._cgroup.mkdir()
        self._process = subprocess.Popen(
            ["unshare", "--pid", "--fork", "--mount", "--uts", "--ipc", "--net", "--kill-child", "sh", "-c", INIT,
             self.root], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            preexec_fn=lambda: (self._cgroup / "cgroup.procs").write_text(str(os.getpid())))
        # in the host's cgroup namespace, as mtlsnoop wants: systemd finds its part of the tree by itself
        self.cgroup = Path("/sys/fs/cgroup") / self._cgroup.name
        self.init = None

    def boot(self):
        """Until systemd has done what it does at the start."""
        def child():
            children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
            return children and Path(f"/proc/{children[0]}/comm").read_text() == "systemd\n" and children[0]
        self.init = wait_until(child, timeout=BOOT_SECONDS)
        if not self.init:
            raise Failure(f"systemd does not start: {self._process.poll()}")
        states = ("running", "degraded")
        if not wait_until(lambda: self.run("systemctl", "is-system-running")[1].strip() in states, timeout=BOOT_SECONDS):
            raise Failure(f"the system does not come up: {self.run('systemctl', 'list-jobs')[1]}")
        return self

    def run(self, *command):
        """Exit status and output of a command in there."""
        done = subprocess.run(["nsenter", "-t", self.init, "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w",
                               "/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive",
                               *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              stdin=subprocess.DEVNULL, timeout=BOOT_SECONDS)
        return done.returncode, done.stdout

    def outside(self, *command):
        """A command of this host in the network of that system."""
        return subprocess.run(["nsenter", "-t", self.init, "-n", *command], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=BOOT_SECONDS)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._process.stderr.close()
        deadline = time.monotonic() + 10
        while self._cgroup.exists() and time.monotonic() < deadline:
            for path in sorted(self._cgroup.rglob("*/"), key=lambda path: -len(path.parts)) + [self._cgroup]:
                if path.is_dir():
                    try:
                        path.rmdir()
                    except OSError:
                        time.sleep(0.05)
        self._directory.cleanup()
