"""Calls ``squeue`` once per interval for all servers, which share its output."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol

from hub.errors import SlurmError
from hub.slurm.jobs import Job, Pending

log = logging.getLogger(__name__)

PLACES_SECONDS = 10.0
"""How old the order of the queue may get while somebody waits."""
CALLS_A_MINUTE = 30
"""Most runs of ``squeue`` in any minute, whatever happens."""
AT_ONCE = 4
"""How many of them may follow each other without a pause."""


class Queue(Protocol):
    """The part of :class:`hub.slurm.client.SlurmClient` that is used here."""

    async def queue(self, name: str) -> list[Job]: ...

    async def jobs_of(self, numbers: Iterable[int]) -> list[Job]: ...

    async def pending(self) -> list[Pending]: ...


@dataclass(frozen=True)
class Snapshot:
    """The queue at ``asked_at`` (monotonic seconds, taken before ``squeue`` started).

    Jobs that ended some minutes ago at the most (Slurm's ``MinJobAge``) are in it, with their last state.
    """

    asked_at: float = float("-inf")
    jobs: dict[int, Job] = field(default_factory=dict)


Watching = Callable[[Job | None], None]
"""Called with a job when it has changed, at each refresh once it ends, and with None while it is not in the queue."""


class CallBudget:
    """Spreads calls, so that no minute has more than ``calls_a_minute``; ``at_once`` of them may come together."""

    def __init__(self, calls_a_minute: int = CALLS_A_MINUTE, at_once: int = AT_ONCE) -> None:
        self._pause = 60 / (calls_a_minute - at_once)
        self._lead = at_once * self._pause
        self._next = float("-inf")
        """When the next call would be due if all were spread evenly (monotonic seconds)."""

    def take(self) -> float:
        """Book a call; returns the seconds to wait before it."""
        now = time.monotonic()
        self._next = max(self._next, now) + self._pause
        return max(0.0, self._next - self._lead - now)


class QueueWatcher:
    """Lists all jobs with one name: at the shorter interval while somebody waits, at the longer one otherwise, and not
    at all while no job is watched. One call at a time, and never more of them in a minute than the budget has.

    If Slurm does not answer, the last snapshot stays, with its age, and ``error`` says why until Slurm answers again.
    """

    def __init__(
        self,
        client: Queue,
        name: str,
        *,
        waiting_seconds: float,
        idle_seconds: float,
        calls_a_minute: int = CALLS_A_MINUTE,
    ) -> None:
        self._client = client
        self._name = name
        self._budget = CallBudget(calls_a_minute)
        self._waiting_seconds = waiting_seconds
        self._idle_seconds = idle_seconds
        self._waiting = 0
        self._watched: dict[int, Watching] = {}
        self._wake = asyncio.Event()
        self._refresh: asyncio.Task[None] | None = None
        self._asking_since = float("-inf")
        """When the latest refresh was requested (monotonic seconds)."""
        self._places: dict[tuple[int, str], int] = {}
        self._places_at = float("-inf")
        self.snapshot = Snapshot()
        self.error: SlurmError | None = None
        self.silent_since: float | None = None
        """Wall-clock seconds of the last good answer, while ``error`` is set."""
        self.calls = 0
        """How often ``squeue`` was run (tests and metrics count it)."""

    def watch(self, job_id: int, on_news: Watching) -> None:
        """Call ``on_news`` when a job changes, until :meth:`unwatch`."""
        self._watched[job_id] = on_news

    def unwatch(self, job_id: int) -> None:
        self._watched.pop(job_id, None)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Use the shorter interval because somebody waits."""
        self._waiting += 1
        self._wake.set()
        try:
            yield
        finally:
            self._waiting -= 1

    async def run(self) -> None:
        """Refresh the queue until the task is cancelled."""
        while True:
            is_needed = bool(self._watched or self._waiting or self.error is not None)
            if is_needed and self._seconds_to_refresh() <= 0:
                await self._shared_refresh()
                if self._waiting and time.monotonic() - self._places_at >= PLACES_SECONDS:
                    await self._ask_places()
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._seconds_to_refresh() if is_needed else self._idle_seconds):
                    await self._wake.wait()

    def _seconds_to_refresh(self) -> float:
        """Until the queue is due, also counted from refreshes that others requested."""
        interval = self._waiting_seconds if self._waiting else self._idle_seconds
        return self._asking_since + interval - time.monotonic()

    async def turn(self) -> None:
        """Wait until the budget has another run of ``squeue``, and count it; the caller runs it then."""
        await asyncio.sleep(self._budget.take())
        self.calls += 1

    async def fresh(self, since: float) -> Snapshot | None:
        """A snapshot asked for not before ``since`` (monotonic seconds).

        None when Slurm could not be asked: nothing may be concluded then.
        """
        if self.snapshot.asked_at < since and self._asking_since < since and self._refresh is not None:
            await asyncio.shield(self._refresh)  # that call started too early; wait for the next one
        if self.snapshot.asked_at < since:
            await self._shared_refresh()
        return self.snapshot if self.snapshot.asked_at >= since else None

    def place(self, job: Job) -> int | None:
        """Place of a waiting job in the queue of its partition, counted from 1; None if not known."""
        return self._places.get((job.id, job.partition))

    async def _shared_refresh(self) -> None:
        if self._refresh is None or self._refresh.done():
            self._asking_since = time.monotonic()
            self._refresh = asyncio.create_task(self._ask())
        await asyncio.shield(self._refresh)

    async def _ask(self) -> None:
        await self.turn()
        asked_at = time.monotonic()
        try:
            jobs = {job.id: job for job in await self._client.queue(self._name)}
            if missing := self._watched.keys() - jobs.keys():  # forgotten by the controller, or renamed by their owner
                await self.turn()
                jobs |= {job.id: job for job in await self._client.jobs_of(sorted(missing))}
        except SlurmError as error:
            self._could_not_ask(error)
            return
        except Exception as error:  # a bug here must not end all servers
            log.exception("The queue could not be read")
            self._could_not_ask(SlurmError(f"The queue could not be read: {error}"))
            return
        if self.error is not None:
            log.info("The queue can be read again.")
        self.error = self.silent_since = None
        before, self.snapshot = self.snapshot, Snapshot(asked_at, jobs)
        self._tell(before)

    def _could_not_ask(self, error: SlurmError) -> None:
        if self.error is None:
            log.warning("The queue could not be read; what we know stays as it is: %s", error)
            age = min(time.monotonic() - self.snapshot.asked_at, time.monotonic())  # never asked: since we run
            self.silent_since = time.time() - age
        self.error = error

    def _tell(self, before: Snapshot) -> None:
        for job_id, on_news in list(self._watched.items()):
            job = self.snapshot.jobs.get(job_id)
            if job is None or job.is_over or job != before.jobs.get(job_id):
                try:
                    on_news(job)
                except Exception:
                    log.exception("News of job %i could not be delivered", job_id)

    async def _ask_places(self) -> None:
        """Read the order of the queue; a second call of ``squeue``, only while somebody waits."""
        self._places_at = time.monotonic()
        if not any(job_id in self._watched and job.state == "PENDING" for job_id, job in self.snapshot.jobs.items()):
            return
        try:
            await self.turn()
            self._places = places(await self._client.pending())
        except Exception as error:  # the queue itself is known; only the places are missing
            log.warning("The order of the queue could not be read: %s", error)


def places(pending: list[Pending]) -> dict[tuple[int, str], int]:
    """Place of each waiting job in each partition it waits for, counted from 1: by priority, then by number.

    A held job, which has no priority, has no place: it does not get its turn.
    """
    count: dict[str, int] = {}
    places = {}
    for job in sorted((job for job in pending if job.priority), key=lambda job: (-job.priority, job.id)):
        for partition in job.partitions:
            count[partition] = places[job.id, partition] = count.get(partition, 0) + 1
        if len(job.partitions) > 1:  # squeue prints the partitions that a job requests joined by commas
            places[job.id, ",".join(job.partitions)] = min(places[job.id, name] for name in job.partitions)
    return places
