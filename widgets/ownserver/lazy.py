"""Lazy server extensions: imported on the first request below their addresses, not when the server starts.

A server is ready a good half second sooner for it, and many never need them. Jupyter's own switches turn these
extensions off (``spawners/jupyter``); the first request below one of their addresses turns them on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.serverapp import ServerApp
from tornado import web
from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.routing import AnyMatches, Router, Rule

log = logging.getLogger(__name__)


class LazyRouter(Router):
    """Asked before all other routes: sends the first request for a late extension to :class:`Load`.

    :param parts: the modules of the extensions that the addresses below a path need, in the order they are loaded.
    """

    def __init__(self, server: ServerApp, parts: Mapping[str, tuple[str, ...]]) -> None:
        self._server = server
        self._waiting = dict(parts)
        self._lock = asyncio.Lock()

    def find_handler(self, request: HTTPServerRequest, **_: Any) -> HTTPMessageDelegate | None:
        app = self._server.web_app
        below = request.path.removeprefix(app.settings["base_url"])
        path = next((path for path in self._waiting if below == path or below.startswith(f"{path}/")), None)
        if path is None:
            return None  # the next routes handle it
        return app.get_handler_delegate(request, Load, {"router": self, "path": path})

    async def load(self, path: str) -> bool:
        """Load the extensions that ``path`` needs. False if that failed; the error is logged, the next request retries.

        Not imported in a thread: other requests import as well (``api/nbconvert`` what Voila needs, too), and two
        threads that import what imports each other both find it half made. It takes some tenths of a second.
        """
        async with self._lock:
            extensions = self._waiting.get(path)
            if extensions is None:  # loaded by a concurrent request
                return True
            try:
                for name in extensions:
                    await self._enable(name)
            except Exception:
                log.exception("What %s needs cannot be loaded", path)
                return False
            del self._waiting[path]
            return True

    async def _enable(self, name: str) -> None:
        """Load an extension unless it is already loaded; raises its errors."""
        manager = self._server.extension_manager
        if (present := manager.extensions.get(name)) and present.enabled:
            return
        # By default, the manager only logs an extension's errors.
        before, self._server.reraise_server_extension_failures = self._server.reraise_server_extension_failures, True
        try:
            manager.add_extension(name, enabled=True)
            manager.link_extension(name)
            manager.load_extension(name)
            await manager.start_extension(name)
        except Exception:
            manager.extensions.pop(name, None)  # otherwise it would count as enabled
            manager.linked_extensions.pop(name, None)
            raise
        finally:
            self._server.reraise_server_extension_failures = before


class Load(JupyterHandler):
    """Loads the extensions, then redirects to the same address with 307, which keeps method and body.

    :raises tornado.web.HTTPError: 503 if loading failed; the next request retries.
    """

    def initialize(self, router: LazyRouter, path: str) -> None:
        self._router = router
        self._path = path

    @web.authenticated
    async def get(self) -> None:
        if not await self._router.load(self._path):
            raise web.HTTPError(503, "This part of the server could not be started. Reload the page to try again.")
        self.redirect(self.request.uri or "", status=307)

    head = post = put = patch = delete = get


def install(server: ServerApp, parts: Mapping[str, tuple[str, ...]]) -> None:
    """Put the route for ``parts``, by their paths below the server's base, before all others of ``server``."""
    server.web_app.default_router.rules.insert(0, Rule(AnyMatches(), LazyRouter(server, parts)))
