"""Owners of tokens, as the Hub knows them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Literal
from urllib.parse import quote

import httpx2
from cachetools import TTLCache
from pydantic import BaseModel, ValidationError

from hub.errors import HubUnavailable, NotAllowed, NotFound, NotSignedIn
from hub.identity import hub_api
from hub.identity.models import Person
from hub.identity.roles import roles_of

logger = logging.getLogger(__name__)

DEADLINE_SECONDS = 5.0
REMEMBER_SECONDS = 15.0
"""Seconds that a response of the Hub is cached; a revoked token works for at most this long."""
REFUSED_SECONDS = 60.0
"""Seconds in which the Hub is not asked again about a token that it does not know."""
REMEMBER_AT_MOST = 4096

_SCOPES = frozenset({"access:services!service=atrium", "access:services"})


class Owner(BaseModel):
    """The Hub's record of the owner of a token, or of a person by name."""

    kind: Literal["user", "service"]
    name: str
    groups: tuple[str, ...] = ()
    scopes: frozenset[str] = frozenset()

    def person(self) -> Person:
        return Person(name=self.name, kind=self.kind, roles=roles_of(self.groups))


class Directory:
    """The Hub's knowledge of people.

    :param http: a client whose base address is the Hub's API and that carries no token of its own.
    :param own_token: the API's token, for looking somebody up by name.
    """

    def __init__(
        self, http: httpx2.AsyncClient, own_token: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._http = http
        self._own_token = own_token
        self._remembered: TTLCache[bytes, Owner] = TTLCache(REMEMBER_AT_MOST, REMEMBER_SECONDS, clock)
        self._refused: TTLCache[bytes, bool] = TTLCache(REMEMBER_AT_MOST, REFUSED_SECONDS, clock)

    def remembers(self, token: str) -> bool:
        """Whether the Hub has recently been asked about a token, whatever it answered."""
        key = _digest(token)
        return key in self._remembered or key in self._refused

    async def owner_of(self, token: str) -> Person:
        """The owner of a token that may be used here.

        :raises NotSignedIn: the Hub does not know the token.
        :raises NotAllowed: the token lacks the scope for this API.
        :raises HubUnavailable: the Hub does not answer.
        """
        key = _digest(token)
        if key in self._refused:
            raise _unknown_token()
        owner = self._remembered.get(key)
        if owner is None:
            owner = self._remembered[key] = await self._ask_owner(token)
        if not owner.scopes & _SCOPES:
            raise NotAllowed("This token is not valid for Atrium's API.", hint="Use hub.client in a notebook.")
        return owner.person()

    async def named(self, name: str) -> Person:
        """A person by name; raises :class:`NotFound` if the Hub has none."""
        answer = await self._get(f"users/{quote(name, safe='')}", self._own_token)
        if answer.status_code == 404:
            raise NotFound(f"There is no user {name}.")
        return _read(answer).person()

    async def _ask_owner(self, token: str) -> Owner:
        answer = await self._get("user", token)
        if answer.status_code in {401, 403}:
            self._refused[_digest(token)] = True
            raise _unknown_token()
        return _read(answer)

    async def _get(self, path: str, token: str) -> httpx2.Response:
        return await hub_api.request(self._http, "GET", path, token, deadline_seconds=DEADLINE_SECONDS)


def _digest(token: str) -> bytes:
    """What is remembered instead of a token, so that no dump of this process shows a list of them."""
    return sha256(token.encode()).digest()


def _unknown_token() -> NotSignedIn:
    return NotSignedIn("The Hub does not know this token.")


def _read(answer: httpx2.Response) -> Owner:
    try:
        model: Any = answer.raise_for_status().json()
        return Owner.model_validate(model)
    except (httpx2.HTTPStatusError, ValidationError, ValueError) as error:
        # The body of the Hub's response may hold secrets, so only the status is logged.
        logger.warning("the Hub answered %d to %s", answer.status_code, answer.request.url.path)
        raise HubUnavailable("The Hub's response cannot be read.") from error


def token_in(header: str | None) -> str:
    """The token in an ``Authorization`` header: ``token …`` or ``Bearer …``, as Jupyter's own services take it."""
    scheme, _, token = (header or "").partition(" ")
    if scheme.lower() not in {"token", "bearer"} or not token.strip() or not token.isascii():
        raise NotSignedIn("The request needs an Authorization header with a token.")
    return token.strip()
