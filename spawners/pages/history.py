"""History of a person's servers on the Hub's pages, the last ending, and emails about starts.

Read from the ledger itself and not through the API: a page that says why a start failed must come up when the API does
not answer. Templates call the functions that :class:`WithHistory` gives them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import urlencode

from jupyterhub import handlers
from jupyterhub.handlers.base import BaseHandler, UserUrlHandler
from jupyterhub.handlers.pages import SpawnPendingHandler
from jupyterhub.scopes import needs_scope
from jupyterhub.utils import url_path_join
from tornado import web

from hub.errors import AtriumError, NotFound
from hub.language import duration, mark, translate
from hub.pages import hosts
from hub.pages.handlers import HomeHandler
from hub.servers import service
from hub.servers.models import Attempt, AttemptState, Ending
from hub.settings import Profile, load
from spawners.job.ledger import LedgerUnavailable
from spawners.job.request import whole, with_project
from spawners.job.site import site
from spawners.pages.paused import PausedServerHandler
from spawners.server_names import with_reserved_names

SHOWN = 50
WITHOUT_SIGN_IN = "This needs a valid token: send it as “Authorization: token …”. The page /hub/token issues one."
REMEMBERED = timedelta(days=7)
"""How long the start page tells of an ending that the person has not dismissed."""

STATES = {
    AttemptState.SUBMITTING: mark("being submitted to Slurm"),
    AttemptState.WAITING: mark("waiting for a node"),
    AttemptState.STARTING: mark("starting"),
    AttemptState.READY: mark("running"),
    AttemptState.STOPPING: mark("stopping"),
    AttemptState.ENDED: mark("ended"),
}
ENDINGS = {
    Ending.STOPPED: mark("stopped"),
    Ending.CANCELLED: mark("cancelled"),
    Ending.FINISHED: mark("ended by itself"),
    Ending.IDLE: mark("nothing happened in it"),
    Ending.TIME_LIMIT: mark("time was over"),
    Ending.OUT_OF_MEMORY: mark("out of memory"),
    Ending.NODE_FAILED: mark("node failed"),
    Ending.PREEMPTED: mark("had to make room"),
    Ending.REFUSED: mark("refused by Slurm"),
    Ending.NOT_ASKED: mark("Slurm did not answer"),
    Ending.HOME_MISSING: mark("home directory missing"),
    Ending.HOME_FULL: mark("disk full"),
    Ending.ENVIRONMENT_MISSING: mark("environment missing"),
    Ending.PORT_TAKEN: mark("port taken"),
    Ending.HUB_UNREACHABLE: mark("gateway not reached"),
    Ending.SILENT: mark("server did not answer"),
    Ending.CRASHED: mark("ended with an error"),
}
_WELL = {Ending.STOPPED, Ending.FINISHED, Ending.IDLE, Ending.TIME_LIMIT}


def standing(attempt: Attempt) -> str:
    """State or ending of an attempt, in a few words."""
    return translate(ENDINGS[attempt.ending] if attempt.ending else STATES[attempt.state])


def sign(attempt: Attempt) -> str:
    """The theme's class for it: ``ok``, ``warn``, ``bad``, or "" for a normal end."""
    if attempt.ending is None:
        return "ok" if attempt.state is AttemptState.READY else "warn"
    return "" if attempt.ending in _WELL else "bad"


def link(request: Mapping[str, Any]) -> str:
    """A query that fills the spawn page's form in with a request (spawners/options/page.py)."""
    return urlencode({f"opt-{name}": value for name, value in request.items() if value not in ("", 0, None)})


def smaller(request: Mapping[str, Any]) -> Profile | None:
    """A smaller named size, which may start sooner; None without one."""

    def less(profile: Profile) -> bool:
        pairs = [(getattr(profile, name), whole(request.get(name))) for name in ("cpus", "memory_gb", "gpus")]
        return all(own <= requested for own, requested in pairs) and any(own < requested for own, requested in pairs)

    return next((profile for profile in load().spawn.profiles if less(profile)), None)


def waited(attempt: Attempt) -> str:
    """Time from the request to a node; empty without a node."""
    return duration((attempt.started - attempt.created).total_seconds()) if attempt.started else ""


def endings_to_tell(attempts: Iterable[Attempt], active: set[str], now: datetime) -> list[Attempt]:
    """What a person should hear of when they come back: the last attempt of each server that does not run, if it ended
    in another way than they wanted, and not long ago."""
    newest: dict[str, Attempt] = {}
    for attempt in attempts:
        newest.setdefault(attempt.server, attempt)
    return [
        attempt
        for attempt in newest.values()
        if attempt.ended and attempt.ending is not Ending.STOPPED and attempt.server not in active
        if now - attempt.ended < REMEMBERED
    ]


class WithHistory(BaseHandler):
    """A handler whose templates can show a person's attempts."""

    @property
    def template_namespace(self) -> dict[str, Any]:
        namespace: dict[str, Any] = super().template_namespace
        return {
            **namespace,
            "attempts": attempts_of,
            "endings": self._endings,
            "asked_for": with_project,
            "link": link,
            "smaller": smaller,
            "standing": standing,
            "sign": sign,
            "waited": waited,
        }

    async def _endings(self, user: Any, now: datetime) -> list[Attempt]:
        active = {spawner.name for spawner in user.all_spawners() if spawner.active}
        return endings_to_tell(await attempts_of(user.name) or [], active, now)


async def attempts_of(person: str, server: str | None = None, limit: int = SHOWN) -> list[Attempt] | None:
    """Attempts of a person, newest first; None if the ledger cannot be read, so that the page still works."""
    try:
        return await site().ledger.run(service.history, person, server=server, limit=limit)
    except LedgerUnavailable:
        return None


class PendingPage(WithHistory, SpawnPendingHandler):
    """The page while a server starts, or after a failed start."""


class ServerPage(WithHistory, PausedServerHandler):
    """The page at a server's address while it does not run, or is paused.

    Programs get JSON and are not led to the sign-in page.
    """

    async def get(self, user_name: str, user_path: str) -> None:
        if hosts.is_program(self.request):
            if self.current_user is None:
                self._answer(403, {"status": 403, "message": WITHOUT_SIGN_IN})
                return
            self.request.headers["Accept"] = "application/json"  # JupyterHub decides by it what to answer with
        await cast("Awaitable[None]", super().get(user_name, user_path))

    def _fail_api_request(self, user_name: str = "", server_name: str = "") -> None:
        self._answer(424, hosts.not_running(load().site.public_url, user_name))

    def _answer(self, status: int, model: dict[str, object]) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(model)


class HomePage(WithHistory, HomeHandler):
    """The landing page, which also names servers of the person whose names are reserved today."""

    @property
    def template_namespace(self) -> dict[str, Any]:
        namespace: dict[str, Any] = super().template_namespace
        return {**namespace, "reserved_names": with_reserved_names}


class HistoryHandler(WithHistory):
    """``/hub/atrium/history/NAME/SERVER``: every attempt to start a server; without SERVER of the default one."""

    @web.authenticated
    @needs_scope("read:servers")  # type: ignore[untyped-decorator]
    async def get(self, user_name: str, server_name: str = "") -> None:
        owner = self.find_user(user_name)
        if owner is None:
            raise web.HTTPError(404, "There is nobody of that name.")
        html = await self.render_template("history.html", owner=owner, server_name=server_name or "")
        self.finish(html)


class TellHandler(BaseHandler):
    """``POST /hub/atrium/tell-me/SERVER`` with ``wanted=1`` or ``0``: an email when the start succeeds or fails.

    The XSRF token is checked before, as for every POST to the Hub.
    """

    @web.authenticated
    async def post(self, server_name: str = "") -> None:
        tell = self.get_body_argument("wanted", "1") == "1"
        person = self.current_user.name
        if server_name and server_name not in self.current_user.orm_user.orm_spawners:
            raise web.HTTPError(404, "You have no server of that name.")
        try:
            await site().ledger.run(service.tell_when_ready, person, server_name or "", tell)
        except NotFound:
            tell = False  # the server is ready or has ended; reload shows that
        except AtriumError as error:
            raise web.HTTPError(error.status, f"{error.message} {error.hint}".strip()) from error
        pending = url_path_join(self.hub.base_url, "spawn-pending", person, server_name or "")
        self.redirect(url_path_join(self.hub.base_url, "home") if tell else pending)


def install() -> None:
    """Add these handlers to JupyterHub's, replacing some of them. Safe to run twice."""
    better = {SpawnPendingHandler: PendingPage, UserUrlHandler: ServerPage, HomeHandler: HomePage}
    ours: list[Any] = [
        (r"/atrium/history/(?P<user_name>[^/]+)(?:/(?P<server_name>[^/]*))?", HistoryHandler),
        (r"/atrium/tell-me(?:/(?P<server_name>[^/]*))?", TellHandler),
    ]
    paths = {entry[0] for entry in ours}
    stock = [entry for entry in handlers.default_handlers if entry[0] not in paths]
    handlers.default_handlers[:] = ours + [(entry[0], better.get(entry[1], entry[1]), *entry[2:]) for entry in stock]
