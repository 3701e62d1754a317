"""One ``squeue`` per interval for everybody: whoever needs to know shares one answer."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field

from hub.errors import SlurmError
from hub.slurm.client import SlurmClient
from hub.slurm.jobs import Job

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """The queue as it stood at ``asked_at`` (monotonic seconds, taken before the question was put)."""

    asked_at: float = float("-inf")
    jobs: dict[int, Job] = field(default_factory=dict)


class QueueWatcher:
    """Asks only when somebody wants to know, never twice at once, and never more often than ``interval`` seconds.

    "Could not ask" changes nothing: the last good snapshot stays, with its age, and ``error`` says why.
    """

    def __init__(self, client: SlurmClient, interval: float) -> None:
        self._client = client
        self._interval = interval
        self._refresh: asyncio.Task[None] | None = None
        self.snapshot = Snapshot()
        self.error: SlurmError | None = None
        self.calls = 0
        """How often ``squeue`` was run (tests and metrics count it)."""

    async def fresh(self) -> Snapshot | None:
        """A snapshot not older than the interval.

        None when Slurm could not be asked: nothing may be concluded then.
        """
        oldest = time.monotonic() - self._interval
        if self.snapshot.asked_at < oldest:
            await self._shared_refresh()
        return self.snapshot if self.snapshot.asked_at >= oldest else None

    async def _shared_refresh(self) -> None:
        if self._refresh is None or self._refresh.done():
            self._refresh = asyncio.create_task(self._ask())
        await asyncio.shield(self._refresh)

    async def _ask(self) -> None:
        asked_at = time.monotonic()
        self.calls += 1
        try:
            jobs = {job.id: job for job in await self._client.queue()}
        except SlurmError as error:
            if self.error is None:
                log.warning("The queue could not be read; what we know stays as it is: %s", error)
            self.error = error
            return
        except Exception as error:  # a bug in here must not end everybody's servers
            log.exception("The queue could not be read")
            self.error = SlurmError(f"The queue could not be read: {error}")
            return
        if self.error is not None:
            log.info("The queue can be read again.")
        self.error = None
        self.snapshot = Snapshot(asked_at, jobs)
