# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
The harness of all Python suites: cases, the tracer as a child process, certificates, servers, namespaces, cgroups.

A suite puts tests/ on sys.path and imports from here: `from harness import Suite, Tracer, expect`.

    cases         Suite, Failure, Skip, expect, wait_until; the paths ROOT and PROGRAM
    tracer        Tracer (records by server name), HookTracer (records by the client's address)
    scraped       MetricsTracer: the tracer with its metrics; own_network
    servers       TLS servers and clients in the suite's own process
    certificates  authorities, servers' and clients' certificates, made with openssl
    cgroups       own_cgroup: a cgroup that only this suite uses
    namespaces    Namespace, Tun, join_by_veth
    network       Network: clients and servers in two namespaces joined by a veth pair
"""

from .cases import PATIENCE, PROGRAM, ROOT, Failure, Skip, Suite, expect, on_one_cpu, wait_until
from .tracer import HookTracer, Tracer, server_name_of

__all__ = ["PATIENCE", "PROGRAM", "ROOT", "Failure", "HookTracer", "Skip", "Suite", "Tracer", "expect", "on_one_cpu", "server_name_of",
           "wait_until"]
