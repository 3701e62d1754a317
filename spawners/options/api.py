"""Starts a server by the Hub's REST API: options are validated as in the form before they are stored.

JupyterHub itself stores any options and starts the next server with them.
"""

from __future__ import annotations

from typing import Any

from jupyterhub import apihandlers
from jupyterhub.apihandlers.users import UserServerAPIHandler
from jupyterhub.scopes import needs_scope
from tornado import web

from hub.errors import InvalidInput
from spawners.options import page as spawn_page
from spawners.server_names import CheckedNames

LONGEST_BODY = 16 * 1024


class ServerHandler(CheckedNames, UserServerAPIHandler):
    """``POST``, ``PUT`` and ``PATCH`` of ``/hub/api/users/NAME/server`` (and ``…/servers/NAME``) with
    ``{"user_options": {…}}``; an option that cannot be had is a 422 that names its field."""

    accepted: dict[str, Any] | None = None
    """The options sent, typed and complete; None: none were sent."""

    @needs_scope("start:servers")  # type: ignore[untyped-decorator]
    async def post(self, user_name: str, server_name: str = "") -> None:
        await self._accept(user_name)
        await super().post(user_name, server_name)

    @needs_scope("start:servers")  # type: ignore[untyped-decorator]
    async def put(self, user_name: str, server_name: str = "") -> None:
        await self._accept(user_name)
        await super().put(user_name, server_name)

    @needs_scope("start:servers")  # type: ignore[untyped-decorator]
    async def patch(self, user_name: str, server_name: str = "") -> None:
        await self._accept(user_name)
        await super().patch(user_name, server_name)

    async def _accept(self, user_name: str) -> None:
        """Validate the options; called after the scope check, because refusals reveal a person's limits."""
        if len(self.request.body) > LONGEST_BODY:
            raise web.HTTPError(413, "That is far more than the options of a server.")
        sent = self._sent()
        if sent is None:
            return
        try:
            self.accepted = (await spawn_page.accepted(user_name, sent)).model_dump()
        except InvalidInput as error:
            text = " ".join(part for part in (error.field and f"{error.field}:", error.message, error.hint) if part)
            raise web.HTTPError(422, "%s", text) from error

    def _sent(self) -> dict[str, Any] | None:
        if self.request.method == "PATCH":
            body = self.get_json_body()
            sent = body.get("user_options") if isinstance(body, dict) else None
            return sent if isinstance(sent, dict) else None
        options: dict[str, Any] | None = super().get_server_json_body()["user_options"]
        return options

    def get_server_json_body(self) -> dict[str, Any]:
        body: dict[str, Any] = super().get_server_json_body()
        return {**body, "user_options": self.accepted}

    def get_json_body(self) -> Any:
        body = super().get_json_body()
        if self.accepted is not None and isinstance(body, dict) and "user_options" in body:
            return {**body, "user_options": self.accepted}
        return body


def install() -> None:
    """Replace JupyterHub's handler. Safe to run twice."""
    handlers = apihandlers.default_handlers
    handlers[:] = [
        (entry[0], ServerHandler, *entry[2:]) if entry[1] is UserServerAPIHandler else entry for entry in handlers
    ]
