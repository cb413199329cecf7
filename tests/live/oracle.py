# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""tshark beside mtlsnoop: an independent reading of the same packets."""

import re
import subprocess
import time
from dataclasses import dataclass, field

FIELDS = ("tcp.stream", "ip.src", "ipv6.src", "tcp.srcport", "ip.dst", "ipv6.dst", "tcp.dstport",
          "tls.handshake.type", "tls.handshake.length", "tls.handshake.extensions_server_name",
          "tls.handshake.ciphersuite", "tls.alert_message.level", "tls.alert_message.desc")


PACKET_MAX = 65535 + 14  # GSO and GRO: one packet of up to 64 KiB, and its Ethernet header
RING_MEGABYTES = 128
QUEUE_PACKETS = 100000
QUEUE_BYTES = 256 * 1024 * 1024


@dataclass
class Conversation:
    """A TCP connection, as tshark has it."""

    client: tuple  # address, port
    server: tuple
    # what is in cleartext, in order: (HandshakeType, length)
    messages: dict = field(default_factory=lambda: {"client": [], "server": []})
    alerts: list = field(default_factory=list)  # ("client" or "server", level, description)
    server_name: str = ""
    cipher_suite: int = None  # of ServerHello

    @property
    def requested(self):
        return any(kind == 13 for kind, _ in self.messages["server"])

    @property
    def answer(self):
        """The client's: "certificate", "empty" (a list of length 0, RFC 5246 section 7.4.6) or None."""
        for kind, length in self.messages["client"]:
            if kind == 11:
                return "certificate" if length > 3 else "empty"
        return None


class Capture:
    def __init__(self, environment, namespace, interfaces, name):
        self._environment = environment
        self.path = environment.directory / f"{name}.pcapng"
        self.path.unlink(missing_ok=True)
        self._log = environment.directory / f"{name}.log"
        # tshark's own capturing program: only so it can be told how much to hold until it can write
        command = ["dumpcap", "-q", "-w", self.path, "-N", QUEUE_PACKETS, "-C", QUEUE_BYTES]
        for interface in interfaces:
            # the kernel's ring has room for so many packets of the longest length, however short they are
            command += ["-i", interface, "-B", RING_MEGABYTES, "-s", PACKET_MAX, "-f", "tcp"]
        self._process = environment.start(namespace, name, *command)
        self._wait_until_capturing()

    def _wait_until_capturing(self, timeout=15):
        deadline = time.monotonic() + timeout
        while not (self.path.exists() and self.path.stat().st_size and "File: " in self._log.read_text()):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"dumpcap does not capture: {self._log.read_text().strip()}")
            time.sleep(0.02)

    def stop(self):
        # dumpcap writes what it has read every so often, and all of it when it is told to end
        time.sleep(0.5)
        self._process.terminate()
        self._process.wait(15)

    def dropped(self):
        """Packets that came too fast for tshark: without them it proves nothing."""
        told = re.findall(r"received/dropped on interface '[^']+': \d+/(\d+)", self._log.read_text())
        if not told:
            raise RuntimeError(f"dumpcap does not say what it dropped: {self._log.read_text()}")
        return sum(map(int, told))

    def conversations(self, ports):
        """The connections to ports, in the order in which they began."""
        command = ["tshark", "-n", "-r", self.path, "-T", "fields", "-E", "separator=|", "-E", "occurrence=a"]
        command += ["-Y", "tcp"]
        for port in ports:
            command += ["-d", f"tcp.port=={port},tls"]
        for name in FIELDS:
            command += ["-e", name]
        done = subprocess.run(command, capture_output=True, text=True, env=self._environment.variables)
        if done.returncode:
            raise RuntimeError(f"tshark cannot read its capture: {done.stderr.strip()}")
        found = {}
        for line in done.stdout.splitlines():
            _add_packet(found, dict(zip(FIELDS, line.split("|"))), ports)
        return list(found.values())


def _numbers(text):
    return [int(number, 0) for number in text.split(",") if number]


def _add_packet(found, packet, ports):
    source = packet["ip.src"] or packet["ipv6.src"], int(packet["tcp.srcport"])
    destination = packet["ip.dst"] or packet["ipv6.dst"], int(packet["tcp.dstport"])
    if destination[1] in ports:
        side, client, server = "client", source, destination
    elif source[1] in ports:
        side, client, server = "server", destination, source
    else:
        return
    # not by the addresses: a client's port may soon be used again
    conversation = found.setdefault(packet["tcp.stream"], Conversation(client, server))
    types, lengths = _numbers(packet["tls.handshake.type"]), _numbers(packet["tls.handshake.length"])
    conversation.messages[side] += zip(types, lengths, strict=True)
    levels, descriptions = _numbers(packet["tls.alert_message.level"]), _numbers(packet["tls.alert_message.desc"])
    conversation.alerts += [(side, *alert) for alert in zip(levels, descriptions, strict=True)]
    if side == "client" and packet["tls.handshake.extensions_server_name"]:
        conversation.server_name = packet["tls.handshake.extensions_server_name"]
    if side == "server" and 2 in types:
        conversation.cipher_suite = _numbers(packet["tls.handshake.ciphersuite"])[0]
