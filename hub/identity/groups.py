"""Groups of the Hub that stand for projects, so that things can be shared with all members of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import httpx2

from hub.errors import AtriumError, HubUnavailable
from hub.identity import hub_api

DEADLINE_SECONDS = 10.0
PREFIX = "project-"
"""Only groups with this prefix are changed, because roles are groups too."""


class GroupError(AtriumError):
    """The Hub refused to change a group."""

    status = 502


class HubGroups:
    """:param http: a client whose base address is the Hub's API."""

    def __init__(self, http: httpx2.AsyncClient, token: str) -> None:
        self._http = http
        self._token = token

    async def ensure(self, project: str, members: Sequence[str]) -> tuple[str, ...]:
        """Create or change the group so that it has the ``members`` that the Hub knows; returns the others.

        Safe to run twice. The Hub does not know people who never signed in.

        :raises HubUnavailable: the Hub did not answer.
        :raises GroupError: it refused.
        """
        path = f"groups/{quote(PREFIX + project, safe='')}"
        present = await self._members(path)
        # Removed first: that somebody cannot be added must not leave anybody in.
        if removed := sorted(present - set(members)):
            await self._ask("DELETE", f"{path}/users", {"users": removed}, good=(200,))
        return tuple([name for name in sorted(set(members) - present) if not await self._add(path, name)])

    async def _members(self, path: str) -> set[str]:
        answer = await self._ask("GET", path, None, good=(200, 404))
        if answer.status_code == 404:
            await self._ask("POST", path, {}, good=(201, 409))
            return set()
        return set(answer.json()["users"])

    async def _add(self, path: str, name: str) -> bool:
        answer = await self._ask("POST", f"{path}/users", {"users": [name]}, good=(200, 400))
        return answer.status_code == 200

    async def _ask(self, method: str, path: str, body: Any, *, good: tuple[int, ...]) -> httpx2.Response:
        answer = await hub_api.request(
            self._http, method, path, self._token, json=body, deadline_seconds=DEADLINE_SECONDS
        )
        if answer.status_code >= 500:
            raise HubUnavailable(f"The Hub answered {answer.status_code}.")
        if answer.status_code not in good:
            raise GroupError(f"The Hub refused to change a group ({answer.status_code}).")
        return answer
