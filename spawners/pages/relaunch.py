"""``/hub/atrium/continue``: a running notebook's job ends and a new one with the same choice takes over.

Nothing is kept between two requests but what JupyterHub and the ledger know anyway, so a Hub that is restarted in the
middle goes on where it was: the page asks again until the old job is over, and then the new one is submitted.
"""

from __future__ import annotations

import posixpath
from typing import Any
from urllib.parse import unquote, urlsplit

from jupyterhub import handlers
from jupyterhub.handlers.pages import SpawnHandler
from jupyterhub.scopes import needs_scope
from jupyterhub.utils import format_exception, url_escape_path, url_path_join
from tornado import web
from tornado.httputil import url_concat

from hub.language import translate
from spawners.job.request import in_words

ROUTE = r"/atrium/continue"


def below(path: str, prefix: str) -> bool:
    """Whether a redirect to ``path`` stays below ``prefix`` (which ends with a slash)."""
    target = unquote(urlsplit(path).path).replace("\\", "/")
    return (posixpath.normpath(target) + "/").startswith(prefix) and not target.startswith("//")


class ContinueHandler(SpawnHandler):
    """``GET`` explains, ``POST`` relaunches; for the person's own servers only."""

    @web.authenticated
    async def get(self) -> None:
        await self._look(self.current_user.name, self.get_argument("server", ""))

    @web.authenticated
    async def post(self) -> None:
        await self._go_on(self.current_user.name, self.get_argument("server", ""))

    @needs_scope("servers")  # type: ignore[untyped-decorator]
    async def _look(self, user_name: str, server_name: str) -> None:
        spawner = self._own(server_name)
        if not spawner.active:
            self.redirect(self._form_url(server_name))
        elif spawner.pending == "spawn":
            self.redirect(self._pending_page(server_name))
        else:
            await self._show(spawner)

    @needs_scope("servers")  # type: ignore[untyped-decorator]
    async def _go_on(self, user_name: str, server_name: str) -> None:
        spawner, user = self._own(server_name), self.current_user
        if spawner.pending == "spawn":
            self.redirect(self._pending_page(server_name))
            return
        if spawner.ready and self.get_argument("stopped", ""):
            self.redirect(self._next(server_name))  # it was started again meanwhile
            return
        if spawner.ready:
            await self.stop_single_user(user, server_name)
            spawner = self._own(server_name)
        if spawner.active:
            await self._show(spawner)
        elif self.get_argument("choose", ""):
            self.redirect(self._form_url(server_name))
        else:
            await self._start(server_name)

    async def _start(self, server_name: str) -> None:
        """Start with the same options; if they are refused, redirect to the form with the error."""
        user = self.current_user
        title = self._own(server_name).orm_spawner.display_name or server_name
        spawner = user.get_or_create_spawner(server_name, title, replace_failed=True)
        spawner.handler = self
        chosen = dict(spawner.orm_spawner.user_options or {})
        try:
            await self._wrap_spawn_single_user(
                user, server_name, title, spawner, self._pending_page(server_name), chosen
            )
        except Exception as error:
            self.log.exception("%s could not continue in a new job", spawner._log_name)
            self.set_status(getattr(error, "status_code", 500))
            await self._refused(spawner, error)

    async def _refused(self, spawner: Any, error: Exception) -> None:
        message, html = format_exception(error)
        form = await spawner.get_options_form()
        self.finish(
            await self.render_template(
                "spawn.html",
                for_user=self.current_user,
                spawner_options_form=form,
                error_message=message,
                html_error_message=html,
                spawner=spawner,
                form_action=self._form_url(spawner.name),
            )
        )

    async def _show(self, spawner: Any) -> None:
        job = getattr(spawner, "latest_job", None)
        self.finish(
            await self.render_template(
                "continue.html",
                server=spawner.name,
                title=getattr(spawner, "display_name", "") or spawner.name,
                node=getattr(job, "node", ""),
                choice=in_words(spawner.orm_spawner.user_options or {}),
                next=self._next(spawner.name),
                pending=spawner.pending or "",
                choose=self.get_argument("choose", ""),
            )
        )

    def _own(self, server_name: str) -> Any:
        user = self.current_user
        if server_name and server_name not in user.spawners:
            raise web.HTTPError(404, translate("You have no notebook of that name."))
        return user.spawners[server_name]

    def _next(self, server_name: str) -> str:
        """The path to open in the server; other addresses are refused."""
        path = urlsplit(self.current_user.server_url(server_name)).path
        target: str = self._validate_next_url(self.get_argument("next", ""))
        return target if target and below(target, path) else path

    def _pending_page(self, server_name: str) -> str:
        return self._address("spawn-pending", server_name)

    def _form_url(self, server_name: str) -> str:
        return self._address("spawn", server_name)

    def _address(self, page: str, server_name: str) -> str:
        parts = (page, self.current_user.escaped_name, url_escape_path(server_name))
        return str(url_concat(url_path_join(self.hub.base_url, *parts), {"next": self._next(server_name)}))


def install() -> None:
    """Add this page to the Hub's. Safe to run twice."""
    pages = handlers.default_handlers
    pages[:] = [(ROUTE, ContinueHandler), *(entry for entry in pages if entry[0] != ROUTE)]
