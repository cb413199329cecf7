# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
Python's ssl as servers and as clients, many handshakes in one process. usage: python_peer.py server|client ADDRESS

A server reads one line, JSON: a list of listeners, [{version, suite, asks, ...}], and answers with the list of their ports.
Each connection is told in a line what the server saw of its client. A client reads a line of JSON for each handshake
and answers with what came of it.
"""
import json
import socket
import ssl
import sys
import threading

ASKS = {"never": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
SECONDS = 5


def limit(context, job):
    context.minimum_version = context.maximum_version = VERSIONS[job["version"]]
    if job["version"] == "1.2":
        context.set_ciphers(job["suite"])


def serve_one(context, plain):
    plain.settimeout(SECONDS)
    try:
        with context.wrap_socket(plain, server_side=True) as peer:
            peer.recv(100)
            seen = {"certificate": bool(peer.getpeercert(True)), "resumed": peer.session_reused}
            peer.sendall(json.dumps(seen).encode() + b"\n")
            peer.recv(100)
    except OSError:
        plain.close()


def serve(context, listener):
    while True:
        plain, _ = listener.accept()
        threading.Thread(target=serve_one, args=(context, plain), daemon=True).start()


def server(address):
    ports = []
    for job in json.loads(sys.stdin.readline()):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        limit(context, job)
        context.load_cert_chain(job["certificate"], job["key"])
        context.load_verify_locations(job["authority"])
        context.verify_mode = ASKS[job["asks"]]
        listener = socket.create_server((address, 0))
        ports.append(listener.getsockname()[1])
        threading.Thread(target=serve, args=(context, listener), daemon=True).start()
    print(json.dumps(ports), flush=True)
    sys.stdin.read()


def visit(address, job):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    limit(context, job)
    context.load_verify_locations(job["authority"])
    if job.get("certificate"):
        context.load_cert_chain(job["certificate"], job["key"])
    said, session = [], None
    for name in job["names"]:
        try:
            with socket.create_connection((address, job["port"]), SECONDS) as plain:
                with context.wrap_socket(plain, server_hostname=name, session=session) as peer:
                    peer.sendall(b"x")
                    line = peer.recv(1000)
                    said.append({**json.loads(line), "suite": peer.cipher()[0]} if line else {"error": "closed"})
                    session = peer.session
        except OSError as error:
            said.append({"error": str(error)})
    return said


def client(address):
    for line in sys.stdin:
        print(json.dumps(visit(address, json.loads(line))), flush=True)


if __name__ == "__main__":
    {"server": server, "client": client}[sys.argv[1]](sys.argv[2])
