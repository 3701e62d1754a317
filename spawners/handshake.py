"""The route by which a server reports its port and its end to the Hub, and learns when its job ends.

batchspawner's own route copies any field of the request onto the spawner, at any time. This one accepts one port, once,
from a server that is starting, and a farewell with a known reason.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Protocol

import batchspawner  # noqa: F401  registers the stock route, which is replaced below
from jupyterhub import apihandlers
from jupyterhub.apihandlers.base import APIHandler
from tornado import web

from hub.slurm.jobs import Job
from spawners.job.diagnosis import Farewell

ROUTE = r"/api/batchspawner"
ROUTE_SECONDS = 2.0
"""How long a farewell waits for its route to be removed; the server waits three seconds (spawners/node/announce.py)."""


class Announced(Protocol):
    """The part of the spawner that this handler uses."""

    _log_name: str
    api_token: str

    @property
    def latest_job(self) -> Job | None: ...

    @property
    def awaits_port(self) -> bool: ...

    def has_port(self, port: int) -> bool: ...

    def take_port(self, port: int) -> None: ...

    async def take_farewell(self, word: Farewell) -> None: ...


def parse(body: bytes) -> int | Farewell | None:
    """The port in ``{"port": N}``, if users may listen on it, or the known reason in ``{"farewell": REASON}``.

    None for any other body, also for further keys.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return None
    match data:
        case {"port": int(port)} if len(data) == 1 and type(port) is int and 1024 <= port <= 65535:
            return port
        case {"farewell": str(word)} if len(data) == 1 and word and word in set(Farewell):
            return Farewell(word)
        case _:
            return None


class HandshakeHandler(APIHandler):
    """``/hub/api/batchspawner``, with the server's token.

    ``POST`` of ``{"port": 34567}`` or ``{"farewell": "idle"}``; ``GET`` for the end of its job.
    """

    def get(self) -> None:
        """``{"ends": 1800000000.0}``: when Slurm ends the job of the server with this token, as the Hub last saw it, in
        seconds since the epoch; null: not known."""
        job = self._sender().latest_job
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps({"ends": None if job is None or job.end is None else job.end.timestamp()}))

    async def post(self) -> None:
        spawner = self._sender()
        message = parse(self.request.body)
        if message is None:
            self._refuse(422, spawner, "neither exactly one valid port nor a farewell")
        elif isinstance(message, Farewell):
            self.log.info("%s goes: %s", spawner._log_name, message)
            await self._take_farewell(spawner, message)
            self.set_status(204)
        elif spawner.awaits_port:
            spawner.take_port(message)
            self.log.info("%s announced port %i", spawner._log_name, message)
            self._accept(message)
        elif spawner.has_port(message):  # repeated, because the first response was lost; a refusal would end the server
            self._accept(message)
        else:
            self._refuse(409, spawner, "no start is waiting for a port")

    async def _take_farewell(self, spawner: Announced, word: Farewell) -> None:
        """Answer when the route is gone: the server keeps its port until then, so nobody else gets its requests."""
        try:
            async with asyncio.timeout(ROUTE_SECONDS):
                await spawner.take_farewell(word)
        except Exception as error:  # the route goes with the job
            self.log.warning("The route of %s could not be removed yet: %r", spawner._log_name, error)

    def _accept(self, port: int) -> None:
        self.set_status(201)
        self.finish(json.dumps({"port": port}))

    def _sender(self) -> Announced:
        """The spawner whose server's token came with the request; other tokens are refused."""
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
    """Replace batchspawner's route. Safe to run twice."""
    handlers = apihandlers.default_handlers
    handlers[:] = [entry for entry in handlers if entry[0] != ROUTE]
    handlers.append((ROUTE, HandshakeHandler))
