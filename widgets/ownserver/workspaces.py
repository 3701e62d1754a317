"""Addresses with which JupyterLab forgets a workspace (``?reset``, ``?clone``): asked about first.

JupyterLab's script in the browser acts on them, so a link to such an address would. The page of this module is
answered instead, and its button removes the workspace. What a person clones, they clone by JupyterLab's own menu.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.serverapp import ServerApp
from jupyterlab_server.workspaces_handler import WorkspacesManager
from tornado import web
from tornado.httputil import HTTPServerRequest, url_concat
from tornado.routing import PathMatches, Rule

ACTIONS = {"reset", "clone"}
TEMPORARY = r"auto-[a-zA-Z0-9]"
"""Names of the workspaces of a second tab, which JupyterLab itself opens by ``?reset``: nothing to lose."""
PAGES = rf"(?:lab|doc)(?:/workspaces/(?!{TEMPORARY}(?:/|$))(?P<workspace>[a-zA-Z0-9_-]+))?(?:/tree/.*)?"


class ActionMatches(PathMatches):
    """Matches JupyterLab's pages with a parameter that makes it act."""

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        parameters = {key for key, _ in parse_qsl(request.query, keep_blank_values=True)}
        return super().match(request) if parameters & ACTIONS else None


class ResetHandler(JupyterHandler):
    """``GET`` asks; ``POST`` removes the workspace and opens JupyterLab."""

    @web.authenticated
    async def get(self, workspace: str | None) -> None:
        self.set_header("Cache-Control", "no-store")
        page = self.settings["jinja2_env"].get_template("confirm-reset.html")
        self.finish(page.render(lab=self._lab, xsrf=self.xsrf_token.decode()))

    @web.authenticated
    async def post(self, workspace: str | None) -> None:
        assert self.serverapp is not None  # noqa: S101 - set by Jupyter Server
        for lab in self.serverapp.extension_manager.extension_apps["jupyterlab"]:
            with suppress(FileNotFoundError):
                WorkspacesManager(getattr(lab, "workspaces_dir")).delete(workspace or "default")  # noqa: B009 - untyped
        self.redirect(self._lab, status=303)

    @property
    def _lab(self) -> str:
        """The same address without the parameters."""
        query = [(key, value) for key, value in parse_qsl(self.request.query, True) if key not in ACTIONS]
        return url_concat(self.request.path, query)


def install(server: ServerApp) -> None:
    """Put the route before those of JupyterLab."""
    matcher = ActionMatches(re.escape(server.web_app.settings["base_url"]) + PAGES)
    server.web_app.default_router.rules.insert(0, Rule(matcher, ResetHandler))
