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
from hub.slurm import naming
from hub.slurm.jobs import Job
from spawners.job.site import Site

log = logging.getLogger(__name__)

ROUND_SECONDS = 60.0
SELDOM_SECONDS = 600.0
"""How old the last answer of the queue may be: the queue itself asks for nothing while no server is known."""


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
        """Look at the last answer of the queue; while servers run and nothing is suspect that costs no question."""
        queue = self.site.queue
        snapshot = await queue.fresh(time.monotonic() - SELDOM_SECONDS)
        if queue.error is not None or snapshot is None:
            return
        owned = await self.site.ledger.run(service.open_jobs, self.site.settings.spawn.gateway)
        suspects = [job for job in snapshot.jobs.values() if job.id not in owned.jobs and not job.is_over]
        if suspects:  # it may have ended, and its server with it, since the queue was asked
            snapshot = await queue.fresh(time.monotonic())
            if snapshot is None:
                return
            suspects = [now for job in suspects if (now := snapshot.jobs.get(job.id)) and not now.is_over]
        self.seen = {number: at for number, at in self.seen.items() if number in {job.id for job in suspects}}
        for job in suspects:
            await self._look_at(job, owned.attempts)

    async def round_of_workers(self) -> None:
        """The same for workers of Dask clusters, by one question for everybody: their comment names the attempt of
        the server they belong to."""
        gateway = self.site.settings.spawn.gateway
        try:
            jobs = await self.site.slurm.jobs_with_comments(naming.job_name(gateway, naming.Kind.WORKER))
        except SlurmError as error:
            log.warning("Workers without a server could not be looked for: %s", error)
            return
        owned = await self.site.ledger.run(service.open_jobs, gateway)
        homeless = {
            number: user
            for number, (user, comment) in jobs.items()
            if (attempt := naming.attempt_in(naming.server_of_worker(comment), gateway, user)) is not None
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
            name = naming.job_name(gateway, naming.Kind.SERVER)
            comment = (await self.site.slurm.named_jobs(name, job.user)).get(job.id, "")
            attempt = naming.attempt_in(comment, gateway, job.user)
            if attempt is None or attempt in attempts:
                return
            if job.id not in self.seen:
                self.seen[job.id] = time.monotonic()
                await self._tell("orphan job found", job, comment)
            if time.monotonic() - self.seen[job.id] >= self.site.settings.spawn.orphan_seconds:
                await self.site.slurm.cancel(job.id, user=job.user)
                await self._tell("orphan job cancelled", job, comment)
        except SlurmError as error:
            log.warning("Job %i without a server could not be looked at: %s", job.id, error)

    async def _tell(self, what: str, job: Job, comment: str) -> None:
        """In the log, and in the audit trail that admins read."""
        log.warning("%s: %i of %s (%s)", what, job.id, job.user, comment)
        await self.site.ledger.note(service.orphan, what, job, comment)
