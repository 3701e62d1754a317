"""The ledger of attempts (hub.servers) for the Hub's event loop, which a thread writes.

The one place where spawners reach the server's side beyond Slurm, settings and errors (see README.md).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from tenacity import AsyncRetrying, RetryError, retry_if_exception_type, stop_after_attempt, wait_exponential

from hub.db.engine import is_storage_full, make_engine, make_sessions
from hub.errors import AtriumError

log = logging.getLogger(__name__)

TRIES = 5

P = ParamSpec("P")
R = TypeVar("R")


class LedgerUnavailable(AtriumError):
    """The database does not answer; Slurm was not called either."""

    status = 503
    hint = "Nothing was started. Try again in a minute."


class Ledger:
    """Runs functions of :mod:`hub.servers.service`, one at a time."""

    def __init__(self, database_url: str) -> None:
        self._sessions = make_sessions(make_engine(database_url, existing=True))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")

    async def run(self, work: Callable[Concatenate[Session, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run ``work(session, …)`` and return its result; raises :class:`LedgerUnavailable` if the database fails."""

        def in_thread() -> R:
            with self._sessions() as session:
                return work(session, *args, **kwargs)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, in_thread)
        except SQLAlchemyError as error:
            reason = "Storage is full" if is_storage_full(error) else "The database does not answer"
            raise LedgerUnavailable(f"{reason} ({type(error).__name__}).") from error

    async def note(self, work: Callable[Concatenate[Session, P], Any], *args: P.args, **kwargs: P.kwargs) -> None:
        """Store an event that has already happened: retries for some seconds, then logs the error and returns."""

        async def write() -> None:
            try:
                await self.run(work, *args, **kwargs)
            except LedgerUnavailable as error:
                log.warning("%s could not be written: %s", _name(work), error)
                raise

        retrying = AsyncRetrying(
            retry=retry_if_exception_type(LedgerUnavailable),
            wait=wait_exponential(multiplier=0.25),
            stop=stop_after_attempt(TRIES),
        )
        try:
            await retrying(write)
        except RetryError:
            log.error("%s was not written: the ledger is behind what Slurm knows", _name(work))


def _name(work: Callable[..., Any]) -> str:
    return getattr(work, "__name__", "an entry")
