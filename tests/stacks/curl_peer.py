# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
libcurl as a client, many handshakes in one process: as python_peer.py, which says what is read and told. Debian's curl has
the build with OpenSSL alone; this takes any. usage: curl_peer.py LIBRARY client ADDRESS
"""
import ctypes
import json
import sys

# curl/curl.h: names are numbered by the type of their value
LONG, OBJECT, FUNCTION = 0, 10000, 20000
OPTIONS = {
    "WRITEFUNCTION": FUNCTION + 11, "URL": OBJECT + 2, "TIMEOUT": LONG + 13, "SSLCERT": OBJECT + 25,
    "SSLVERSION": LONG + 32, "NOPROGRESS": LONG + 43, "CAINFO": OBJECT + 65, "FORBID_REUSE": LONG + 75,
    "SSL_CIPHER_LIST": OBJECT + 83, "HTTP_VERSION": LONG + 84, "SSLKEY": OBJECT + 87, "NOSIGNAL": LONG + 99,
    "PROXY": OBJECT + 4, "RESOLVE": OBJECT + 203, "TLS13_CIPHERS": OBJECT + 276,
}
VERSIONS = {"1.2": 6 | 6 << 16, "1.3": 7 | 7 << 16}  # CURL_SSLVERSION_TLSv1_2, the same as the latest
HTTP_1_0 = 1
GLOBAL_ALL = 3
UNKNOWN_OPTION, NOT_BUILT_IN = 48, 4
SECONDS = 5

Written = ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_void_p)


class Curl:
    def __init__(self, library):
        self._library = ctypes.CDLL(library)
        self._library.curl_easy_init.restype = ctypes.c_void_p
        self._library.curl_easy_strerror.restype = ctypes.c_char_p
        self._library.curl_slist_append.restype = ctypes.c_void_p
        self._library.curl_slist_append.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        self._library.curl_slist_free_all.argtypes = [ctypes.c_void_p]
        self._library.curl_easy_cleanup.argtypes = [ctypes.c_void_p]
        self._library.curl_easy_perform.argtypes = [ctypes.c_void_p]
        self._library.curl_global_init(ctypes.c_long(GLOBAL_ALL))

    def _set(self, handle, name, value, optional=False):
        if isinstance(value, str):
            value = value.encode()
        elif isinstance(value, int):
            value = ctypes.c_long(value)
        status = self._library.curl_easy_setopt(handle, ctypes.c_int(OPTIONS[name]), value)
        if status and not (optional and status in (UNKNOWN_OPTION, NOT_BUILT_IN)):
            raise RuntimeError(f"{name}: {self._library.curl_easy_strerror(status).decode()}")

    def _prepare(self, handle, address, job):
        suites = "SSL_CIPHER_LIST" if job["version"] == "1.2" else "TLS13_CIPHERS"
        values = {"URL": f"https://{job['name']}:{job['port']}/", "PROXY": "", "CAINFO": job["authority"],
                  "SSLVERSION": VERSIONS[job["version"]], "HTTP_VERSION": HTTP_1_0, "FORBID_REUSE": 1,
                  "NOSIGNAL": 1, "NOPROGRESS": 1, "TIMEOUT": SECONDS}
        if "certificate" in job:
            values.update(SSLCERT=job["certificate"], SSLKEY=job["key"])
        for name, value in values.items():
            self._set(handle, name, value)
        # the build with GnuTLS leaves them to the other side
        self._set(handle, suites, job["suite"], optional=True)
        resolve = ctypes.c_void_p(self._library.curl_slist_append(None, f"{job['name']}:{job['port']}:{address}".encode()))
        self._set(handle, "RESOLVE", resolve)
        return resolve

    def _visit_once(self, handle):
        received = []

        @Written
        def written(data, size, count, _):
            received.append(ctypes.string_at(data, size * count))
            return size * count

        self._set(handle, "WRITEFUNCTION", written)
        status = self._library.curl_easy_perform(handle)
        # the answer counts, and not how the connection is closed
        if received:
            return {"answer": b"".join(received).decode(errors="replace")}
        return {"error": self._library.curl_easy_strerror(status).decode()}

    def visit(self, address, job):
        """A session is kept as long as its handle."""
        handle = ctypes.c_void_p(self._library.curl_easy_init())
        resolve = self._prepare(handle, address, job)
        said = [self._visit_once(handle) for _ in range(job["visits"])]
        self._library.curl_easy_cleanup(handle)
        self._library.curl_slist_free_all(resolve)
        return said


def main(library, mode, address):
    curl = Curl(library)
    for line in sys.stdin:
        print(json.dumps(curl.visit(address, json.loads(line))), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
