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
HUB_SECONDS = 30.0
"""How often the Hub is asked for the end while somebody looks at it."""
PAUSED_SECONDS = 30.0
"""A round that comes later by so much shows that the job was paused."""
GPU_SECONDS = 60.0
"""How often the GPUs are looked at."""
GPU_UNUSED_SECONDS = 900.0
"""After so long without a computation on them, people are told."""

IDLE = "idle"
TIME_LIMIT = "time limit"
FINISHED = "finished"
UNATTENDED = "unattended"


async def _no() -> bool:
    return False


async def _not_known() -> None:
    return None


@dataclass
class Watch:
    """The watch of a server. ``stop`` shuts kernels down and ends the process."""

    job: Job
    idle: IdleClock
    activity: Activity
    gpus_work: Callable[[], Awaitable[bool | None]]
    """Whether the job's GPUs compute; None: not known, or there is none."""
    stop: Callable[[], None]
    clusters_compute: Callable[[], Awaitable[bool]] = _no
    """Whether Dask clusters of this server compute something."""
    is_unattended: Callable[[], bool] = lambda: False
    """Whether Slurm's process beside this job is gone, so that Slurm can neither end nor charge it."""
    ask_hub: Callable[[], Awaitable[float | None]] = _not_known
    """When the job ends, as the Hub last saw it in Slurm (seconds since the epoch); None: not known."""
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
    _read_at: float = field(default=float("-inf"), init=False)
    """When somebody last looked at the time left."""
    _hub_asked_at: float = field(default=float("-inf"), init=False)
    _gpus_asked_at: float = field(default=float("-inf"), init=False)
    _gpus_worked_at: float | None = field(default=None, init=False)
    """When a GPU was last seen to compute, at the earliest when that was first looked at; None: not known."""

    @property
    def seconds_left(self) -> float | None:
        """Until Slurm ends the job; None: not known."""
        return None if self.job.ends is None else self.job.ends - self.clock()

    @property
    def idle_end(self) -> float | None:
        """Seconds until the server ends for idleness; None if that is not near."""
        now = self.clock()
        return max(self.idle.left(now), 0.0) if self.idle.warns(now) else None

    @property
    def gpu_unused(self) -> float | None:
        """Seconds for which no GPU of the job has been seen to compute; None: not for long, not known, or no GPU."""
        if self._gpus_worked_at is None:
            return None
        seconds = self.clock() - self._gpus_worked_at
        return seconds if seconds >= GPU_UNUSED_SECONDS else None

    def note_reader(self) -> None:
        """Note that somebody looks at the time left, so that a moved end is noticed soon."""
        self._read_at = self.clock()

    async def run(self) -> None:
        """Run rounds until the end; a failed round is logged."""
        if self.job.ends is None:
            await self.job.ask_end()
        while not self.ending:
            try:
                await self.round()
            except Exception:
                log.exception("The watch over this server missed a round")
            before = self.clock()
            await asyncio.sleep(ROUND_SECONDS)
            if self.clock() - before > ROUND_SECONDS + PAUSED_SECONDS:
                await self.resumed(self.clock() - before)

    async def resumed(self, seconds: float) -> None:
        """Handle the end of a pause of ``seconds``: nobody could use the server, and Slurm has moved its end."""
        log.warning("This server was paused for %.0f s.", seconds)
        self.idle.happened(self.clock())
        self._gpus_worked_at = None
        await self.job.ask_end()

    async def signal(self) -> None:
        """Handle Slurm's signal before the time limit."""
        log.warning("Slurm says that this job reaches its time limit soon.")
        await self.job.ask_end()
        if self.job.ends is None:
            self.job.ends = self.clock() + self.warn_seconds
        self.signalled = True

    async def round(self) -> None:
        """Check time and idleness once, and end the server if due."""
        if self.is_unattended():
            self._end(UNATTENDED, "Slurm's process for this job has ended.")
            return
        await self._look_at_time()
        await self._look_at_use()
        await self._look_at_gpus()

    async def _look_at_time(self) -> None:
        now = self.clock()
        if now - self._read_at < 2 * HUB_SECONDS and now - self._hub_asked_at >= HUB_SECONDS:
            self._hub_asked_at = now
            self.job.ends = await self.ask_hub() or self.job.ends
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
        if self.idle.left(now) < self.idle.limit / 2 and (await self.gpus_work() or await self.clusters_compute()):
            self.idle.happened(now)
        self.note_activity(self.idle.last)
        if self.idle.is_over(self.clock()):
            self._end(IDLE, f"Nothing has happened here for {self.idle.limit / 60:g} minutes.")

    async def _look_at_gpus(self) -> None:
        now = self.clock()
        if not self.job.gpus or now - self._gpus_asked_at < GPU_SECONDS:
            return
        self._gpus_asked_at = now
        works = await self.gpus_work()
        if works is None:
            self._gpus_worked_at = None
        elif works or self._gpus_worked_at is None:
            self._gpus_worked_at = now

    def _end(self, farewell: str, why: str) -> None:
        if not self.ending:
            self.ending, self.farewell = True, farewell
            log.warning("%s The server ends.", why)
            self.stop()
