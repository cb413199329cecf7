# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
TLS servers and clients that know who they are: each connection is written down by the process that serves it, or that made
it, as a line "role address:port pid" in a file that is opened for appending. address:port is the client's end.
"""

import array
import contextlib
import ctypes
import os
import signal
import socket
import ssl
import sys
import threading
import time

PR_SET_NAME = 15
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def set_name(name):
    _libc.prctl(PR_SET_NAME, ctypes.c_char_p(name), 0, 0, 0)


def end_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Ledger:
    """What is true. Lines are short, so that each is written at once."""

    def __init__(self, path):
        self._path = path
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)

    def write(self, role, end):
        os.write(self._file, f"{role} {end[0]}:{end[1]} {os.getpid()}\n".encode())

    def read(self):
        truth = {}
        for line in open(self._path):
            role, end, pid = line.split()
            truth[role, end] = int(pid)
        return truth


class Peers:
    """Processes that are started, and ended again."""

    def __init__(self, ledger, certificate, key):
        self.ledger = ledger
        self.server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server_context.load_cert_chain(certificate, key)
        self.client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.client_context.check_hostname = False
        self.client_context.verify_mode = ssl.CERT_NONE
        self._children = []

    def start(self, function, *arguments, name=None, wait=False, cgroup=None):
        """A child process that runs function and ends; returns its pid. cgroup: a directory, or several."""
        child = os.fork()
        if not child:
            status = 1
            with contextlib.suppress(Exception):
                end_with_parent()
                for directory in cgroup or ():
                    (directory / "cgroup.procs").write_text(str(os.getpid()))
                if name is not None:
                    set_name(name)
                function(*arguments)
                status = 0
            os._exit(status)
        if wait:
            os.waitpid(child, 0)
        else:
            self._children.append(child)
        return child

    def stop(self):
        for child in self._children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        for child in self._children:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)
        self._children = []

    def listen(self, port, address="127.0.0.1", reuse=False):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((address, port))
        listener.listen(512)
        return listener

    def handle(self, connection, end):
        """One connection, from the handshake to the client's close."""
        self.ledger.write("server", end)
        with contextlib.suppress(OSError), self.server_context.wrap_socket(connection, server_side=True) as session:
            session.recv(1)

    # servers: each runs until it is killed

    def serve_forking(self, listener):
        """A process for each connection, as PostgreSQL and sshd have it."""
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while True:
            connection, end = listener.accept()
            if not os.fork():
                end_with_parent()
                self.handle(connection, end)
                os._exit(0)
            connection.close()

    def serve_workers(self, listener, workers=4):
        """Workers that accept from one listener, which their master has opened."""
        for _ in range(workers):
            if not os.fork():
                end_with_parent()
                self.serve_alone(listener)
        signal.pause()

    def serve_alone(self, listener):
        while True:
            connection, end = listener.accept()
            self.handle(connection, end)

    def serve_threads(self, listener, threads=4):
        """A pool of threads with names of their own: the process has one number and one name."""

        def work(number):
            set_name(b"pool-%d" % number)
            self.serve_alone(listener)

        for number in range(threads):
            threading.Thread(target=work, args=(number,), daemon=True).start()
        signal.pause()

    def serve_reuseport(self, port):
        self.serve_alone(self.listen(port, reuse=True))

    def serve_passing(self, listener, workers=2):
        """One process accepts and gives each connection to another (SCM_RIGHTS)."""
        pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(workers)]
        for _, inner in pairs:
            if not os.fork():
                end_with_parent()
                self._serve_passed(inner)
        for number in range(1 << 30):
            connection, end = listener.accept()
            rights = array.array("i", [connection.fileno()])
            pairs[number % workers][0].sendmsg([f"{end[0]} {end[1]}".encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
            connection.close()

    def _serve_passed(self, source):
        while True:
            text, ancillary, _, _ = source.recvmsg(64, socket.CMSG_SPACE(4))
            [fd] = array.array("i", ancillary[0][2])
            address, port = text.decode().split()
            self.handle(socket.socket(fileno=fd), (address, int(port)))

    # clients

    def connect(self, port, address="127.0.0.1", linger=0.0, request=None):
        """One handshake; then the process may end at once."""
        with socket.socket() as connection:
            connection.settimeout(20)
            connection.connect((address, port))
            self.ledger.write("client", connection.getsockname())
            with self.client_context.wrap_socket(connection, server_hostname="localhost") as session:
                if request:
                    session.sendall(request)
                    session.recv(4096)
                time.sleep(linger)

    def connect_unread(self, port, address="127.0.0.1"):
        """A ClientHello, and the end of the process before anything is read."""
        connection = socket.socket()
        connection.connect((address, port))
        self.ledger.write("client", connection.getsockname())
        outgoing = ssl.MemoryBIO()
        session = self.client_context.wrap_bio(ssl.MemoryBIO(), outgoing)
        with contextlib.suppress(ssl.SSLWantReadError):
            session.do_handshake()
        connection.sendall(outgoing.read())
        os._exit(0)


def main():
    """socket activation: peers.py LEDGER CERTIFICATE KEY serves the listener at descriptor 3 (sd_listen_fds(3))."""
    ledger, certificate, key = sys.argv[1:]
    end_with_parent()
    Peers(Ledger(ledger), certificate, key).serve_alone(socket.socket(fileno=3))


if __name__ == "__main__":
    main()
