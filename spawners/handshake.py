"""How a started server tells the Hub its port.

Stock batchspawner's route copies any field of the request onto the spawner, at any time. Ours takes one port,
once, from the server that is being started, and nothing else.
"""

from __future__ import annotations

import json
from typing import Any, Protocol

import batchspawner  # noqa: F401  registers the stock route, which is replaced below
from jupyterhub import apihandlers
from jupyterhub.apihandlers.base import APIHandler
from tornado import web

ROUTE = r"/api/batchspawner"


class Announced(Protocol):
    """The part of the spawner that waits for a port."""

    _log_name: str
    api_token: str

    @property
    def awaits_port(self) -> bool: ...

    def take_port(self, port: int) -> None: ...


def parse_port(body: bytes) -> int | None:
    """The port when the body is exactly ``{"port": N}`` with N a port a user may listen on, else None."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict) or set(data) != {"port"}:
        return None
    port = data["port"]
    return port if type(port) is int and 1024 <= port <= 65535 else None


class HandshakeHandler(APIHandler):
    """``POST /hub/api/batchspawner`` with the server's own token and ``{"port": 34567}``."""

    async def post(self) -> None:
        spawner = self._sender()
        port = parse_port(self.request.body)
        if port is None:
            self._refuse(422, spawner, "not exactly one valid port")
        elif not spawner.awaits_port:
            self._refuse(409, spawner, "no start is waiting for a port")
        else:
            spawner.take_port(port)
            self.log.info("%s announced port %i", spawner._log_name, port)
            self.set_status(201)
            self.finish(json.dumps({"port": port}))

    def _sender(self) -> Announced:
        """The spawner whose own token came with the request; anybody else is refused."""
        token = self.get_auth_token()
        user: Any = self.current_user
        if token and user is not None and hasattr(user, "spawners"):
            for spawner in user.spawners.values():
                if spawner.api_token and spawner.api_token == token:
                    return spawner  # type: ignore[no-any-return]
        self.log.warning("Refused a handshake from %s: not the token of a server", self.request.remote_ip)
        raise web.HTTPError(403, "Only a server that is being started may announce its port.")

    def _refuse(self, status: int, spawner: Announced, why: str) -> None:
        self.log.warning("Refused a handshake for %s: %s", spawner._log_name, why)
        raise web.HTTPError(status, f"Refused: {why}.")


def install() -> None:
    """Put our route in the place of batchspawner's. Safe to run twice."""
    handlers = apihandlers.default_handlers
    handlers[:] = [entry for entry in handlers if entry[0] != ROUTE]
    handlers.append((ROUTE, HandshakeHandler))
