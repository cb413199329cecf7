#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
The Debian package, from its build to its purge. usage: run.py [WORD...] (only the cases with one of the words in their name)

It is installed into a minimal Debian that systemd has been booted in, in namespaces of its own, with the libraries that it
depends on and no others. The system is made with mmdebstrap from the mirror of this host, and kept under build/package.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path.append(str(TESTS))

from container import Container, make_system  # noqa: E402
from harness import ROOT, Failure, Skip, Suite, expect, wait_until  # noqa: E402

SERVICE = "mtlsnoop.service"
OPTIONS = "etc/default/mtlsnoop"
# who builds a package is its maintainer, and a host of tests has no address
OF_THE_BUILDER = "bogus-mail-host,bogus-mail-host-in-debian-changelog,root-in-contact,mail-address-loops-or-bounces"

SCRAPE = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:9813/metrics', timeout=5).read().decode())"


def build():
    done = subprocess.run(["make", "--no-print-directory", "-C", ROOT, "deb"], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL)
    if done.returncode:
        raise Failure(f"make deb: {done.stderr.strip()}")
    return ROOT / done.stdout.split()[-1]


def field(package, name):
    return subprocess.run(["dpkg-deb", "-f", package, name], capture_output=True, text=True, check=True).stdout.strip()


def dependencies(package):
    return [re.split(r"[ (|]", part.strip())[0] for part in field(package, "Depends").split(",")]


def check_contents(package):
    lines = subprocess.run(["dpkg-deb", "-c", package], capture_output=True, text=True, check=True).stdout.splitlines()
    files = {line.split()[5].removeprefix("."): line.split()[:2] for line in lines if not line.startswith("d")}
    wanted = {"/usr/sbin/mtlsnoop": "-rwxr-xr-x"}
    wanted.update(dict.fromkeys((
        "/etc/default/mtlsnoop", "/lib/systemd/system/mtlsnoop.service", "/usr/share/man/man8/mtlsnoop.8.gz",
        "/usr/share/bash-completion/completions/mtlsnoop", "/usr/share/zsh/vendor-completions/_mtlsnoop",
        "/usr/share/fish/vendor_completions.d/mtlsnoop.fish", "/usr/share/doc/mtlsnoop/copyright",
        "/usr/share/doc/mtlsnoop/changelog.gz"), "-rw-r--r--"))
    wanted = {path: [mode, "root/root"] for path, mode in wanted.items()}
    expect({path: files.get(path) for path in wanted}, wanted, "files, their modes and owners")
    stray = [path for path in files if not path.startswith(("/etc/", "/lib/systemd/", "/usr/sbin/", "/usr/share/"))]
    expect(stray, [], "files elsewhere")


def check_lintian(package):
    if not shutil.which("lintian"):
        raise Skip("lintian is not installed")
    done = subprocess.run(["lintian", "--fail-on", "error,warning", "--suppress-tags", OF_THE_BUILDER, package],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL)
    expect((done.returncode, done.stdout), (0, ""), "lintian")


def state_of(container):
    """Whether the service runs, and whether it is enabled."""
    return tuple(container.run("systemctl", question, SERVICE)[1].strip() for question in ("is-active", "is-enabled"))


def property_of(container, name):
    return container.run("systemctl", "show", "-P", name, SERVICE)[1].strip()


def files_of(root):
    """All that may stay behind: configuration, programs, what enabling writes."""
    return {str(path.relative_to(root)) for part in ("etc", "usr", "var/lib/systemd", "lib/systemd", "run/systemd/system")
            for path in (root / part).rglob("*")}


def install(container, package):
    shutil.copy(package, container.root / "mtlsnoop.deb")
    status, output = container.run("dpkg", "-i", "/mtlsnoop.deb")
    expect(status, 0, f"dpkg -i: {output}")
    journal = container.run("journalctl", "-u", SERVICE, "--no-pager")[1]
    expect(state_of(container), ("active", "enabled"), f"state behind the installation ({journal})")


def check_process(container):
    """Never root, no capabilities, its own filter behind that of systemd, and events are read."""
    pid = property_of(container, "MainPID")
    text = container.run("cat", f"/proc/{pid}/status")[1]
    status = {name: value.split() for name, value in re.findall(r"^(\w+):\s*(.*)$", text, re.MULTILINE)}
    for name in ("CapPrm", "CapEff", "CapInh", "CapAmb"):
        expect(status[name], ["0" * 16], name)
    expect((status["Seccomp"], status["NoNewPrivs"]), (["2"], ["1"]), "Seccomp, NoNewPrivs")
    # the range that systemd takes dynamic users from: systemd.exec(5)
    if not 61184 <= int(status["Uid"][0]) <= 65519:
        raise Failure(f"user {status['Uid']}, expected one of DynamicUser's")
    expect(property_of(container, "StatusText"), "Attached, and reading events", "status text")


def check_metrics(container):
    done = container.outside(sys.executable, "-c", SCRAPE)
    if not re.search(r"^mtlsnoop_build_info\{.*\} 1$", done.stdout, re.MULTILINE):
        raise Failure(f"no metrics: {done.stdout[:200]}{done.stderr[-300:]}")
    before = int(re.search(r"^mtlsnoop_tcp_connections_total (\d+)$", done.stdout, re.MULTILINE)[1])

    def seen():
        again = container.outside(sys.executable, "-c", SCRAPE).stdout
        return int(re.search(r"^mtlsnoop_tcp_connections_total (\d+)$", again, re.MULTILINE)[1]) > before
    # the scrapes themselves are connections of that system
    expect(wait_until(seen), True, "connections are seen")


def check_reload(container):
    pid = property_of(container, "MainPID")
    status, output = container.run("systemctl", "reload", SERVICE)
    expect((status, output), (0, ""), "systemctl reload")
    expect(wait_until(lambda: state_of(container)[0] == "active"), True, "active behind the reload")
    expect(property_of(container, "MainPID"), pid, "its process")


def check_options(container):
    """What the administrator writes is taken, and outlives an upgrade."""
    options = container.root / OPTIONS
    options.write_text('MTLSNOOP_OPTIONS="--json --port 443"\n')
    expect(container.run("systemctl", "restart", SERVICE), (0, ""), "restart")
    command = container.run("cat", f"/proc/{property_of(container, 'MainPID')}/cmdline")[1].split("\0")
    expect(command, ["/usr/sbin/mtlsnoop", "--json", "--port", "443", ""], "command line")
    status, output = container.run("dpkg", "-i", "/mtlsnoop.deb")
    expect((status, options.read_text()), (0, 'MTLSNOOP_OPTIONS="--json --port 443"\n'), f"behind an upgrade ({output})")
    expect(state_of(container), ("active", "enabled"), "state")


def check_library(container):
    """With the drop-in a process stays that probes TLS libraries, with as little as the kernel wants; without it none."""
    options, drop_in = container.root / OPTIONS, container.root / "etc/systemd/system" / f"{SERVICE}.d/library.conf"
    options.write_text('MTLSNOOP_OPTIONS="--quiet"\n')
    drop_in.parent.mkdir()
    shutil.copy(container.root / "usr/share/doc/mtlsnoop/examples/library.conf", drop_in)
    container.run("systemctl", "daemon-reload")
    expect(container.run("systemctl", "restart", SERVICE), (0, ""), "restart")
    processes = container.cgroup / "system.slice" / SERVICE / "cgroup.procs"
    names = [container.run("cat", f"/proc/{pid}/comm")[1].strip() for pid in container.run("cat", processes)[1].split()]
    journal = container.run("journalctl", "-u", SERVICE, "-n", "5", "-o", "cat", "--no-pager")[1]
    expect(sorted(names), ["mtlsnoop", "mtlsnoop-elf", "mtlsnoop-lib"], f"processes ({journal})")
    shutil.rmtree(drop_in.parent)
    container.run("systemctl", "daemon-reload")


def check_journal(container):
    """Levels are taken off the lines, and the name is there once."""
    (container.root / OPTIONS).write_text('MTLSNOOP_OPTIONS="--port none"\n')
    container.run("systemctl", "restart", SERVICE)
    lines = container.run("journalctl", "-u", SERVICE, "-p", "err", "-o", "cat", "--no-pager", "-t", "mtlsnoop")[1].splitlines()
    expect(lines, ["--port: 'none' is not a port: a number from 1 to 65535, a range such as 8000-8100, or a name such as https"] + lines[1:], "errors in the journal")
    # a wrong command line fails at once and for good (RestartPreventExitStatus)
    expect(container.run("systemctl", "show", "-p", "ActiveState", "--value", SERVICE)[1].strip(), "failed", "state")
    container.run("systemctl", "stop", SERVICE)
    container.run("systemctl", "reset-failed", SERVICE)


def check_removal(container, before):
    expect(container.run("dpkg", "-r", "mtlsnoop")[0], 0, "dpkg -r")
    expect(state_of(container)[0], "inactive", "state")
    expect((container.root / OPTIONS).exists(), True, "the options file is there")
    expect(container.run("dpkg", "-P", "mtlsnoop")[0], 0, "dpkg -P")
    expect(sorted(files_of(container.root) - before), [], "files left behind")


def main():
    suite = Suite(sys.argv[1:])
    if os.geteuid() != 0:
        print("SKIP package: it needs root")
        return 0
    for tool in ("dpkg-deb", "dpkg-shlibdeps", "unshare", "nsenter"):
        if not shutil.which(tool):
            print(f"SKIP package: {tool} is not installed")
            return 0
    package = build()
    suite.run("package: contents", check_contents, package)
    suite.run("package: lintian", check_lintian, package)
    try:
        archive = make_system(dependencies(package))
    except Skip as reason:
        print(f"SKIP package: in a system: {reason}")
        return 1 if suite.failed else 0
    with Container(archive) as container, contextlib.suppress(Failure):
        suite.run("package: a system boots", container.boot)
        before = files_of(container.root)
        suite.run("package: installed, and started", install, container, package)
        suite.run("package: the process", check_process, container)
        suite.run("package: metrics", check_metrics, container)
        suite.run("package: reload", check_reload, container)
        suite.run("package: options", check_options, container)
        suite.run("package: probes in libraries", check_library, container)
        suite.run("package: journal", check_journal, container)
        suite.run("package: removed, and purged", check_removal, container, before)
    return 1 if suite.failed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    sys.exit(main())
