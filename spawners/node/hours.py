"""What is left of the project that pays for this server, as Atrium's API tells: asked at most once a minute, and waited
for only by who says how long."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from hub import api_token

log = logging.getLogger(__name__)

ASK_SECONDS = 60.0
_DEADLINE_SECONDS = 10.0


class ProjectHours:
    """Caches the project's hours; refreshes them in the background after a minute."""

    def __init__(
        self,
        account: str,
        environment: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._account = account
        self._url = environment.get("ATRIUM_API_URL", "")
        self._environment = environment
        self._clock = clock
        self._requested_at = float("-inf")
        self._asking: asyncio.Task[None] | None = None
        self._last: dict[str, Any] | None = None
        self._stale = False

    def now(self) -> dict[str, Any] | None:
        """``{"title", "cpu", "gpu", "stale"}``, hours as the API has them; None: not known."""
        if self._url and self._clock() - self._requested_at > ASK_SECONDS:
            self._requested_at = self._clock()
            self._asking = asyncio.ensure_future(self._ask())
        return None if self._last is None else {**self._last, "stale": self._stale}

    async def soon(self, seconds: float) -> dict[str, Any] | None:
        """The same; waits up to ``seconds`` for the first response."""
        hours = self.now()
        if hours is None and self._asking is not None:
            await asyncio.wait({self._asking}, timeout=seconds)
            hours = self.now()
        return hours

    async def _ask(self) -> None:
        from tornado.httpclient import AsyncHTTPClient

        try:
            answer = await AsyncHTTPClient().fetch(
                f"{self._url}/me",
                headers={"Authorization": f"token {api_token.read(self._environment)}"},
                request_timeout=_DEADLINE_SECONDS,
                ca_certs=self._environment.get(api_token.AUTHORITY_VARIABLE),
            )
            hours = project(json.loads(answer.body), self._account)
        except Exception as error:  # no error of the API may stop the server
            log.info("The project's hours could not be asked for: %s", error)
            self._stale = True
            return
        self._last, self._stale = hours, False


def project(me: Mapping[str, Any], account: str) -> dict[str, Any] | None:
    """The project with the job's Slurm account, from the API's response on the person."""
    for entry in me["projects"]:
        if account in (entry.get("account"), entry["slug"]):
            return {"title": entry["title"], "cpu": entry["cpu"], "gpu": entry["gpu"]}
    return None
