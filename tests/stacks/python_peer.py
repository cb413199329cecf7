# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
Python's ssl as servers and as clients, many handshakes in one process. usage: python_peer.py server|client ADDRESS

What is read and told is the same for all peers, one JSON object or list a line. A server reads a list of listeners,
[{version, suite, asks, ...}], and answers with the list of their ports; there it answers each request with a line of what
it saw of its client, behind the header that HTTP's clients want. A client reads a job, makes so many visits in a row, each
of which may resume the one before, and answers with what it was told in each, or with the error that ended it.
"""
import json
import socket
import ssl
import sys
import threading

ASKS = {"never": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
REQUEST = b"GET / HTTP/1.0\r\n\r\n"
HEADER = b"HTTP/1.0 200 OK\r\n\r\n"
SECONDS = 5


def limit(context, job):
    context.minimum_version = context.maximum_version = VERSIONS[job["version"]]
    if job["version"] == "1.2":
        context.set_ciphers(job["suite"])


def serve_one(context, plain):
    plain.settimeout(SECONDS)
    try:
        with context.wrap_socket(plain, server_side=True) as peer:
            peer.recv(1000)
            seen = {"certificate": bool(peer.getpeercert(True)), "resumed": peer.session_reused, "suite": peer.cipher()[0]}
            peer.sendall(HEADER + json.dumps(seen).encode() + b"\n")
            peer.unwrap()
    except OSError:
        plain.close()


def serve(context, listener):
    while True:
        plain, _ = listener.accept()
        threading.Thread(target=serve_one, args=(context, plain), daemon=True).start()


def listen(address, job):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    limit(context, job)
    context.load_cert_chain(job["certificate"], job["key"])
    context.load_verify_locations(job["authority"])
    context.verify_mode = ASKS[job["asks"]]
    listener = socket.create_server((address, 0))
    threading.Thread(target=serve, args=(context, listener), daemon=True).start()
    return listener.getsockname()[1]


def read_to_the_end(peer):
    text = b""
    while True:
        try:
            received = peer.recv(65536)
        except OSError:
            # the answer counts, and not how the connection is closed
            if not text:
                raise
            return text
        if not received:
            return text
        text += received


def visit_once(address, context, job, session):
    with socket.create_connection((address, job["port"]), SECONDS) as plain:
        with context.wrap_socket(plain, server_hostname=job["name"], session=session) as peer:
            peer.sendall(REQUEST)
            answer = read_to_the_end(peer).decode(errors="replace")
            return {"answer": answer} if answer else {"error": "closed"}, peer.session


def visit(address, job):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    limit(context, job)
    context.load_verify_locations(job["authority"])
    if job.get("certificate"):
        context.load_cert_chain(job["certificate"], job["key"])
    said, session = [], None
    for _ in range(job["visits"]):
        try:
            one, session = visit_once(address, context, job, session)
        except OSError as error:
            one = {"error": str(error)}
        said.append(one)
    return said


def main(mode, address):
    for line in sys.stdin:
        read = json.loads(line)
        answer = visit(address, read) if mode == "client" else [listen(address, job) for job in read]
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
