#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How long mtlsnoop, tshark and ssldump take for the same capture, in one run: ratios, since times are the machine's.

The captures are made of the project's own handshakes, many times over with other addresses and many connections open at
once: one of handshakes alone, the worst case, and one in which application data follows each. Programs that are not
installed are left out.

usage: captures.py [PROGRAM [CONNECTIONS]]
"""
import pathlib
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
OWN = REPOSITORY / "tests" / "captures" / "own"
HANDSHAKES = ("ethernet.pcap", "many-records.pcap", "tls-1.3-not-requested.pcap", "tls-1.3-presented.pcap")
OPEN_AT_ONCE = 200
ROUNDS = 3
DATA_SEGMENTS, DATA_BYTES = 70, 1400  # about 100 KB for each connection
ETHERNET, IPV4 = 14, 20


def read_frames(path):
    data, at, frames = path.read_bytes(), 24, []
    while at < len(data):
        length = struct.unpack_from("<I", data, at + 8)[0]
        frames.append(data[at + 16:at + 16 + length])
        at += 16 + length
    return frames


def data_segments(frame, count):
    """Application data behind a segment, in its direction."""
    header = bytearray(frame[:ETHERNET + IPV4 + 20])
    length = struct.unpack_from(">H", frame, ETHERNET + 2)[0] - 40
    sequence = struct.unpack_from(">I", frame, ETHERNET + IPV4 + 4)[0] + length
    record = b"\x17\x03\x03" + struct.pack(">H", DATA_BYTES - 5) + bytes(DATA_BYTES - 5)
    for index in range(count):
        struct.pack_into(">H", header, ETHERNET + 2, 40 + DATA_BYTES)
        struct.pack_into(">I", header, ETHERNET + IPV4 + 4, (sequence + index * DATA_BYTES) & 0xffffffff)
        yield bytes(header) + record


def connection_frames(name, segments):
    """A handshake's frames without its end, data from the last side that spoke, and no end: that costs most."""
    content = read_frames(OWN / name)[:-3]
    return content + list(data_segments(content[-1], segments))


def readdress(frame, number):
    """The client's address, which is one of 10.1.0.2 and more, by the connection's number."""
    client = struct.pack(">I", 0x0a020000 + number)
    at = ETHERNET + 12 if frame[ETHERNET + 12:ETHERNET + 16] == b"\x0a\x01\x00\x02" else ETHERNET + 16
    return frame[:at] + client + frame[at + 4:]


def make_capture(path, connections, segments):
    """Returns how many packets it has. Connections run beside each other, OPEN_AT_ONCE of them."""
    templates = [connection_frames(name, segments) for name in HANDSHAKES]
    packets = 0
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, 1))
        for first in range(0, connections, OPEN_AT_ONCE):
            for index in range(max(len(template) for template in templates)):
                for number in range(first, min(first + OPEN_AT_ONCE, connections)):
                    template = templates[number % len(templates)]
                    if index < len(template):
                        frame = readdress(template[index], number)
                        microseconds = packets * 10
                        out.write(struct.pack("<IIII", 1700000000 + microseconds // 1000000, microseconds % 1000000,
                                              len(frame), len(frame)) + frame)
                        packets += 1
    return packets


def measure(arguments):
    """Returns seconds of processor time and the lines printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, result.stdout.count(b"\n")


def most_memory(arguments):
    """Returns the megabytes that a program had at most, as the kernel counts them while it runs."""
    most = 0
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            for line in pathlib.Path("/proc/%d/status" % process.pid).read_text(encoding="ascii").splitlines():
                if line.startswith("VmHWM:"):
                    most = max(most, int(line.split()[1]))
            time.sleep(0.01)
    return most / 1024


def compare(program, path, connections, name):
    """Print how long each program takes for the file; returns whether what mtlsnoop told is complete."""
    size = pathlib.Path(path).stat().st_size / 1e6
    with open(path, "rb") as content:
        while content.read(1 << 20):
            pass  # into the page cache
    # the best of as many for each: the machine may be busy
    own, lines = min(measure([program, "-r", path]) for _ in range(ROUNDS))
    if lines != connections + 1:
        print("FAIL captures %s: %d lines are printed, expected %d" % (name, lines, connections + 1))
        return False
    print("captures %s: mtlsnoop: %.2f s for %.0f MB, %.0f MB/s, %.0f MB of memory at most"
          % (name, own, size, size / own, most_memory([program, "-r", path])))
    commands = {"mtlsnoop --json": [program, "--json", "-r", path], "ssldump": ["ssldump", "-n", "-r", path],
                "tshark": ["tshark", "-r", path, "-Y", "tls.handshake", "-T", "fields", "-e", "tcp.stream", "-e",
                           "tls.handshake.type"]}
    for other, arguments in commands.items():
        if shutil.which(arguments[0]):
            theirs = min(measure(arguments) for _ in range(ROUNDS))[0]
            print("captures %s: %s takes %.1f times as long (%.2f s)" % (name, other, theirs / own, theirs))
        else:
            print("SKIP captures %s, %s: it is not installed" % (name, other))
    return True


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else str(REPOSITORY / "build" / "mtlsnoop")
    connections = int(sys.argv[2], 10) if len(sys.argv) > 2 else 2000
    good = True
    with tempfile.TemporaryDirectory() as directory:
        path = str(pathlib.Path(directory) / "bench.pcap")
        for name, segments in (("handshakes alone", 0), ("with data", DATA_SEGMENTS)):
            packets = make_capture(path, connections, segments)
            print("captures %s: %d connections, %d packets" % (name, connections, packets))
            good &= compare(program, path, connections, name)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
