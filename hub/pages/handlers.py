"""The Hub's pages: JupyterHub's handlers and templates in Atrium's frame. Runs inside the Hub.

``hub.config`` wires it: :func:`install`, :data:`TEMPLATES`, :func:`template_vars`, :data:`JINJA_OPTIONS`
and :data:`SECURITY_HEADERS`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast

import httpx
from jinja2 import Environment
from jinja2.ext import InternationalizationExtension
from jupyterhub import handlers
from jupyterhub.handlers.base import BaseHandler
from jupyterhub.handlers.pages import HomeHandler as StockHomeHandler
from jupyterhub.utils import url_path_join
from tornado import web
from tornado.httputil import url_concat

from hub import language
from hub.home.models import Overview
from hub.language import translate
from hub.pages import frame
from hub.pages.frame import TEMPLATES
from hub.settings import Settings
from hub.usage.models import ProjectHours

__all__ = ["JINJA_OPTIONS", "SECURITY_HEADERS", "TEMPLATES", "install", "template_vars"]

log = logging.getLogger(__name__)

HUB_PATH = "/hub/"

SECURITY_HEADERS = {
    # No page of ours has a script of its own text. Styles do: JupyterHub's admin page writes some.
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    # After signing out, the button Back shows nothing of the person.
    "Cache-Control": "no-store",
}
"""For ``tornado_settings["headers"]``."""


# -- what the API says about a person ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What is known of a person. ``overview`` None: never heard; ``stale``: the API did not answer just now."""

    overview: Overview | None = None
    as_of: datetime | None = None
    stale: bool = False


class Overviews:
    """Asks the API as service ``pages`` and remembers the last good answer of each person."""

    def __init__(
        self,
        api_url: str,
        token: Callable[[], str],
        *,
        deadline: float = 2.0,
        remembered: int = 1000,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._token = token
        self._deadline = deadline
        self._remembered = remembered
        self._last: dict[str, Answer] = {}
        self._client = httpx.AsyncClient(base_url=api_url, timeout=deadline, transport=transport)

    def last(self, name: str) -> Answer:
        """The last good answer, without asking."""
        return self._last.get(name, Answer())

    async def of(self, name: str) -> Answer:
        """Ask now. Never raises: a page without its hours is better than no page."""
        try:
            async with asyncio.timeout(self._deadline):
                overview = await self._ask(name)
        except Exception as error:  # whatever is wrong with the API, the landing page must come up
            log.warning("No overview of %s: %s %s", name, type(error).__name__, error)
            return replace(self.last(name), stale=True)
        self._last.pop(name, None)  # a dict keeps the order of insertion: the first one is the longest unseen
        if len(self._last) >= self._remembered:
            del self._last[next(iter(self._last))]
        answer = self._last[name] = Answer(overview, datetime.now(UTC))
        return answer

    async def _ask(self, name: str) -> Overview:
        response = await self._client.get(
            f"/people/{name}/overview", headers={"Authorization": f"token {self._token()}"}
        )
        response.raise_for_status()
        return Overview.model_validate_json(response.content)


@lru_cache(maxsize=1)
def _overviews(settings: Settings) -> Overviews:
    """One memory for the landing page and for the hours in the header."""
    return Overviews(settings.api_url, lambda: settings.secret("pages"))


# -- what the Hub knows itself ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Server:
    """A server of a person that runs, starts or stops."""

    name: str
    title: str
    pending: str
    """``spawn``, ``stop``, … or empty when it is ready."""
    node: str
    ends: datetime | None
    url: str
    pending_url: str


def servers(user: Any, hub_path: str = HUB_PATH) -> Iterator[Server]:
    """The active servers of a JupyterHub user, the unnamed one first."""
    for spawner in user.all_spawners():
        if not spawner.active:
            continue
        job = getattr(spawner, "seen", None)
        yield Server(
            name=spawner.name,
            title=getattr(spawner, "display_name", "") or spawner.name,
            pending=spawner.pending or "",
            node=getattr(job, "node", ""),
            ends=getattr(job, "end", None),
            url=user.server_url(spawner.name),
            pending_url=url_path_join(hub_path, "spawn-pending", user.escaped_name, spawner.name),
        )


def roles(user: Any, answer: Answer) -> set[str]:
    """The person's roles, from the API if it ever told, from the Hub's groups otherwise."""
    if answer.overview is not None:
        return {role.value for role in answer.overview.me.roles}
    return {group.name.removesuffix("s") for group in user.groups}


def _roles_in_menu(user: Any, answer: Answer) -> set[str]:
    """Admins of the Hub itself count as admins, too."""
    own = {group.name.removesuffix("s") for group in user.groups}
    return roles(user, answer) | own | ({"admin"} if user.admin else set())


# -- handlers ---------------------------------------------------------------------------------------------------------


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


class HelpHandler(BaseHandler):
    """Help, how to report a problem, accessibility and privacy; readable without signing in."""

    async def get(self) -> None:
        self.finish(await self.render_template("help.html"))


class StaticHandler(web.StaticFileHandler):
    """The theme. Public; kept for long by browsers when asked for with ``?v=…``."""

    def set_extra_headers(self, path: str) -> None:
        self.set_header("X-Content-Type-Options", "nosniff")


_prepare = BaseHandler.prepare


async def _prepare_in_language(self: BaseHandler) -> None:
    """Before any request: from here on its reader is spoken to in their language, also by what the request starts."""
    own = self.get_cookie(language.COOKIE) or ""
    language.use(language.choose(self.request.headers.get("Accept-Language", ""), own))
    await _prepare(self)


def install(settings: Settings) -> None:
    """Put our pages among JupyterHub's own: handlers added by configuration come after those and never win."""
    ours: list[Any] = [
        (r"/home", HomeHandler, {"overviews": _overviews(settings)}),
        (r"/atrium/scale", ScaleHandler),
        (r"/atrium/help", HelpHandler),
        (r"/atrium/static/(.*)", StaticHandler, {"path": str(frame.STATIC)}),
    ]
    paths = {entry[0] for entry in ours}
    BaseHandler.prepare = _prepare_in_language  # type: ignore[method-assign]
    handlers.default_handlers[:] = ours + [entry for entry in handlers.default_handlers if entry[0] not in paths]


# -- templates --------------------------------------------------------------------------------------------------------


def template_vars(settings: Settings) -> dict[str, Any]:
    """Variables of every page. JupyterHub calls the callable ones with the user (or None)."""
    hub_url = settings.site.public_url + HUB_PATH

    def frame_for(user: Any) -> frame.Frame:
        answer = _overviews(settings).last(user.name) if user else Answer()
        return frame.build(
            site_name=settings.site.name,
            hub_url=hub_url,
            dashboards_url=settings.service_url("dashboards"),
            static_url=f"{HUB_PATH}atrium/static/",
            person=answer.overview.me.display_name if answer.overview else getattr(user, "name", ""),
            hours=_hours_left(answer.overview.me.projects) if answer.overview else "",
            menu=user is not None,
            roles=_roles_in_menu(user, answer) if user else (),
        )

    return {"frame": frame_for, "now": lambda _user: datetime.now(UTC)}


def _hours_left(projects: tuple[ProjectHours, ...]) -> str:
    """All projects of a person together, for the header."""
    kinds = {
        translate("GPU"): [project.gpu for project in projects],
        translate("CPU"): [project.cpu for project in projects],
    }
    return " · ".join(
        f"{quantity(sum(hours.left for hours in budgets))} {kind}"
        for kind, budgets in kinds.items()
        if any(hours.granted for hours in budgets)
    )


def quantity(value: float) -> str:
    """A number for reading: thin spaces between thousands, a decimal only where it says something."""
    digits = 1 if abs(value) < 10 and round(value, 1) != round(value) else 0
    return f"{value:,.{digits}f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


class Words(InternationalizationExtension):
    """gettext for the templates, in the language of the request; and numbers as people read them."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.install_gettext_callables(  # type: ignore[attr-defined]
            language.translate, language.translate_many, newstyle=True
        )
        environment.globals["language"] = language.current
        environment.filters["quantity"] = quantity
        environment.filters["duration"] = language.duration


JINJA_OPTIONS = {"extensions": [Words]}
"""For ``JupyterHub.jinja_environment_options``."""
