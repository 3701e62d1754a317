"""What the Hub's pages show of a person, from the API: the overview, which is cached, and the mailbox."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TypeVar

import httpx2
from cachetools import LRUCache
from pydantic import BaseModel

from hub import tls
from hub.connection import verification
from hub.home.models import Overview
from hub.mail.models import Mailbox
from hub.settings import Settings

log = logging.getLogger(__name__)

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Answer:
    """A person's overview; None if there never was an answer. ``stale``: the last request failed."""

    overview: Overview | None = None
    as_of: datetime | None = None
    stale: bool = False


class Overviews:
    """Reads overviews from the API as service ``pages`` and keeps each person's last good answer."""

    def __init__(
        self,
        api_url: str,
        token: Callable[[], str],
        *,
        deadline: float = 2.0,
        remembered: int = 1000,
        authority: Path | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._token = token
        self._deadline = deadline
        self._last: LRUCache[str, Answer] = LRUCache(remembered)
        self._api_url = api_url
        self._authority = authority
        self._transport = transport

    @cached_property
    def _client(self) -> httpx2.AsyncClient:
        """Made at the first request: the Hub's configuration is read before the certificates are made, too."""
        return httpx2.AsyncClient(
            base_url=self._api_url,
            timeout=self._deadline,
            transport=self._transport,
            verify=verification(self._authority),
        )

    def last(self, name: str) -> Answer:
        """The last good answer, without a request."""
        return self._last.get(name, Answer())

    async def of(self, name: str) -> Answer:
        """Read from the API now. Never raises, because the page must open without it."""
        try:
            async with asyncio.timeout(self._deadline):
                overview = await self._get(f"/people/{name}/overview", Overview, {})
        except Exception as error:  # the start page must open whatever is wrong with the API
            log.warning("No overview of %s: %s %s", name, type(error).__name__, error)
            return replace(self.last(name), stale=True)
        answer = self._last[name] = Answer(overview, datetime.now(UTC))
        return answer

    async def mailbox(self, name: str, before: int | None) -> Mailbox | None:
        """Read the person's mailbox from the API now; None if it does not answer."""
        query = {} if before is None else {"before": str(before)}
        try:
            async with asyncio.timeout(self._deadline):
                return await self._get(f"/people/{name}/mail", Mailbox, query)
        except Exception as error:  # the page says so
            log.warning("No mailbox of %s: %s %s", name, type(error).__name__, error)
            return None

    async def _get(self, path: str, model: type[Model], query: dict[str, str]) -> Model:
        headers = {"Authorization": f"token {self._token()}"}
        response = await self._client.get(path, headers=headers, params=query)
        response.raise_for_status()
        return model.model_validate_json(response.content)


@lru_cache(maxsize=1)
def overviews(settings: Settings) -> Overviews:
    """The one cache, for the start page and for the hours in the header."""
    return Overviews(settings.api_url, lambda: settings.secret("pages"), authority=tls.authority_of_api(settings))


def roles(user: Any, answer: Answer) -> set[str]:
    """The person's roles from the last good answer of the API, or else from the Hub's groups."""
    if answer.overview is not None:
        return {role.value for role in answer.overview.me.roles}
    return {group.name.removesuffix("s") for group in user.groups}


def roles_in_menu(user: Any, answer: Answer) -> set[str]:
    """Admins of the Hub itself count as admins, too."""
    own = {group.name.removesuffix("s") for group in user.groups}
    return roles(user, answer) | own | ({"admin"} if user.admin else set())
