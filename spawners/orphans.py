"""Jobs of this gateway that no server owns: reported, and cancelled after a time of grace.

They come about when something was lost on the way: a database restored from a backup, a Hub killed at a bad moment.
Workers of Dask clusters belong to a server, too: they end with it, and those that could not be told to are found here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field

from hub.errors import SlurmError
from hub.servers import service
from hub.slurm.jobs import Job
from spawners import script
from spawners.dask.place import job_name as dask_job_name
from spawners.site import Site

log = logging.getLogger(__name__)

ROUND_SECONDS = 60.0


async def sweep_for_ever(site: Site) -> None:
    """One round a minute; a round that fails says so and the next one comes."""
    sweep = Sweep(site)
    while True:
        await asyncio.sleep(min(ROUND_SECONDS, site.settings.spawn.orphan_seconds or ROUND_SECONDS))
        try:
            await sweep.round()
            await sweep.round_of_workers()
        except Exception:
            log.exception("Looking for jobs without a server failed")


@dataclass
class Sweep:
    site: Site
    seen: dict[int, float] = field(default_factory=dict)
    """When each orphan was first seen (monotonic seconds)."""
    workers: dict[int, float] = field(default_factory=dict)
    """The same of workers of Dask clusters."""

    async def round(self) -> None:
        """Look at the last answer of the queue; the sweep causes no question of its own while there is no orphan."""
        snapshot = self.site.queue.snapshot
        if self.site.queue.error is not None or not snapshot.jobs:
            return
        gateway = self.site.settings.spawn.gateway
        owned = await self.site.ledger.run(service.open_jobs, gateway)
        suspects = [job for job in snapshot.jobs.values() if job.id not in owned.jobs and not job.is_over]
        self.seen = {number: at for number, at in self.seen.items() if number in {job.id for job in suspects}}
        for job in suspects:
            await self._look_at(job, owned.attempts)

    async def round_of_workers(self) -> None:
        """The same for workers of Dask clusters, by one question for everybody: their comment names the attempt of
        the server they belong to."""
        gateway = self.site.settings.spawn.gateway
        try:
            jobs = await self.site.slurm.said_jobs(dask_job_name(gateway))
        except SlurmError as error:
            log.warning("Workers without a server could not be looked for: %s", error)
            return
        owned = await self.site.ledger.run(service.open_jobs, gateway)
        homeless = {
            number: user
            for number, (user, comment) in jobs.items()
            if (attempt := _attempt(comment.rpartition(":")[0], gateway, user)) is not None
            and attempt not in owned.attempts
        }
        self.workers = {number: self.workers.get(number, time.monotonic()) for number in homeless}
        for number, user in homeless.items():
            if time.monotonic() - self.workers[number] < self.site.settings.spawn.orphan_seconds:
                continue
            try:
                await self.site.slurm.cancel(number, user=user)
            except SlurmError as error:
                log.warning("Worker %i without a server could not be cancelled: %s", number, error)
            else:
                log.warning("Job %i of %s worked for a server that is gone and was cancelled", number, user)

    async def _look_at(self, job: Job, attempts: frozenset[int]) -> None:
        """The name alone proves nothing: anybody can call a job like ours. Its comment names the attempt, and a start
        whose job's number is not written yet is nobody's orphan."""
        gateway = self.site.settings.spawn.gateway
        try:
            comment = (await self.site.slurm.named_jobs(script.job_name(gateway), job.user)).get(job.id, "")
            attempt = _attempt(comment, gateway, job.user)
            if attempt is None or attempt in attempts:
                return
            first = self.seen.setdefault(job.id, time.monotonic())
            if time.monotonic() - first < self.site.settings.spawn.orphan_seconds:
                log.warning("Job %i of %s belongs to no server (%s)", job.id, job.user, comment)
                return
            await self.site.slurm.cancel(job.id, user=job.user)
            log.warning("Job %i of %s belonged to no server and was cancelled (%s)", job.id, job.user, comment)
        except SlurmError as error:
            log.warning("Job %i without a server could not be looked at: %s", job.id, error)


def _attempt(comment: str, gateway: str, user: str) -> int | None:
    """Number of the attempt that a job of ``user`` says it is."""
    words = comment.split(":")
    if len(words) != 4 or words[:2] != [gateway, user] or not words[3].isdigit():
        return None
    return int(words[3])
