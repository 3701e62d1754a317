"""``voila/render/PATH`` of a person's own server: a notebook runs only after the person has confirmed it.

A Jupyter server extension, loaded after Voila's (widgets/ownserver/extension.py), in whose routes it replaces two
handlers. ``GET`` answers a page that says whose notebook it is; its ``POST`` carries an XSRF token and leads to a
one-time ticket for this version of the file, which the next ``GET`` uses up.
"""

from __future__ import annotations

import os
import pwd
import stat
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from jupyter_core.utils import ensure_async
from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import ApiPath, to_os_path, url_escape, url_path_join
from tornado import web
from tornado.httputil import url_concat
from tornado.routing import Rule
from voila.static_file_handler import AllowListFileHandler
from voila.tornado.handler import TornadoVoilaHandler
from voila.tornado.treehandler import TornadoVoilaTreeHandler

from widgets.ownserver import local_files, page
from widgets.ownserver.tickets import Tickets

CHANGED = "The notebook has changed since you looked at this page. Look at it again before you run it."
UNTRUSTED = "Other people can change this notebook. Tick the box if you trust this version, and run it again."


@dataclass(frozen=True)
class Notebook:
    """A file in one version, as the confirmation page shows it."""

    path: str
    version: str
    """Hash of its content."""
    changed: datetime
    owner: str
    foreign: bool
    """It belongs to somebody else, or others may change or replace it."""

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def folder(self) -> str:
        return self.path.rpartition("/")[0]

    @classmethod
    async def read(cls, contents: Any, path: str) -> Notebook:
        """The file at ``path`` of a contents manager.

        :raises tornado.web.HTTPError: 404, there is none; the manager's other refusals.
        """
        model = await ensure_async(contents.get(path, content=False, require_hash=True))
        if model["type"] == "directory":
            raise web.HTTPError(404)
        file = Path(to_os_path(ApiPath(path), contents.root_dir))
        return cls(
            path=path.strip("/"),
            version=model["hash"],
            changed=model["last_modified"],
            owner=_owner(file),
            foreign=_changeable_by_others(file),
        )


def _changeable_by_others(file: Path) -> bool:
    """Whether anybody but this user and root can write to a file, or replace it or a folder on the way to it."""
    folders = {*file.parents, *file.resolve().parents}
    return file.stat().st_uid != os.getuid() or any(_open_to_others(path.stat()) for path in (file, *folders))


def _open_to_others(status: os.stat_result) -> bool:
    """Whether others can write to a file, or rename what lies in a folder (a sticky one, such as /tmp, forbids it)."""
    sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    written = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return bool(written and not sticky) or status.st_uid not in (os.getuid(), 0)


def _owner(file: Path) -> str:
    """Account name of a file's owner; its number if it has none."""
    uid = file.stat().st_uid
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


class ConfirmedContents:
    """A contents manager that reads a notebook only in the version that the person has confirmed."""

    def __init__(self, contents: Any, notebook: Notebook) -> None:
        self._contents = contents
        self._notebook = notebook

    def __getattr__(self, name: str) -> Any:
        return getattr(self._contents, name)

    async def get(self, path: str, **options: Any) -> Any:
        """As the manager's, which hashes the bytes that it returns.

        :raises tornado.web.HTTPError: 409, the notebook has changed.
        """
        if path.strip("/") != self._notebook.path:
            return await ensure_async(self._contents.get(path, **options))
        model = await ensure_async(self._contents.get(path, **{**options, "require_hash": True}))
        if model["hash"] != self._notebook.version:
            raise web.HTTPError(409, CHANGED)
        return model


class RenderHandler(TornadoVoilaHandler):
    """Voila's handler behind the confirmation page."""

    def initialize(self, **options: Any) -> None:
        self._tickets: Tickets = options.pop("tickets")
        self._notebook: Notebook | None = None
        super().initialize(**options)

    @property
    def contents_manager(self) -> Any:
        """Contents manager for Voila; of the confirmed version once there is one."""
        contents = super().contents_manager
        return contents if self._notebook is None else ConfirmedContents(contents, self._notebook)

    def get_template(self, name: str) -> Any:
        """Our error pages and not Voila's, which say nothing but the status."""
        return self.settings["jinja2_env"].get_template(name)

    @web.authenticated
    async def get(self, path: str) -> None:
        notebook = await Notebook.read(self.contents_manager, path)
        if self._tickets.redeem(self.get_query_argument("ticket", ""), *self._allowed(notebook)):
            self._notebook = notebook
            await self._show(notebook.path)
        else:
            await page.check_kernel(self.contents_manager, self.kernel_spec_manager, notebook.path)
            self._ask(notebook)

    async def _show(self, path: str) -> None:
        if Path(path).suffix.lower() not in {".ipynb", *self.voila_configuration.extension_language_mapping}:
            self.redirect(url_path_join(self.base_url, "files", url_escape(path)))
            return
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        async with aclosing(page.render(self, path)) as parts:
            async for part in parts:
                self.write(part)
                await self.flush()

    @web.authenticated
    async def post(self, path: str) -> None:
        notebook = await Notebook.read(self.contents_manager, path)
        if self.get_body_argument("version", "") != notebook.version:
            self._ask(notebook, CHANGED, status=409)
        elif notebook.foreign and not self.get_body_argument("trust", ""):
            self._ask(notebook, UNTRUSTED, status=422)
        else:
            ticket = self._tickets.issue(*self._allowed(notebook))
            query = [(key, value) for key, value in parse_qsl(self.request.query, True) if key != "ticket"]
            self.redirect(url_concat(self.request.path, [*query, ("ticket", ticket)]), status=303)

    def _allowed(self, notebook: Notebook) -> tuple[str, str, str]:
        """What a ticket is for: this browser, path and version."""
        return self.get_cookie("_xsrf") or "", notebook.path, notebook.version

    def _ask(self, notebook: Notebook, error: str = "", status: int = 200) -> None:
        self.set_status(status)
        self.set_header("Cache-Control", "no-store")
        framed = self.request.headers.get("Sec-Fetch-Dest") == "iframe"
        template = self.settings["jinja2_env"].get_template("confirm-render.html")
        self.finish(template.render(notebook=notebook, error=error, framed=framed, xsrf=self.xsrf_token.decode()))


class TreeHandler(TornadoVoilaTreeHandler):
    """Voila's list of notebooks, with nothing of other sites."""

    def render_template(self, name: str, **names: Any) -> str:
        return local_files.replace(super().render_template(name, **names), self.base_url)


def _rules(server: ServerApp, handler: type) -> list[Rule]:
    """The routes of ``server`` that lead to ``handler``; raises LookupError if there are none."""
    groups = (getattr(group.target, "rules", ()) for group in server.web_app.default_router.rules)
    rules = [rule for group in groups for rule in group if rule.target is handler]
    if not rules:
        raise LookupError(f"Voila has no route to {handler.__name__}")
    return rules


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "widgets.ownserver.render"}]


def _load_jupyter_server_extension(server: ServerApp) -> None:
    """Replace Voila's renderer, its list, and its files, which it serves to anybody and with scripts of this origin."""
    for setting in ("mathjax_url", "mathjax_config"):  # empty: use Voila's own copy of MathJax, not a CDN
        server.web_app.settings.setdefault(setting, None)
    files = url_path_join(server.web_app.settings["base_url"], "files/{0}")
    for rule in _rules(server, TornadoVoilaHandler):
        rule.target = RenderHandler
        rule.target_kwargs = {**rule.target_kwargs, "tickets": Tickets()}
    for rule in _rules(server, TornadoVoilaTreeHandler):
        rule.target = TreeHandler
    for rule in _rules(server, AllowListFileHandler):
        rule.target = web.RedirectHandler
        rule.target_kwargs = {"url": files, "permanent": False}
