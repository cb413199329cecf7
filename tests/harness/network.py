# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
Two network namespaces joined by a veth pair: the clients' and the servers'. The host's own network is not touched.
"""

from .namespaces import Namespace, join_by_veth, remove_stale

INTERFACE = "wire"


class Side(Namespace):
    def __init__(self, name, address, address6):
        self.address = address
        self.address6 = address6
        super().__init__(name)

    def command(self, *arguments):
        return self.bound_command(*arguments)


class Network:
    def __init__(self, stack):
        """Removed by stack, a contextlib.ExitStack."""
        remove_stale()
        self.clients = Side("clients", "10.77.0.1", "fd77::1")
        stack.callback(self.clients.close)
        self.servers = Side("servers", "10.77.0.2", "fd77::2")
        stack.callback(self.servers.close)
        sides = (self.clients, self.servers)
        self.addresses = {address for side in sides for address in (side.address, side.address6)}
        join_by_veth(*sides, *([f"{side.address}/24", f"{side.address6}/64"] for side in sides), device=INTERFACE)
