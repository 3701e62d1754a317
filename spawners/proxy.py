"""JupyterHub's client of the proxy, which sends requests for a paused server to the Hub."""

from __future__ import annotations

from typing import Any

from jupyterhub.proxy import ConfigurableHTTPProxy


class PausableProxy(ConfigurableHTTPProxy):
    """The Hub answers at the address of a server that the cluster has paused: the server itself would let requests wait
    (``spawners/pages/paused.py``)."""

    async def add_user(self, user: Any, server_name: str = "") -> None:
        """Route the server's address to the server, or to the Hub while the server is paused."""
        spawner = user.spawners[server_name]
        if not spawner.paused:
            await super().add_user(user, server_name)
            return
        self.log.info("%s is paused: the Hub answers at %s", spawner._log_name, spawner.proxy_spec)
        data = {"user": user.name, "server_name": server_name}
        await self.add_route(spawner.proxy_spec, self.hub.host, data)
