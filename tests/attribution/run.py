#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
Who makes a handshake: the tests' own processes say which of them serves or makes each connection, and the records have to
agree. A case prints the share of ends that are named right, over all connections that were made. No end may have a wrong
name, and where this host sends at least one byte more than 99 % have the right one. tests/attribution/run.py [WORD...]
"""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from harness import PROGRAM, ROOT, Failure, Skip, Suite, expect, wait_until  # noqa: E402
from harness.cgroups import cgroup_root, own_cgroup, remove_cgroup  # noqa: E402
from harness.namespaces import Namespace  # noqa: E402
from harness.scraped import MetricsTracer  # noqa: E402
from harness.tracer import HookTracer as Tracer  # noqa: E402
from peers import Ledger, Peers  # noqa: E402

ID = "0123456789abcdef" * 4
OTHER_ID = "fedcba9876543210" * 4
POD_UID = "12345678-1234-1234-1234-123456789abc"
POD_SLICE = POD_UID.replace("-", "_")
CONNECTIONS = 40
SHORT_CLIENTS = 200
NAMED_LEAST = 0.99


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Scene:
    """A tracer of this run's cgroup, the processes of a case, and what is true of them."""

    def __init__(self, directory, cgroup):
        self.directory = directory
        self.cgroup = cgroup
        self.certificate, self.key = directory / "certificate.pem", directory / "key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", "/CN=attribution", "-keyout", self.key, "-out", self.certificate],
            check=True, capture_output=True)
        self._number = 0

    @contextlib.contextmanager
    def peers(self):
        self._number += 1
        peers = Peers(Ledger(self.directory / f"ledger-{self._number}"), self.certificate, self.key)
        try:
            yield peers
        finally:
            peers.stop()

    def tracer(self, *options, **keywords):
        return Tracer(f"--cgroup={self.cgroup}", *options, **keywords)

    @contextlib.contextmanager
    def inner_cgroup(self, name, root=None):
        """A cgroup below this run's own; removed when its processes have ended."""
        path = Path(root or self.cgroup) / name
        made = [part for part in [path, *path.parents] if not part.exists()]
        path.mkdir(parents=True)
        try:
            yield path
        finally:
            for part in made:
                remove_cgroup(part)


def end_of(record):
    return f"{record['source']['ip']}:{record['source']['port']}"


def pid_of(record):
    return record.get("process", {}).get("pid")


class Share:
    """How many ends of the connections that were made have the right process, and which are wrong."""

    def __init__(self, tracer, truth, roles=("client", "server"), seconds=10):
        self.truth = {key: pid for key, pid in truth.items() if key[0] in roles}
        with contextlib.suppress(Failure):
            wait_until(lambda: self._records(tracer).keys() >= self.truth.keys(), "records", seconds)
        records = self._records(tracer)
        self.records = {key: records.get(key) for key in self.truth}
        named = {key: pid_of(record) for key, record in self.records.items() if record}
        self.right = sum(named.get(key) == pid for key, pid in self.truth.items())
        self.wrong = [f"{key}: {named[key]}, expected {self.truth[key]}" for key in named if named[key] not in (None, self.truth[key])]

    @staticmethod
    def _records(tracer):
        return {(record["mtls"]["role"], end_of(record)): record for record in list(tracer.lines)}

    def check(self, least=NAMED_LEAST):
        """Returns the share as a remark."""
        if not self.truth:
            raise Failure("no connection was made")
        remark = f"{self.right} of {len(self.truth)} ends named right, {len(self.wrong)} wrong"
        if self.wrong or self.right < least * len(self.truth):
            raise Failure("; ".join([remark, *self.wrong[:5]]))
        return remark


def connect_each(peers, port, count=CONNECTIONS, **keywords):
    """Each connection by a process of its own."""
    for _ in range(count):
        peers.start(peers.connect, port, wait=True, **keywords)


def served_by(scene, start, before=True, **keywords):
    """Connections to a server that is older than the tracer, or younger."""
    port = free_port()
    with scene.peers() as peers:
        if before:
            start(peers, port)
        with scene.tracer() as tracer:
            if not before:
                start(peers, port)
            wait_until(lambda: listens(port), "listener")
            connect_each(peers, port, **keywords)
            return Share(tracer, peers.ledger.read()).check()


def listens(port):
    """By the kernel's table: a connection to find out would be one more."""
    return any(f":{port:04X} 00000000:0000 0A" in line for line in open("/proc/net/tcp"))


def with_listener(serve):
    """A server whose listener the first process opens."""
    return lambda peers, port: peers.start(lambda: getattr(peers, serve)(peers.listen(port)))


def start_reuseport(peers, port):
    for _ in range(4):
        peers.start(peers.serve_reuseport, port)


def start_activated(scene, peers, port):
    """The listener is opened by one process, and inherited by a program that another one starts."""

    def activate():
        listener = peers.listen(port)
        os.dup2(listener.fileno(), 3)
        os.set_inheritable(3, True)
        program = Path(__file__).with_name("peers.py")
        os.execv(sys.executable, [sys.executable, str(program), str(peers.ledger._path), str(scene.certificate), str(scene.key)])

    def listen_and_start():
        if not os.fork():
            activate()
        signal.pause()

    peers.start(listen_and_start)


def many_short_clients(scene):
    """All at once, each ends as soon as its handshake is over."""
    port = free_port()
    with scene.peers() as peers:
        peers.start(lambda: peers.serve_workers(peers.listen(port)))
        with scene.tracer() as tracer:
            wait_until(lambda: listens(port), "listener")
            clients = [peers.start(peers.connect, port) for _ in range(SHORT_CLIENTS)]
            for client in clients:
                os.waitpid(client, 0)
            share = Share(tracer, peers.ledger.read(), seconds=20)
            expect(len(share.truth), 2 * SHORT_CLIENTS, "ends")
            return share.check()


def clients_that_end_after_connecting(scene):
    """The server reads a ClientHello of a process that is gone."""
    port = free_port()
    with scene.peers() as peers:
        peers.start(lambda: peers.serve_forking(peers.listen(port)))
        with scene.tracer() as tracer:
            wait_until(lambda: listens(port), "listener")
            for _ in range(CONNECTIONS):
                peers.start(peers.connect_unread, port, wait=True)
            return Share(tracer, peers.ledger.read(), roles=("client",)).check()


def reused_pid(scene):
    """A process that gets the number of a client that is gone lends it neither its name nor its container."""
    last = Path("/proc/sys/kernel/ns_last_pid")
    port = free_port()
    wrong, reused = [], 0
    with scene.inner_cgroup(f"docker-{OTHER_ID}.scope") as other, scene.peers() as peers:
        peers.start(lambda: peers.serve_workers(peers.listen(port)))
        with scene.tracer() as tracer:
            wait_until(lambda: listens(port), "listener")
            for _ in range(20):
                client = peers.start(peers.connect, port, wait=True, name=b"first")
                try:
                    last.write_text(str(client - 1))
                except OSError as error:
                    raise Skip(f"{last}: {error}") from None
                reused += peers.start(time.sleep, 0.5, name=b"second", cgroup=[other]) == client
            share = Share(tracer, peers.ledger.read(), roles=("client",))
            for key, record in share.records.items():
                process = record.get("process", {}) if record else {}
                if process.get("name") not in (None, "first") or (record or {}).get("container"):
                    wrong.append(f"{key}: {process} {record.get('container')}")
            expect(wrong, [], "records with what belongs to the next process of the same number")
            if not reused:
                raise Skip("no number was used again")
            return f"{share.check()}; {reused} of 20 numbers used again"


# The paths of each runtime below the root, and what they say. Unit and pod depend on the path from the root on.
RUNTIMES = {
    "docker-systemd": (f"docker-{ID}.scope", {"id": ID, "runtime": "docker"}),
    "docker-cgroupfs": (f"docker/{ID}", {"id": ID, "runtime": "docker"}),
    "containerd": (f"kubepods.slice/kubepods-pod{POD_SLICE}.slice/cri-containerd-{ID}.scope", {"id": ID, "runtime": "containerd"}),
    "containerd-cgroupfs": (f"kubepods/burstable/pod{POD_UID}/{ID}", {"id": ID}),
    "cri-o": (f"kubepods.slice/kubepods-pod{POD_SLICE}.slice/crio-{ID}.scope/container", {"id": ID, "runtime": "cri-o"}),
    "podman": (f"libpod-{ID}.scope/container", {"id": ID, "runtime": "podman"}),
    "podman-unit": (f"libpod-payload-{ID}", {"id": ID, "runtime": "podman"}),
    "nspawn": ("machine-web.scope/payload", {"id": "web", "runtime": "systemd-nspawn"}),
    "none": ("plain", None),
}


def container_of(record):
    """Without the runtime where this program does not print it."""
    return record.get("container") if record else "no record"


def short_lived_containers(scene):
    """Each client lives for one handshake, in a cgroup that is removed at once."""
    port = free_port()
    total = right = 0
    wrong = []
    with scene.peers() as peers:
        peers.start(lambda: peers.serve_workers(peers.listen(port)))
        with scene.tracer() as tracer:
            wait_until(lambda: listens(port), "listener")
            expected = {}
            for name, (path, container) in list(RUNTIMES.items()) * 3:
                with scene.inner_cgroup(path) as cgroup:
                    before = peers.ledger.read()
                    peers.start(peers.connect, port, wait=True, cgroup=[cgroup])
                    for key in peers.ledger.read().keys() - before.keys():
                        expected[key] = (name, container)
            share = Share(tracer, peers.ledger.read())
            for key, (name, container) in expected.items():
                if key[0] != "client":
                    continue
                found = container_of(share.records[key])
                total += 1
                right += found == container
                if found not in (None, container):
                    wrong.append(f"{name}: {found}, expected {container}")
            expect(wrong, [], "wrong containers")
            expect(right, total, "clients with their container")
            return f"{share.check()}; {right} of {total} containers right, their cgroups gone"


def version_1_hierarchies(scene):
    """A hybrid host, where only a hierarchy of cgroup v1 has the container; the process lives on."""
    version_1 = next((line.split()[4] for line in open("/proc/self/mountinfo") if " - cgroup " in line and "pids" in line.rsplit(None, 1)[-1]), None)
    if not version_1:
        raise Skip("no hierarchy of cgroup v1 is mounted")
    port = free_port()
    with scene.inner_cgroup(f"mtlsnoop-docker/{ID}", root=version_1) as cgroup, scene.peers() as peers:
        peers.start(lambda: peers.serve_alone(peers.listen(port)))
        with scene.tracer() as tracer:
            wait_until(lambda: listens(port), "listener")
            client = peers.start(peers.connect, port, "127.0.0.1", 1.0, cgroup=[cgroup])
            os.waitpid(client, 0)
            share = Share(tracer, peers.ledger.read())
            [record] = [record for key, record in share.records.items() if key[0] == "client"]
            expect((record.get("container") or {}).get("id"), ID, "container")
            return share.check()


def units_and_pods(scene):
    """From the root of the hierarchy on: units, users, pods by the kubelet's log directories, in a mount namespace of the tracer."""
    port = free_port()
    logs = scene.directory / "log"
    for path in (f"pods/shop_cart-7c9_{POD_UID}/cart", f"pods/shop_cart-7c9_{POD_UID}/proxy", "containers"):
        (logs / path).mkdir(parents=True)
    (logs / "containers" / f"cart-7c9_shop_cart-{ID}.log").touch()
    inside = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /var/log && exec "$@"', str(logs)]
    root = cgroup_root()
    unit = f"mtlsnoop-test-{os.getpid()}.service"
    pod = f"kubepods.slice/kubepods-pod{POD_SLICE}.slice/cri-containerd-{ID}.scope"
    with scene.inner_cgroup(f"system.slice/{unit}", root) as service, scene.inner_cgroup(pod, root) as container, scene.peers() as peers:
        peers.start(lambda: peers.serve_alone(peers.listen(port)), cgroup=[service])
        with Tracer(f"--port={port}", before=inside) as tracer:
            wait_until(lambda: listens(port), "listener")
            peers.start(peers.connect, port, wait=True, cgroup=[container])
            share = Share(tracer, peers.ledger.read())
            remark = share.check()
            records = {key[0]: record for key, record in share.records.items()}
            expect(records["server"].get("systemd"), {"unit": unit}, "unit")
            expect(records["server"].get("user"), {"id": "0", "name": "root"}, "user")
            expect(records["server"]["process"].get("executable"), os.path.realpath(sys.executable), "executable")
            expect(records["client"].get("container"), {"id": ID, "runtime": "containerd"}, "container")
            expect(records["client"].get("orchestrator"),
                   {"type": "kubernetes", "namespace": "shop", "resource": {"type": "pod", "name": "cart-7c9"}}, "orchestrator")
            expect(records["client"].get("kubernetes"), {"pod": {"uid": POD_UID}, "container": {"name": "cart"}}, "kubernetes")
            return remark


def selected(scene):
    """-u, -c, --pod, -p with a process's children, and an expression: each prints its own handshakes alone."""
    port = free_port()
    root = cgroup_root()
    unit = f"mtlsnoop-test-{os.getpid()}.service"
    with scene.inner_cgroup(f"system.slice/{unit}", root) as service, scene.inner_cgroup(f"docker-{ID}.scope") as container, scene.peers() as peers:
        master = peers.start(lambda: peers.serve_forking(peers.listen(port)), cgroup=[service])
        options = {
            "-u": ([f"--port={port}", "-u", unit.removesuffix(".service")], "server"),
            "-p": ([f"--port={port}", "-p", str(master)], "server"),
            "-c": ([f"--port={port}", "-c", ID[:12]], "client"),
            "expression": ([f"server.port == {port} and container == {ID} and process.name == short"], "client"),
        }
        with contextlib.ExitStack() as stack:
            tracers = {name: (stack.enter_context(Tracer(*arguments)), role) for name, (arguments, role) in options.items()}
            wait_until(lambda: listens(port), "listener")
            for _ in range(5):
                peers.start(peers.connect, port, wait=True, cgroup=[container], name=b"short")
                peers.start(peers.connect, port, wait=True, name=b"outside")
            truth = peers.ledger.read()
            for name, (tracer, role) in tracers.items():
                count = 10 if role == "server" else 5
                wait_until(lambda: len(tracer.lines) >= count, name)
                tracer.wait_polled()
                expect([record["mtls"]["role"] for record in tracer.lines], [role] * count, name)
                expect([pid_of(record) for record in tracer.lines], [truth[role, end_of(record)] for record in tracer.lines], name)
    return f"{len(options)} ways"


def decided_in_the_kernel(scene):
    """The other end and other ports are left alone with their first packet: no ClientHello is found in them."""
    ports = free_port(), free_port()
    expression = f"(server.port == {ports[0]} and role == server or client.ip in 192.0.2.0/24) and verdict != psk"
    with scene.peers() as peers:
        for port in ports:
            peers.start(lambda port=port: peers.serve_workers(peers.listen(port)))
        with MetricsTracer(scene.cgroup, "--quiet", "--library=off", expression) as tracer:
            tracer.wait_for_start()
            wait_until(lambda: all(listens(port) for port in ports), "listeners")
            for port in ports:
                connect_each(peers, port, 5)
            wait_until(lambda: tracer.metrics().total("mtlsnoop_handshakes_total") >= 5, "handshakes")
            metrics = tracer.metrics()
            expect(metrics.total("mtlsnoop_tls_connections_total"), 5, "connections in which a ClientHello was found")
            expect(metrics.total("mtlsnoop_handshakes_total"), 5, "handshakes")
            return f"5 of 20 ends, {int(metrics.total('mtlsnoop_tcp_connections_total'))} connections"


def no_such_process(scene):
    done = subprocess.run([PROGRAM, f"--cgroup={scene.cgroup}", "-p", "4194303"],
                          capture_output=True, text=True, timeout=20)
    expect(done.returncode, 1, "exit status")
    expect(done.stderr, "mtlsnoop: -p 4194303: there is no such process\n", "message")


def equal_addresses(scene):
    """Two network namespaces in which the addresses and ports are the same."""
    port = 18443
    names = [Namespace("one"), Namespace("two")]
    try:
        with scene.peers() as peers:
            for namespace in names:
                with namespace.entered():
                    listener = peers.listen(port)
                peers.start(peers.serve_alone, listener)
                listener.close()
            with scene.tracer() as tracer:
                inodes = {}
                for namespace in names:
                    with namespace.entered():
                        inodes[namespace.name] = os.stat("/proc/thread-self/ns/net").st_ino
                for round_ in range(10):
                    for namespace in names:

                        def connect(source=20000 + round_):
                            with socket.socket() as connection:
                                connection.bind(("127.0.0.1", source))
                                connection.connect(("127.0.0.1", port))
                                os.write(peers.ledger._file, f"client {namespace.name}:{source} {os.getpid()}\n".encode())
                                with peers.client_context.wrap_socket(connection):
                                    pass

                        with namespace.entered():
                            peers.start(connect, wait=True)
                truth = {key[1]: pid for key, pid in peers.ledger.read().items() if key[0] == "client" and "mtlsnoop" in key[1]}
                wait_until(lambda: sum(record["mtls"]["role"] == "client" for record in tracer.lines) >= len(truth), "records")
                found = {}
                for record in tracer.lines:
                    if record["mtls"]["role"] == "client":
                        [name] = [name for name, inode in inodes.items() if inode == record["network"].get("netns")] or [None]
                        found[f"{name}:{record['source']['port']}"] = pid_of(record)
                expect(found, truth, "processes by namespace and port")
                return f"{len(found)} of {len(truth)} clients named right, 0 wrong"
    finally:
        for namespace in names:
            namespace.close()


HOSTILE = [b"a\nb\t\x1b[31m", b'"\\"', b"\xff\xfe\xc3(", b"') or 1=1", "\u202eabc".encode(), b""]


def hostile_names(scene):
    """Processes and cgroups with any bytes in their names: lines of JSON and of the table stay lines."""
    port = free_port()
    with contextlib.ExitStack() as stack:
        cgroups = [stack.enter_context(scene.inner_cgroup(os.fsdecode(b"machine-" + name.replace(b"\n", b"\\x0a") + b".scope"))) for name in HOSTILE if name]
        peers = stack.enter_context(scene.peers())
        peers.start(lambda: peers.serve_workers(peers.listen(port)))
        with scene.tracer() as tracer, tempfile.TemporaryFile() as out:
            table = subprocess.Popen([PROGRAM, f"--cgroup={scene.cgroup}", "-L", "off"], stdout=out)
            time.sleep(1)
            for number, name in enumerate(HOSTILE):
                peers.start(peers.connect, port, wait=True, name=name, cgroup=[cgroups[number % len(cgroups)]])
            remark = Share(tracer, peers.ledger.read()).check()
            tracer.wait_polled()
            table.send_signal(signal.SIGINT)
            table.wait(20)
            out.seek(0)
            text = out.read()
        tracer_lines = [json.dumps(record) for record in tracer.lines]
        expect(len(tracer_lines), 2 * len(HOSTILE), "records")
        expect(re.findall(rb"[\x00-\x09\x0b-\x1f\x7f]", text), [], "control characters in the table")
        text.decode()
    return remark


def nginx_program():
    for path in (Path(ROOT) / "build" / "stacks" / "usr" / "sbin" / "nginx", Path("/usr/sbin/nginx")):
        if path.exists():
            return path
    raise Skip("there is no nginx: tests/unpack-packages build/stacks nginx nginx-common")


def nginx(scene):
    """A master and four workers, reloaded under load; the access log tells each connection's worker."""
    program, port, directory = nginx_program(), free_port(), scene.directory / "nginx"
    directory.mkdir()
    (directory / "nginx.conf").write_text(f"""
daemon off; worker_processes 4; pid {directory}/pid; error_log {directory}/error.log;
events {{ worker_connections 256; }}
http {{
  log_format who "server $remote_addr:$remote_port $pid";
  access_log {directory}/access.log who;
  client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
  server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {scene.certificate}; ssl_certificate_key {scene.key}; return 204; }}
}}
""")
    request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    master = subprocess.Popen([program, "-p", directory, "-c", directory / "nginx.conf", "-e", directory / "error.log"])
    try:
        wait_until(lambda: listens(port), "nginx")
        with scene.peers() as peers, scene.tracer() as tracer, Tracer(f"--port={port}", "-p", str(master.pid)) as followed:
            for round_ in range(4):
                clients = [peers.start(peers.connect, port, "127.0.0.1", 0, request) for _ in range(25)]
                master.send_signal(signal.SIGHUP)
                for client in clients:
                    os.waitpid(client, 0)
            wait_until(lambda: len((directory / "access.log").read_text().splitlines()) >= 100, "access log")
            for line in (directory / "access.log").read_text().splitlines():
                os.write(peers.ledger._file, f"{line}\n".encode())
            share = Share(tracer, peers.ledger.read(), seconds=20)
            expect(len(share.truth), 200, "ends")
            remark = share.check()
            wait_until(lambda: len(followed.lines) >= 100, f"-p {master.pid}: {len(followed.lines)} of 100 handshakes of the workers")
            expect({record["mtls"]["role"] for record in followed.lines}, {"server"}, "roles with -p")
            return f"{remark}; {len({share.truth[key] for key in share.truth if key[0] == 'server'})} workers; -p {master.pid}: 100 of 100"
    finally:
        master.terminate()
        master.wait()


def without_privileges(scene):
    """What the packaged unit can name: without CAP_SYS_PTRACE, and with /proc hidden, all but executables."""
    port = free_port()
    capabilities = "cap_bpf,cap_net_admin,cap_perfmon"
    hide = ["unshare", "--mount", "sh", "-c", 'mount -t proc -o hidepid=invisible,subset=pid proc /proc 2>/dev/null || mount -t proc -o hidepid=2 proc /proc; exec "$@"', "sh"]
    drop = ["capsh", f"--drop={','.join(all_capabilities_but(capabilities))}", "--", "-c", 'exec "$0" "$@"']
    with scene.inner_cgroup(f"docker-{ID}.scope") as container, scene.peers() as peers:
        peers.start(lambda: peers.serve_forking(peers.listen(port)))
        with scene.tracer(before=[*hide, *drop]) as tracer:
            wait_until(lambda: listens(port), "listener")
            connect_each(peers, port, 10, cgroup=[container])
            share = Share(tracer, peers.ledger.read())
            remark = share.check()
            clients = [record for key, record in share.records.items() if key[0] == "client"]
            expect({(record.get("container") or {}).get("id") for record in clients}, {ID}, "containers")
            expect({record["process"].get("executable") for record in share.records.values()}, {None}, "executables")
            return f"{remark}, with their containers, without executables"


def all_capabilities_but(kept):
    known = subprocess.run(["capsh", "--supports=cap_bpf"], capture_output=True)
    if known.returncode:
        raise Skip("no capsh that knows CAP_BPF")
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    names = [subprocess.run(["capsh", f"--explain={number}"], capture_output=True, text=True).stdout for number in range(last + 1)]
    found = [match[0] for name in names for match in [re.search(r"cap_[a-z_]+", name)] if match]
    return [name for name in found if name not in kept.split(",") and name not in ("cap_setpcap", "cap_setuid", "cap_setgid")]


def run_all(suite, scene):
    for kind, serve in {"forking": "serve_forking", "workers": "serve_workers", "threads": "serve_threads", "passed": "serve_passing"}.items():
        for age, before in {"older": True, "younger": False}.items():
            suite.run(f"server/{kind}/{age}", served_by, scene, with_listener(serve), before)
    suite.run("server/reuseport", served_by, scene, start_reuseport)
    suite.run("server/activated", served_by, scene, lambda peers, port: start_activated(scene, peers, port))
    suite.run("server/nginx", nginx, scene)
    suite.run("client/200-at-once", many_short_clients, scene)
    suite.run("client/ends-after-connecting", clients_that_end_after_connecting, scene)
    suite.run("client/pid-reused", reused_pid, scene)
    suite.run("container/short-lived", short_lived_containers, scene)
    suite.run("container/version-1", version_1_hierarchies, scene)
    suite.run("unit-and-pod", units_and_pods, scene)
    suite.run("selected", selected, scene)
    suite.run("decided-in-the-kernel", decided_in_the_kernel, scene)
    suite.run("no-such-process", no_such_process, scene)
    suite.run("namespaces/equal-addresses", equal_addresses, scene)
    suite.run("hostile-names", hostile_names, scene)
    suite.run("unprivileged", without_privileges, scene)


def main():
    suite = Suite(sys.argv[1:])
    if os.geteuid():
        print("SKIP attribution: needs root")
        return 0
    with tempfile.TemporaryDirectory() as directory, own_cgroup("attribution") as cgroup:
        os.chmod(directory, 0o755)
        run_all(suite, Scene(Path(directory), cgroup))
    return suite.failed != 0


if __name__ == "__main__":
    sys.exit(main())
