"""Browser sessions at the servers behind the Hub: a person's own server and the dashboards service.

Only the environment of these servers has what this module imports. When a session ends at the Hub
(``hub.pages.sign_out``), requests are refused and open sockets are closed within :data:`REMEMBER_SECONDS` and
:data:`CHECK_SECONDS`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, cast
from weakref import WeakKeyDictionary

from jupyter_server.auth.decorator import allow_unauthenticated, authorized
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from jupyterhub.services.auth import HubOAuth
from jupyterhub.singleuser.extension import JupyterHubIdentityProvider, JupyterHubLogoutHandler
from jupyterhub.utils import url_path_join
from tornado import web
from tornado.websocket import WebSocketHandler
from traitlets import default

REMEMBER_SECONDS = 8.0
"""Seconds that the Hub's answer about a token counts. A session in use costs the Hub one request in this time."""
CHECK_SECONDS = 4.0
"""Seconds between two checks of the sessions that have open sockets."""
OUTAGE_SECONDS = 300.0
"""Seconds that the last answer counts while the Hub does not answer."""
DEADLINE_SECONDS = 5.0
SIGNED_OUT = 4401
"""WebSocket close code."""

User = dict[str, Any]
"""The Hub's model of a token's owner."""


@dataclass
class Answer:
    """The Hub's answer about a token; times are those of the monotonic clock, in seconds."""

    user: User | None
    """None: the token is not valid."""
    answered: float
    checked: float
    """When the Hub was last asked, even if it did not answer."""


class SessionAuth(HubOAuth):
    """The Hub's sign-in with a memory of seconds, where JupyterHub's is of minutes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._answers: dict[bytes, Answer] = {}
        self._requests: dict[bytes, asyncio.Task[Answer]] = {}

    def user_for_token(
        self, token: str, use_cache: bool = True, session_id: str = "", *, sync: bool = True
    ) -> User | Awaitable[User | None] | None:
        """The owner of a token, None if it is not valid; an awaitable unless ``sync``.

        :raises tornado.web.HTTPError: the Hub has not answered for :data:`OUTAGE_SECONDS`.
        """
        if use_cache and not sync:
            return self._remembered_user(token)
        return cast("User | None", super().user_for_token(token, use_cache=False, session_id=session_id, sync=sync))

    def accepted_token(self, handler: web.RequestHandler) -> str:
        """The token that a request was accepted for: a stale one in its header or address is not."""
        if getattr(handler, "_token_authenticated", False):
            return str(self.get_token(handler, in_cookie=False))
        return str(self._get_token_cookie(handler))

    async def _remembered_user(self, token: str) -> User | None:
        key = sha256(token.encode("utf8", "replace")).digest()
        answer = self._answers.get(key)
        if answer is None or time.monotonic() - answer.checked > REMEMBER_SECONDS:
            answer = await self._ask_once(key, token)
        return answer.user

    async def _ask_once(self, key: bytes, token: str) -> Answer:
        """Ask the Hub; concurrent questions about a token share one request."""
        request = self._requests.get(key)
        if request is None:
            request = self._requests[key] = asyncio.get_running_loop().create_task(self._ask(key, token))
            request.add_done_callback(lambda _: self._requests.pop(key, None))
        return await asyncio.shield(request)

    async def _ask(self, key: bytes, token: str) -> Answer:
        now = time.monotonic()
        question = super().user_for_token(token, use_cache=False, sync=False)
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                user = await cast("Awaitable[User | None]", question)
        except (web.HTTPError, TimeoutError) as error:
            last = self._answers.get(key)
            if last is None or now - last.answered > OUTAGE_SECONDS:
                raise web.HTTPError(503, "The Hub does not answer. Try again in a minute.") from error
            last.checked = now
            return last
        recent = {key: answer for key, answer in self._answers.items() if now - answer.answered < OUTAGE_SECONDS}
        answer = Answer(user, now, now)
        self._answers = {**recent, key: answer}
        return answer


class LogoutHandler(JupyterHubLogoutHandler):
    """Leads to the Hub's page about signing out; stock clears the cookie already here, on GET."""

    @allow_unauthenticated
    def get(self) -> None:
        self.redirect(_hub_url(self, "logout"))


def _hub_url(handler: JupyterHandler, page: str) -> str:
    hub_auth = cast(SessionIdentityProvider, handler.identity_provider).hub_auth
    return f"{hub_auth.hub_host}{url_path_join(hub_auth.hub_prefix, page)}"


class SessionIdentityProvider(JupyterHubIdentityProvider):
    """JupyterHub's sign-in, which knows the session of each open socket and closes those of ended sessions."""

    logout_handler_class = LogoutHandler
    hub_auth: SessionAuth

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._tokens: WeakKeyDictionary[WebSocketHandler, str] = WeakKeyDictionary()
        self._watching: asyncio.Task[None] | None = None

    @default("hub_auth")
    def _session_auth(self) -> SessionAuth:
        return SessionAuth(parent=self)

    async def get_user(self, handler: web.RequestHandler) -> Any:
        """The person behind a request, None if nobody may be admitted; every socket passes here before it opens."""
        user = await super().get_user(handler)
        if user is not None and isinstance(handler, WebSocketHandler):
            self._tokens[handler] = self.hub_auth.accepted_token(handler)
            # Here and not at the server's start, where another part could fail before: no socket goes without it.
            if self._watching is None or self._watching.done():
                self._watching = asyncio.get_running_loop().create_task(self._watch_sockets())
        return user

    async def close_sockets_of_ended_sessions(self) -> None:
        """One check of all sessions with open sockets; a Hub that does not answer ends none."""
        tokens = {token for handler, token in self._tokens.items() if handler.ws_connection is not None}
        await asyncio.gather(*(self._check(token) for token in tokens))

    async def _watch_sockets(self) -> None:
        """Check for ever."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            try:
                await self.close_sockets_of_ended_sessions()
            except Exception:
                self.log.exception("The sessions of open sockets cannot be checked; the next check follows")

    async def _check(self, token: str) -> None:
        try:
            user = await cast("Awaitable[User | None]", self.hub_auth.user_for_token(token, sync=False))
        except web.HTTPError:
            return
        if user is not None and self.hub_auth.check_scopes(self.hub_auth.access_scopes, user):
            return
        for handler in [handler for handler, owner in self._tokens.items() if owner == token]:
            _close(handler)


def _close(handler: WebSocketHandler) -> None:
    """Close a socket and drop what still arrives: a browser may go on sending until it answers the close."""
    handler.on_message = _drop  # type: ignore[method-assign, assignment]
    handler.close(SIGNED_OUT, "You have signed out.")


def _drop(_message: str | bytes) -> None:
    """Do nothing."""


class SessionHandler(APIHandler):
    """The person of this browser's session as JSON, for pages that are open; 403 when it has ended."""

    auth_resource = "server"
    _track_activity = False

    @web.authenticated
    @authorized
    def get(self) -> None:
        self.set_header("Cache-Control", "no-store")
        self.finish({"person": self.current_user.username})


class SignInHandler(JupyterHandler):
    """Leads to the start page, by way of the sign-in to this server."""

    @web.authenticated
    def get(self) -> None:
        self.redirect(_hub_url(self, "home"))


ROUTES: tuple[tuple[str, type[web.RequestHandler]], ...] = (
    ("atrium/session", SessionHandler),
    ("atrium/session/sign-in", SignInHandler),
)
"""Addresses below a server's own."""
