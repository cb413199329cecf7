#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The device hook on network devices of namespaces of its own: a router, a bridge, a mirror port in the middle of real
handshakes. All of it twice: with the links of TCX, and with the filters of clsact as where the kernel has no TCX
(build/tests/without-tcx/mtlsnoop asks for attach types that no kernel has).

usage: run.py [WORD...]     only the cases whose name contains one of the words
"""

import contextlib
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading

from scene import (
    MIRRORED, PROGRAMS, VERSIONS, DeviceTracer, Net, check_between, ends_well, record_frames, truth_of,
)  # fmt: skip

import endpoints  # scene.py says where these are
from harness import PATIENCE, Failure, Skip, Suite, expect, wait_until
from truth import PRESENTED, differences
from harness.namespaces import IPV4_NETWORK, Namespace, Tun, run

METRICS = "127.0.0.1:9813"  # in a namespace, which nobody else listens in


def traffic_control(namespace, device):
    """The qdiscs and filters of a device, without what they have counted."""
    found = run("ip", "netns", "exec", namespace.name, "tc", "qdisc", "show", "dev", device)
    for way in ("ingress", "egress"):
        found += run("ip", "netns", "exec", namespace.name, "tc", "filter", "show", "dev", device, way)
    return re.sub(r" refcnt \d+", "", found)


def ours(namespace, device):
    return "mtlsnoop_device" in traffic_control(namespace, device)


# What is seen


def routed(net, way):
    with DeviceTracer(way, net.router, "-i", "c0") as tracer:
        net.check(tracer)
        ends_well(tracer)


def passes_both(net, way):
    """Each packet passes both devices of the router: one connection, not two."""
    with DeviceTracer(way, net.router, "-i", "c0", "-i", "s0") as tracer:
        net.check(tracer)
        ends_well(tracer)


def at_an_end(net, way):
    with DeviceTracer(way, net.server, "-i", "v0") as tracer:
        net.check(tracer)
        ends_well(tracer)


def loopback(net, way):
    with DeviceTracer(way, net.server, "-i", "lo") as tracer:
        net.check(tracer, address="127.0.0.1", client=(net.server, "127.0.0.1"))
        ends_well(tracer)


def bridged(net, way):
    """A bridge in the middle: its ports and itself."""
    with contextlib.ExitStack() as stack:
        bridge, one, other = (
            stack.enter_context(contextlib.closing(Namespace(name))) for name in ("bridge", "one", "other")
        )
        bridge.ip("link", "add", "br0", "type", "bridge")
        bridge.ip("link", "set", "br0", "up")
        for number, end in enumerate((one, other), 1):
            bridge.ip("link", "add", f"p{number}", "type", "veth", "peer", "name", "v0", "netns", end.name)
            bridge.ip("link", "set", f"p{number}", "master", "br0", "up")
            end.ip("addr", "add", f"{IPV4_NETWORK}.{200 + number}/28", "dev", "v0")
            end.ip("link", "set", "v0", "up")
        with DeviceTracer(way, bridge, "-i", "any") as tracer:
            check_between(net, tracer, one, f"{IPV4_NETWORK}.201", other, f"{IPV4_NETWORK}.202")
            ends_well(tracer)


def without_link_layer(net, way):
    """TUN devices, whose packets begin with the IP header, and a thread that carries them over."""
    with contextlib.ExitStack() as stack:
        ends = [stack.enter_context(contextlib.closing(Namespace(name))) for name in ("tun-one", "tun-other")]
        addresses = [f"{IPV4_NETWORK}.211", f"{IPV4_NETWORK}.212"]
        tuns = [
            stack.enter_context(contextlib.closing(Tun(end, addresses=[f"{here}/32"], peers=[there])))
            for end, here, there in zip(ends, addresses, reversed(addresses))
        ]
        for tun, other in zip(tuns, reversed(tuns)):
            carrier = Carrier(tun.fd, other.fd)
            carrier.start()
            stack.callback(carrier.stop)
        with DeviceTracer(way, ends[1], "-i", "tun0") as tracer:
            check_between(net, tracer, ends[0], addresses[0], ends[1], addresses[1])
            ends_well(tracer)


class Carrier(threading.Thread):
    def __init__(self, source, destination):
        super().__init__(name="carrier", daemon=True)
        self._source, self._destination = source, destination
        self._stop_read, self._stop_write = os.pipe()

    def run(self):
        while True:
            ready, _, _ = select.select([self._source, self._stop_read], [], [])
            if self._stop_read in ready:
                return
            os.write(self._destination, os.read(self._source, 1 << 16))

    def stop(self):
        os.write(self._stop_write, b".")
        self.join()


def in_vxlan(net, way):
    """The handshake goes through a tunnel between the ends; the router sees datagrams."""
    inner = f"{IPV4_NETWORK}.221", f"{IPV4_NETWORK}.222"
    for end, here, there, address in (
        (net.client, net.client_address, net.server_address, inner[0]),
        (net.server, net.server_address, net.client_address, inner[1]),
    ):
        end.ip("link", "add", "x0", "type", "vxlan", "id", "7", "local", here, "remote", there, "dstport", "4789")
        end.ip("addr", "add", f"{address}/30", "dev", "x0")
        end.ip("link", "set", "x0", "mtu", "1400", "up")
    try:
        with DeviceTracer(way, net.router, "-i", "c0") as tracer:
            check_between(net, tracer, net.client, inner[0], net.server, inner[1])
            ends_well(tracer)
    finally:
        for end in (net.client, net.server):
            end.ip("link", "del", "x0")


# Frames on a mirror port


def mirrored(net, way):
    """Frames of a handshake, sent to a device that has no address, as a mirror port's come; each kind on its own."""
    frames, source = record_frames(net)
    net.router.ip("link", "add", "m0", "type", "veth", "peer", "name", "m1")
    for device in ("m0", "m1"):
        # no packets of its own
        net.router.sysctl(f"net.ipv6.conf.{device}.addr_gen_mode", 1)
        net.router.ip("link", "set", device, "mtu", "9000", "up")
    try:
        with net.router.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as port:
            port.bind(("m0", 0))
            for name, change in MIRRORED.items():
                with DeviceTracer(way, net.router, "-i", "m1") as tracer:
                    for frame in frames:
                        port.send(change(frame))
                    found = tracer.wait(source, "observer")
                    expect(len(found), 1, f"records of {name}")
                    wrong = differences(found[0], PRESENTED)
                    expect(wrong, [], name)
    finally:
        net.router.ip("link", "del", "m0")
    return ", ".join(MIRRORED)


# Devices that come and go


def appears_later(net, way):
    with contextlib.ExitStack() as stack:
        end = stack.enter_context(contextlib.closing(Namespace("late")))
        with DeviceTracer(way, net.router, "-i", "any") as tracer:
            net.check(tracer)
            net.router.ip("link", "add", "late0", "type", "veth", "peer", "name", "v0", "netns", end.name)
            net.router.ip("addr", "add", f"{IPV4_NETWORK}.193/30", "dev", "late0")
            net.router.ip("link", "set", "late0", "up")
            end.ip("addr", "add", f"{IPV4_NETWORK}.194/30", "dev", "v0")
            end.ip("link", "set", "v0", "up")
            wait_attached(net.router, way, "late0", tracer)
            check_between(net, tracer, end, f"{IPV4_NETWORK}.194", net.router, f"{IPV4_NETWORK}.193")
            ends_well(tracer)


def wait_attached(namespace, way, device, tracer):
    if way == "clsact":
        wait_until(lambda: ours(namespace, device), f"attaching to {device}")
        return
    # a link tells of its device in the attaching process's fdinfo (kernel 6.6)
    index = int(re.match(r"\d+", namespace.ip("-o", "link", "show", "dev", device))[0])

    def attached():
        (child,) = tracer.children()
        text = ""
        for info in pathlib.Path(f"/proc/{child}/fdinfo").iterdir():
            with contextlib.suppress(OSError):
                text += info.read_text()
        return len(re.findall(rf"^ifindex:\t{index}$", text, re.MULTILINE)) == 2

    wait_until(attached, f"attaching to {device}")


def programs_in_place(namespace):
    """As the metrics say it."""
    text = run(*namespace.command("curl", "-sS", "--max-time", "5", f"http://{METRICS}/metrics"))
    return re.search(r'^mtlsnoop_hooks\{hook="device"\} (\d+)$', text, re.MULTILINE)[1]


def comes_back(net, way):
    with DeviceTracer(way, net.router, "-i", "c0", f"--metrics={METRICS}") as tracer:
        net.check(tracer)
        wait_until(lambda: programs_in_place(net.router) == "2", "programs on c0")
        net.router.ip("link", "del", "c0")
        wait_until(lambda: programs_in_place(net.router) == "0", "no program without c0")
        net.join("c0", net.client, f"{IPV4_NETWORK}.65", net.client_address)
        wait_attached(net.router, way, "c0", tracer)
        net.check(tracer)
        wait_until(lambda: programs_in_place(net.router) == "2", "programs on c0 that came back")
        ends_well(tracer)


# What others have on a device, and what stays


def leaves_nothing(net, way):
    before = traffic_control(net.router, "c0")
    for number in (signal.SIGTERM, signal.SIGKILL):
        with DeviceTracer(way, net.router, "-i", "c0") as tracer:
            (child,) = tracer.children()
            tracer.process.send_signal(number)
            tracer.process.wait(10 * PATIENCE)
            wait_until(lambda: not os.path.exists(f"/proc/{child}"), "the end of its child")
        expect(traffic_control(net.router, "c0"), before, f"after {signal.Signals(number).name}")


def killed_both(net, way):
    """Links go with their process; filters are removed by the next start, and only where their process is gone."""
    before = traffic_control(net.router, "c0")
    with DeviceTracer(way, net.router, "-i", "c0") as tracer:
        (child,) = tracer.children()
        # the child first stands still: it must not tidy up
        os.kill(child, signal.SIGSTOP)
        tracer.process.kill()
        os.kill(child, signal.SIGKILL)
        tracer.process.wait(10 * PATIENCE)
        wait_until(lambda: not os.path.exists(f"/proc/{child}"), "the end of its child")
    expect(ours(net.router, "c0"), way == "clsact", "filters left behind")
    with DeviceTracer(way, net.router, "-i", "s0") as other:
        wait_until(lambda: traffic_control(net.router, "c0") == before, "removal of what was left behind")
        said = other.stop()
    if way == "clsact" and "removed 2 filters" not in said:
        raise Failure(f"removed without a word: {said!r}")


def two_tracers(net, way):
    """On one device, of which the first to come is the first to go: the other sees on, and then all is as it was."""
    before = traffic_control(net.router, "c0")
    with DeviceTracer(way, net.router, "-i", "c0") as first, DeviceTracer(way, net.router, "-i", "c0") as second:
        net.check(first)
        ends_well(first)
        net.check(second)
        ends_well(second)
    expect(traffic_control(net.router, "c0"), before, "qdiscs and filters behind both")


def of_others(net, way):
    """A qdisc and filters that were there before, and a filter that comes later: they stay, and go on to be asked."""
    device = ["ip", "netns", "exec", net.router.name, "tc"]
    run(*device, "qdisc", "add", "dev", "c0", "clsact")
    try:
        for way_in in ("ingress", "egress"):
            run(*device, "filter", "add", "dev", "c0", way_in, "pref", "10", "protocol", "all",
                "u32", "match", "u32", "0", "0", "flowid", "1:1")  # fmt: skip
        before = traffic_control(net.router, "c0")
        with DeviceTracer(way, net.router, "-i", "c0") as tracer:
            run(*device, "filter", "add", "dev", "c0", "ingress", "pref", "20", "protocol", "ip",
                "u32", "match", "u32", "0", "0", "flowid", "1:2")  # fmt: skip
            net.check(tracer)
            hits = hits_of(net.router)
            net.check(tracer)
            if hits is not None and hits_of(net.router) <= hits:
                raise Failure(f"the filter of others is no longer asked: {hits_of(net.router)} hits, {hits} before")
            run(*device, "filter", "del", "dev", "c0", "ingress", "pref", "20")
            ends_well(tracer)
        expect(traffic_control(net.router, "c0"), before, "qdiscs and filters")
    finally:
        run(*device, "qdisc", "del", "dev", "c0", "clsact")
    return "hits are not counted by this kernel" if hits is None else f"{hits} hits"


def hits_of(namespace):
    """How often the filter of others matched, None where the kernel does not count (CONFIG_CLS_U32_PERF)."""
    command = namespace.command("tc", "-s", "filter", "show", "dev", "c0", "ingress", "pref", "10")
    shown = run(*command)
    found = re.search(r"rule hit (\d+)", shown)
    return int(found[1]) if found else None


def elder_qdisc(net, way):
    """The qdisc ingress, which is no clsact: TCX does not care, filters have no place for what is sent."""
    device = ["ip", "netns", "exec", net.router.name, "tc", "qdisc"]
    run(*device, "add", "dev", "c0", "ingress")
    try:
        before = traffic_control(net.router, "c0")
        if way == "tcx":
            with DeviceTracer(way, net.router, "-i", "c0") as tracer:
                net.check(tracer)
                ends_well(tracer)
        else:
            refused(net, way, "c0", "clsact")
        expect(traffic_control(net.router, "c0"), before, "qdiscs and filters")
    finally:
        run(*device, "del", "dev", "c0", "ingress")


def refused(net, way, device, *words):
    command = net.router.command(PROGRAMS[way], "-i", device)
    done = subprocess.run(command, capture_output=True, text=True, timeout=20 * PATIENCE)
    expect(done.returncode, 1, f"exit status ({done.stderr.strip()})")
    for word in (device, *words):
        if word not in done.stderr:
            raise Failure(f"{word!r} is not in {done.stderr!r}")


def child_alone_dies(net, way):
    """Nothing is seen any more: that ends it, with a word."""
    before = traffic_control(net.router, "c0")
    with DeviceTracer(way, net.router, "-i", "c0") as tracer:
        (child,) = tracer.children()
        os.kill(child, signal.SIGKILL)
        expect(tracer.process.wait(10 * PATIENCE), 1, "exit status")
        if "nothing is seen any more" not in tracer.messages():
            raise Failure(f"what was said: {tracer.messages()!r}")
    # its filters are for the next one to remove
    with DeviceTracer(way, net.router, "-i", "s0") as other:
        other.stop()
    expect(traffic_control(net.router, "c0"), before, "after the next start")


def privileges(net, way):
    """The process that reads the network has none; the one that attaches keeps two capabilities."""
    with DeviceTracer(way, net.router, "-i", "any") as tracer:
        (child,) = tracer.children()
        for pid, wanted in ((tracer.process.pid, 0), (child, 1 << 12 | 1 << 39)):
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            for name in ("CapEff", "CapPrm"):
                expect(int(re.search(rf"^{name}:\t(\w+)", status, re.MULTILINE)[1], 16), wanted, f"{name} of {pid}")
            expect(re.search(r"^NoNewPrivs:\t(\d)", status, re.MULTILINE)[1], "1", "NoNewPrivs")
        ends_well(tracer)


# A full table


class Half:
    """A handshake that has come to the server's flight, and goes on later."""

    def __init__(self, net, version):
        net._port += 1
        self.source, self.version = (net.client_address, net._port), version
        self._socket = net.client.socket()
        self._socket.settimeout(15 * PATIENCE)
        self._socket.bind(self.source)
        self._socket.connect((net.server_address, net.ports[version, True]))
        self._tls = endpoints.MemoryTls(net.client_contexts[version, True])
        self._socket.sendall(self._tls.step())
        self._flight = b""
        while not self._flight:
            self._tls.feed(self._socket.recv(65536))
            self._flight = self._tls.step()

    def finish(self):
        self._socket.sendall(self._flight)
        while not self._tls.done:
            self._tls.feed(self._socket.recv(65536))
            self._tls.step()
        self._socket.close()


def evicted(net, way):
    """More handshakes at once than the table holds: each record is right, or unknown; and it is told."""
    count, table = 60, 8
    with DeviceTracer(way, net.router, "-i", "c0", "--max-connections", str(table)) as tracer:
        halves = [Half(net, version) for version in VERSIONS for _ in range(count // 2)]
        for half in halves:
            half.finish()
        tracer.wait_polled()
        said = tracer.stop()
    verdicts = {"right": 0, "unknown": 0, "none": 0}
    for half in halves:
        found = tracer.records(half.source)
        if not found:
            verdicts["none"] += 1
            continue
        expect(len(found), 1, "records")
        mtls = found[0]["mtls"]
        if mtls["client_auth"] == "unknown":
            verdicts["unknown"] += 1
        else:
            verdicts["right"] += 1
            expect(differences(found[0], truth_of(half.version, True, True)), [], "a record that is not unknown")
    if not re.search(r"connections fell out of the full table|found the table full", said):
        raise Failure(f"nothing was told of a full table: {said!r}")
    if verdicts["right"] == count:
        raise Failure("no connection was touched: this tests nothing")
    return ", ".join(f"{number} {name}" for name, number in verdicts.items())


CASES = {
    "routed": routed,
    "one record where it passes two devices": passes_both,
    "at an end": at_an_end,
    "loopback": loopback,
    "bridge": bridged,
    "no link layer (TUN)": without_link_layer,
    "in VXLAN": in_vxlan,
    "mirror port": mirrored,
    "any: a device that appears later": appears_later,
    "a device that comes back": comes_back,
    "SIGTERM and SIGKILL leave nothing": leaves_nothing,
    "SIGKILL of both processes": killed_both,
    "two tracers on one device": two_tracers,
    "qdisc and filters of others": of_others,
    "the qdisc ingress": elder_qdisc,
    "the attaching process alone dies": child_alone_dies,
    "privileges": privileges,
    "a full table": evicted,
    "no such device": lambda net, way: refused(net, way, "nosuch0", "no interface"),
}


def obstacle():
    if os.geteuid():
        return "needs root"
    missing = [path for path in PROGRAMS.values() if not os.path.exists(path)]
    if missing:
        return f"{missing[0]} is not built"
    missing = [tool for tool in ("ip", "tc", "openssl") if not shutil.which(tool)]
    return f"{', '.join(missing)} not installed" if missing else None


def tcx_obstacle(net):
    """Why there is no TCX here: where links cannot be made, the first program makes filters, too."""
    with DeviceTracer("tcx", net.router, "-i", "c0") as tracer:
        has_filters = ours(net.router, "c0")
        tracer.stop()
    return "this kernel has no TCX" if has_filters else None


def case(net, function, way, reason):
    if reason:
        raise Skip(reason)
    return function(net, way)


def main():
    reason = obstacle()
    if reason:
        print(f"SKIP device: {reason}")
        return 0
    suite = Suite(sys.argv[1:])
    with contextlib.ExitStack() as stack:
        keys = endpoints.Keys(stack.enter_context(tempfile.TemporaryDirectory(prefix="mtlsnoop-device-")))
        net = Net(stack, keys)
        net.server_contexts = [endpoints.context(keys, True, request=True)]
        reasons = {"tcx": tcx_obstacle(net), "clsact": None}
        if reasons["tcx"]:
            # there the program itself makes filters
            PROGRAMS["clsact"] = PROGRAMS["tcx"]
        for way, reason in reasons.items():
            for name, function in CASES.items():
                suite.run(f"{way}: {name}", case, net, function, way, reason)
    return 1 if suite.failed else 0


if __name__ == "__main__":
    sys.exit(main())
