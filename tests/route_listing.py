"""Jupyter server extension for tests: ``GET route-listing`` answers every route of the server as JSON.

It first loads the lazy extensions, so that theirs are among them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.serverapp import ServerApp
from tornado import web
from tornado.routing import PathMatches

from widgets.ownserver.extension import ON_DEMAND
from widgets.ownserver.lazy import LazyRouter

NAME = "route-listing"


class ListingHandler(JupyterHandler):
    """Patterns with their handlers' methods, in the order in which they are tried."""

    @web.authenticated
    async def get(self) -> None:
        router = self.application.default_router
        [lazy] = [rule.target for rule in router.rules if isinstance(rule.target, LazyRouter)]
        for path in ON_DEMAND:
            assert await lazy.load(path), path
        base = self.settings["base_url"]
        self.finish(json.dumps([entry for entry in routes(router, base) if not entry[0].startswith(NAME)]))


def routes(router: Any, base: str) -> Iterator[tuple[str, str]]:
    """Patterns below the server's base address, and the methods that their handlers implement."""
    for rule in router.rules:
        if hasattr(rule.target, "rules"):
            yield from routes(rule.target, base)
        elif isinstance(rule.matcher, PathMatches):
            pattern = rule.matcher.regex.pattern.removesuffix("$")
            yield pattern.removeprefix(base), " ".join(methods(rule.target))


def methods(handler: type) -> Iterator[str]:
    """Methods that a handler implements; tornado gives every handler all of them, which answer 405."""
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
        name = method.lower()
        if method in handler.SUPPORTED_METHODS and getattr(handler, name) != getattr(web.RequestHandler, name):
            yield method


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "tests.route_listing"}]


def _load_jupyter_server_extension(server: ServerApp) -> None:
    server.web_app.add_handlers(".*$", [(f"{server.web_app.settings['base_url']}{NAME}", ListingHandler)])
