"""Sign-in and share codes with delays after wrong ones: JupyterHub's own authenticator and handlers, guarded.

Every password reaches PAM through :class:`DelayingAuthenticator`, whichever handler received it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any, cast

from jupyterhub.apihandlers.base import APIHandler
from jupyterhub.apihandlers.users import UserTokenListAPIHandler
from jupyterhub.auth import PAMAuthenticator
from jupyterhub.handlers.base import BaseHandler
from jupyterhub.handlers.pages import AcceptShareHandler as StockAcceptShareHandler
from tornado import web
from tornado.httputil import HTTPServerRequest
from traitlets import Any as AnyTrait
from traitlets import default

from hub import language
from hub.errors import TooManyAttempts
from hub.guesses import Guesses, proxies
from hub.identity.addresses import Network, client_address
from hub.mail import guesses as guess_reports
from hub.pages.devices import known_device, remember_device
from hub.settings import Settings, load


class Limits:
    """The Hub's counts of attempts, and how it recognises addresses and devices."""

    def __init__(self, guesses: Guesses, proxies: tuple[Network, ...], device_days: int) -> None:
        self.guesses = guesses
        self.device_days = device_days
        self._proxies = proxies

    def address(self, request: HTTPServerRequest) -> str | None:
        """The client's address, which JupyterHub itself would believe anybody (``X-Real-Ip``)."""
        context: Any = request.connection.context  # type: ignore[union-attr]
        peer = context.address[0] if isinstance(context.address, tuple) else ""
        return client_address(peer, ",".join(request.headers.get_list("X-Forwarded-For")), self._proxies)


@lru_cache(maxsize=1)
def limits(settings: Settings) -> Limits:
    """The one set of counts of this process."""
    report = partial(guess_reports.report, settings, "the Hub")
    return Limits(
        Guesses(settings.login, report), proxies(settings, settings.hub.host), settings.login.known_device_days
    )


class DelayingAuthenticator(PAMAuthenticator):
    """PAM, asked only when an attempt is allowed; until then a right password is refused like a wrong one."""

    limits: Any = AnyTrait()

    @default("limits")
    def _limits(self) -> Limits:
        return limits(load())

    async def get_authenticated_user(self, handler: BaseHandler, data: Any) -> dict[str, Any] | None:
        """As JupyterHub's own. Raises HTTPError 429 while the next attempt has to wait."""
        account = self._account_in(data)
        if account is None:
            return None
        data = {**data, "username": account}
        days = self.limits.device_days
        device = known_device(handler, account, days)
        with (
            too_many_requests(),
            self.limits.guesses.password(account, self.limits.address(handler.request), device) as attempt,
        ):
            authenticated: dict[str, Any] | None = await super().get_authenticated_user(handler, data)
            attempt.counts = authenticated is None
        if authenticated is not None and not isinstance(handler, APIHandler):
            remember_device(handler, account, device, days)
        return authenticated

    def _account_in(self, data: Any) -> str | None:
        """The account that ``data`` names; None if it can be nobody's: another spelling would have its own counts."""
        if not isinstance(data, dict) or not all(isinstance(data.get(key), str) for key in ("username", "password")):
            return None
        name: str = self.normalize_username(data["username"])
        return name if self.validate_username(name) else None


def handlers(settings: Settings) -> list[Any]:
    """Entries that replace JupyterHub's own, for :func:`hub.pages.handlers.install`."""
    return [
        (r"/accept-share", AcceptShareHandler, {"limits": limits(settings)}),
        (r"/api/users/([^/]+)/tokens", TokensHandler),
    ]


class TokensHandler(UserTokenListAPIHandler):
    """As JupyterHub's own, which answers 403 to a password that has to wait: this one answers 429."""

    too_many: TooManyRequests | None = None

    async def authenticate(self, data: Any) -> Any:
        try:
            return await super().authenticate(data)
        except TooManyRequests as error:
            self.too_many = error
            raise

    async def post(self, user_name: str) -> None:
        try:
            await super().post(user_name)
        except web.HTTPError as error:
            raise self.too_many or error from None


class AcceptShareHandler(StockAcceptShareHandler):
    """As JupyterHub's own, with delays after wrong codes."""

    def initialize(self, limits: Limits) -> None:
        self.limits = limits

    @web.authenticated
    async def get(self) -> None:
        with self._guess():
            await cast(Awaitable[None], super().get())

    @web.authenticated
    def post(self) -> None:
        with self._guess():
            super().post()

    @contextmanager
    def _guess(self) -> Iterator[None]:
        address = self.limits.address(self.request)
        with too_many_requests(), self.limits.guesses.code(self.current_user.name, address) as attempt:
            yield
            attempt.counts = False


class TooManyRequests(web.HTTPError):
    """Status 429 with ``Retry-After`` and a sentence in the reader's language; JupyterHub shows both attributes."""

    def __init__(self, seconds: int) -> None:
        super().__init__(429, reason="Too Many Requests")
        self.headers = {"Retry-After": str(seconds)}
        self.jupyterhub_message = language.translate_many(
            "Too many attempts. Try again in {n} second.", "Too many attempts. Try again in {n} seconds.", seconds
        ).format(n=seconds)


@contextmanager
def too_many_requests() -> Iterator[None]:
    """Answer an attempt that has to wait with :class:`TooManyRequests`."""
    try:
        yield
    except TooManyAttempts as error:
        raise TooManyRequests(error.seconds or 1) from None
