"""The Hub's pages: our handlers among JupyterHub's. Runs inside the Hub; ``hub.config`` calls :func:`install`."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from jupyterhub import handlers
from jupyterhub.handlers.base import BaseHandler
from jupyterhub.handlers.pages import HomeHandler as StockHomeHandler
from jupyterhub.utils import url_path_join
from tornado import web
from tornado.httputil import url_concat

from hub import language
from hub.pages import frame, sign_out, text_key
from hub.pages.overview import Answer, Overviews, overviews, roles
from hub.pages.templating import HUB_PATH
from hub.settings import Settings

SECURITY_HEADERS = {
    # No page of ours has a script of its own text. Styles do: JupyterHub's admin page writes some.
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    # After signing out, the browser's Back button must not show a person's page.
    "Cache-Control": "no-store",
}
"""For ``tornado_settings["headers"]``."""

_ROW_ID = re.compile(r"[1-9][0-9]{0,8}\Z")


@dataclass(frozen=True)
class Server:
    """A server that runs, starts or stops."""

    name: str
    title: str
    pending: str
    """``spawn``, ``stop``, … or empty when it is ready."""
    paused: bool
    """Whether the cluster has paused its job."""
    node: str
    ends: datetime | None
    url: str
    pending_url: str


def servers(user: Any, hub_path: str = HUB_PATH) -> Iterator[Server]:
    """The active servers of a JupyterHub user, the unnamed one first."""
    for spawner in user.all_spawners():
        if not spawner.active:
            continue
        job = getattr(spawner, "latest_job", None)
        yield Server(
            name=spawner.name,
            title=getattr(spawner, "display_name", "") or spawner.name,
            pending=spawner.pending or "",
            paused=getattr(job, "is_paused", False),
            node=getattr(job, "node", ""),
            ends=getattr(job, "end", None),
            url=user.server_url(spawner.name),
            pending_url=url_path_join(hub_path, "spawn-pending", user.escaped_name, spawner.name),
        )


class HomeHandler(StockHomeHandler):
    """The landing page: JupyterHub's own, with the person's overview from the API."""

    def initialize(self, overviews: Overviews) -> None:
        self.overviews = overviews
        self.answer = Answer()

    @web.authenticated
    async def get(self) -> None:
        self.answer = await self.overviews.of(self.current_user.name)
        await cast(Awaitable[None], super().get())

    @property
    def template_namespace(self) -> dict[str, Any]:
        namespace: dict[str, Any] = super().template_namespace
        user = self.current_user
        return {
            **namespace,
            "answer": self.answer,
            "roles": roles(user, self.answer),
            "servers": list(servers(user, self.hub.base_url)),
        }


class ScaleHandler(BaseHandler):
    """One address for everybody's scaling page: on to the person's own server, which is started first if need be.

    A dashboard's page is rendered before anybody has asked for it, so its menu cannot hold a person's name.
    """

    @web.authenticated
    def get(self) -> None:
        name = self.current_user.escaped_name
        target = url_path_join(self.base_url, "user", name, "atrium/scaling")
        self.redirect(url_concat(url_path_join(self.hub.base_url, "spawn", name), {"next": target}))


class MailHandler(BaseHandler):
    """Mail to the person that no mail server got, as in the demo."""

    def initialize(self, overviews: Overviews) -> None:
        self.overviews = overviews

    @web.authenticated
    async def get(self) -> None:
        before = self.get_query_argument("before", "")
        if before and not _ROW_ID.match(before):
            raise web.HTTPError(400, "before is the number of a mail")
        mailbox = await self.overviews.mailbox(self.current_user.name, int(before) if before else None)
        self.finish(await self.render_template("mail.html", mailbox=mailbox))


class HelpHandler(BaseHandler):
    """The help page, with contact, accessibility and privacy; open to everybody."""

    async def get(self) -> None:
        self.finish(await self.render_template("help.html"))


class StaticHandler(web.StaticFileHandler):
    """The theme's files, open to everybody; browsers cache them for long when the address has ``?v=…``."""

    def set_extra_headers(self, path: str) -> None:
        self.set_header("X-Content-Type-Options", "nosniff")


_prepare = BaseHandler.prepare


async def _prepare_in_language(self: BaseHandler) -> None:
    """Set the reader's language before each request; tasks that the request starts inherit it."""
    own = self.get_cookie(language.COOKIE) or ""
    language.use(language.choose(self.request.headers.get("Accept-Language", ""), own))
    await _prepare(self)


def install(settings: Settings, *further: Any) -> None:
    """Insert our handlers and ``further`` ones before JupyterHub's own.

    Handlers added by configuration come after these and never match.
    """
    ours: list[Any] = [
        (r"/home", HomeHandler, {"overviews": overviews(settings)}),
        (r"/atrium/scale", ScaleHandler),
        (r"/atrium/help", HelpHandler),
        (r"/atrium/mail", MailHandler, {"overviews": overviews(settings)}),
        (r"/logout", sign_out.LogoutHandler),
        (r"/atrium/session", sign_out.SessionHandler),
        (r"/atrium/session/sign-in", sign_out.SignInHandler),
        (r"/api/atrium/text-key", text_key.TextKeyHandler),
        (r"/atrium/static/(.*)", StaticHandler, {"path": str(frame.STATIC)}),
        *further,
    ]
    paths = {entry[0] for entry in ours}
    BaseHandler.prepare = _prepare_in_language  # type: ignore[method-assign]
    handlers.default_handlers[:] = ours + [entry for entry in handlers.default_handlers if entry[0] not in paths]
