"""Watches a server's remaining time and idleness, and ends it in order."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from spawners.node.idle import Activity, IdleClock
from spawners.node.job import Job

log = logging.getLogger(__name__)

ROUND_SECONDS = 5.0
LEAVE_SECONDS = 20.0
"""How long before Slurm ends the job its server does so itself: kernels get five seconds, the Hub three."""
RECHECK_SECONDS = 16 * 60.0
"""From then on people are warned: time to ask once more whether an administrator has moved the end."""

IDLE = "idle"
TIME_LIMIT = "time limit"
FINISHED = "finished"


@dataclass
class Watch:
    """The watch of a server. ``stop`` shuts kernels down and ends the process."""

    job: Job
    idle: IdleClock
    activity: Activity
    gpus_work: Callable[[], Awaitable[bool]]
    stop: Callable[[], None]
    note_activity: Callable[[float], None] = lambda _: None
    """Called with the time of the last activity (seconds since the epoch)."""
    warn_seconds: float = 120.0
    """How long before the end Slurm sends its signal."""
    clock: Callable[[], float] = time.time
    farewell: str = FINISHED
    """Why the server goes, for the Hub."""
    signalled: bool = field(default=False, init=False)
    """Slurm has sent its signal: the end is near, and true."""
    ending: bool = field(default=False, init=False)
    _rechecked: bool = field(default=False, init=False)

    @property
    def seconds_left(self) -> float | None:
        """Until Slurm ends the job; None: not known."""
        return None if self.job.ends is None else self.job.ends - self.clock()

    @property
    def idle_end(self) -> float | None:
        """Seconds until the server ends for idleness; None if that is not near."""
        now = self.clock()
        return max(self.idle.left(now), 0.0) if self.idle.warns(now) else None

    async def run(self) -> None:
        """Run rounds until the end; a failed round is logged."""
        if self.job.ends is None:
            await self.job.ask_end()
        while not self.ending:
            try:
                await self.round()
            except Exception:
                log.exception("The watch over this server missed a round")
            await asyncio.sleep(ROUND_SECONDS)

    async def signal(self) -> None:
        """Handle Slurm's signal before the time limit."""
        log.warning("Slurm says that this job reaches its time limit soon.")
        await self.job.ask_end()
        if self.job.ends is None:
            self.job.ends = self.clock() + self.warn_seconds
        self.signalled = True

    async def round(self) -> None:
        """Check time and idleness once, and end the server if due."""
        await self._look_at_time()
        await self._look_at_use()

    async def _look_at_time(self) -> None:
        seconds = self.seconds_left
        if seconds is not None and seconds < RECHECK_SECONDS and not self._rechecked:
            self._rechecked = True
            await self.job.ask_end()
        if self.signalled and self._leaves():
            await self.job.ask_end()  # an administrator may have extended the job since the signal
            if self._leaves():
                self._end(TIME_LIMIT, "The job's time is over.")

    def _leaves(self) -> bool:
        seconds = self.seconds_left
        return seconds is not None and seconds <= LEAVE_SECONDS

    async def _look_at_use(self) -> None:
        self.idle.happened(self.activity.last())
        now = self.clock()
        # Querying a GPU starts a process, so only if the server looks idle otherwise.
        if self.idle.left(now) < self.idle.limit / 2 and await self.gpus_work():
            self.idle.happened(now)
        self.note_activity(self.idle.last)
        if self.idle.is_over(self.clock()):
            self._end(IDLE, f"Nothing has happened here for {self.idle.limit / 60:g} minutes.")

    def _end(self, farewell: str, why: str) -> None:
        if not self.ending:
            self.ending, self.farewell = True, farewell
            log.warning("%s The server ends.", why)
            self.stop()
