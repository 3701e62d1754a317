"""Orphans: jobs of this gateway whose server is gone. They are reported, and cancelled after a time of grace.

Orphans appear after the database was restored from a backup or the Hub was killed. Workers of Dask clusters end with
their server; those that could not be cancelled then are found here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hub.errors import SlurmError
from hub.servers import service
from hub.servers.service import JobOwner
from hub.slurm import naming
from hub.slurm.jobs import Job
from hub.slurm.naming import JobComment
from spawners.job.site import Site

log = logging.getLogger(__name__)

ROUND_SECONDS = 60.0
SELDOM_SECONDS = 600.0
"""How old the last answer of the queue may be: the queue itself asks for nothing while no server is known."""


async def sweep_for_ever(site: Site) -> None:
    """Run a round every minute; a failed round is logged."""
    sweep = Sweep(site)
    while True:
        await asyncio.sleep(min(ROUND_SECONDS, site.settings.spawn.orphan_seconds or ROUND_SECONDS))
        try:
            await sweep.round()
            await sweep.round_of_workers()
        except Exception:
            log.exception("Looking for jobs without a server failed")


def is_orphan(comment: JobComment | None, os_account: str, owner: JobOwner | None) -> bool:
    """Whether a job of this gateway belongs to a server that is gone.

    Name and comment of a job prove nothing: anybody can give their own job the same ones.

    :param comment: None if it has no form of ours; such a job belongs to nobody here.
    :param os_account: the account that the job runs as.
    :param owner: from the row of the attempt that the comment names; None: there is no such row.
    """
    if comment is None:
        return False
    if owner is None or owner.nonce != comment.nonce:
        # The row was lost, or belongs to another attempt with the same number. Only the comment tells the owner then.
        return comment.user == os_account
    return owner.os_account == os_account and not owner.is_open


@dataclass
class Sweep:
    """Checks the jobs of a gateway for orphans, and remembers those of earlier rounds."""

    site: Site
    seen: dict[int, float] = field(default_factory=dict)
    """When each orphan was first seen (monotonic seconds)."""
    workers: dict[int, float] = field(default_factory=dict)
    """The same of workers of Dask clusters."""
    comments: dict[int, str] = field(default_factory=dict)
    """Comments of the workers that were in the queue in the last round."""
    recorded: set[tuple[str, int]] = field(default_factory=set)
    """Events in the audit trail, with the number of the attempt."""

    async def round(self) -> None:
        """Look for servers' jobs in the last answer of the queue; while all of them have rows, Slurm is not asked."""
        queue = self.site.queue
        snapshot = await queue.fresh(time.monotonic() - SELDOM_SECONDS)
        if queue.error is not None or snapshot is None:
            return
        known_jobs = await self.site.ledger.run(service.open_jobs, self.site.settings.spawn.gateway)
        suspects = [job for job in snapshot.jobs.values() if job.id not in known_jobs and not job.is_over]
        if suspects:  # the job and its server may have ended since squeue ran
            snapshot = await queue.fresh(time.monotonic())
            if snapshot is None:
                return
            suspects = [now for job in suspects if (now := snapshot.jobs.get(job.id)) and not now.is_over]
        self.seen = {number: at for number, at in self.seen.items() if number in {job.id for job in suspects}}
        for job in suspects:
            await self._check(job)

    async def round_of_workers(self) -> None:
        """Look for workers of Dask clusters: their comments name the attempt of their server."""
        name = naming.job_name(self.site.settings.spawn.gateway, naming.Kind.WORKER)
        try:
            await self.site.queue.turn()
            os_accounts = {job.id: job.user for job in await self.site.slurm.queue(name) if not job.is_over}
            comments = await self._comments_of_workers(name, os_accounts)
        except SlurmError as error:
            log.warning("Slurm does not list workers, so none without a server are looked for: %s", error)
            return
        owners = await self._owners(comments.values())
        orphans = {
            number: os_accounts[number]
            for number, comment in comments.items()
            if is_orphan(comment, os_accounts[number], owners.get(comment.attempt) if comment else None)
        }
        self.workers = {number: self.workers.get(number, time.monotonic()) for number in orphans}
        for number, os_account in orphans.items():
            if time.monotonic() - self.workers[number] < self.site.settings.spawn.orphan_seconds:
                continue
            try:
                await self.site.slurm.cancel(number, user=os_account)
            except SlurmError as error:
                log.warning("Slurm does not cancel worker %i, whose server is gone: %s", number, error)
            else:
                log.warning("The Hub cancels worker %i of %s, whose server is gone", number, os_account)

    async def _comments_of_workers(self, name: str, os_accounts: Mapping[int, str]) -> dict[int, JobComment | None]:
        """Comment of each job in ``os_accounts``.

        Comments are read once per job and separately for each account, because an account can forge comments of its own
        jobs only.
        """
        self.comments = {number: text for number, text in self.comments.items() if number in os_accounts}
        for account in sorted({os_accounts[number] for number in os_accounts.keys() - self.comments.keys()}):
            await self.site.queue.turn()
            texts = await self.site.slurm.named_jobs(name, account)
            self.comments |= {number: texts.get(number, "") for number in os_accounts if os_accounts[number] == account}
        return {number: self._read(text, naming.Kind.WORKER) for number, text in self.comments.items()}

    async def _check(self, job: Job) -> None:
        """Report a server's job without an open row, and cancel it after ``spawn.orphan_seconds``.

        A start whose job number is not stored yet is no orphan: the job's comment names its row.
        """
        name = naming.job_name(self.site.settings.spawn.gateway, naming.Kind.SERVER)
        try:
            await self.site.queue.turn()
            text = (await self.site.slurm.named_jobs(name, job.user)).get(job.id, "")
            comment = self._read(text, naming.Kind.SERVER)
            owners = await self._owners([comment])
            if not is_orphan(comment, job.user, owners.get(comment.attempt) if comment else None):
                return
            if job.id not in self.seen:
                self.seen[job.id] = time.monotonic()
                await self._report("orphan job found", job, text, owners)
            if time.monotonic() - self.seen[job.id] >= self.site.settings.spawn.orphan_seconds:
                await self.site.slurm.cancel(job.id, user=job.user)
                await self._report("orphan job cancelled", job, text, owners)
        except SlurmError as error:
            log.warning("Slurm does not answer about job %i, which has no server: %s", job.id, error)

    def _read(self, text: str, kind: naming.Kind) -> JobComment | None:
        """The parsed comment of a job of this gateway; None for other jobs."""
        comment = naming.read(text, kind)
        return comment if comment is not None and comment.gateway == self.site.settings.spawn.gateway else None

    async def _owners(self, comments: Iterable[JobComment | None]) -> dict[int, JobOwner]:
        attempts = {comment.attempt for comment in comments if comment is not None}
        return await self.site.ledger.run(service.job_owners, self.site.settings.spawn.gateway, attempts)

    async def _report(self, event: str, job: Job, text: str, owners: Mapping[int, JobOwner]) -> None:
        """Report an orphan in the log, and in the audit trail once for each attempt that the ledger knows.

        Anybody can give jobs comments of our form. What no attempt of the ledger confirms, or a second job with the
        comment of the same attempt, is no reason to write a row.
        """
        log.warning("%s: %i of %s (%s)", event, job.id, job.user, text)
        comment = self._read(text, naming.Kind.SERVER)
        owner = None if comment is None else owners.get(comment.attempt)
        if comment is None or owner is None or (owner.nonce, owner.os_account) != (comment.nonce, job.user):
            return
        if (event, comment.attempt) not in self.recorded:
            self.recorded.add((event, comment.attempt))
            await self.site.ledger.note(service.orphan, event, job, text)
