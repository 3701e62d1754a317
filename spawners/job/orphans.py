"""Orphans: jobs of this gateway whose server is gone. They are reported, and cancelled after a time of grace.

Orphans appear after the database was restored from a backup or the Hub was killed. Workers of Dask clusters end with
their server; those that could not be cancelled then are found here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from hub.errors import SlurmError, SlurmUnavailable
from hub.language import translate
from hub.servers import service
from hub.servers.models import Attempt, Ending, Verdict
from hub.servers.service import JobOwner
from hub.slurm import naming
from hub.slurm.jobs import Job, Phase
from hub.slurm.naming import JobComment
from spawners.job.site import Site
from spawners.job.strays import Stray

log = logging.getLogger(__name__)

ROUND_SECONDS = 60.0
SELDOM_SECONDS = 600.0
"""How old the last answer of the queue may be: the queue itself asks for nothing while no server is known."""


FORGOTTEN_AFTER = timedelta(minutes=10)
"""Age of an attempt that no server follows, before its row may be closed."""


@dataclass(frozen=True)
class Followed:
    """Attempts and job numbers of the servers that the Hub follows."""

    attempts: frozenset[int]
    jobs: frozenset[int]


async def sweep_for_ever(site: Site, followed: Callable[[], Followed]) -> None:
    """Run a round at once and then every minute; a failed round is logged."""
    sweep = Sweep(site, followed)
    while True:
        for look in (sweep.round, sweep.round_of_workers):
            try:
                await look()
            except Exception:
                log.exception("Looking for jobs without a server failed")
        await asyncio.sleep(min(ROUND_SECONDS, site.settings.spawn.orphan_seconds or ROUND_SECONDS))


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
    followed: Callable[[], Followed] | None = None
    """Returns what the Hub follows. An open row that it does not follow has no server: the Hub's own database may be
    older than the ledger. None: every open row has a server."""
    seen: dict[int, float] = field(default_factory=dict)
    """When each orphan was first seen (monotonic seconds)."""
    workers: dict[int, float] = field(default_factory=dict)
    """The same of workers of Dask clusters."""
    comments: dict[int, str] = field(default_factory=dict)
    """Comments of the workers that were in the queue in the last round."""
    notebooks: dict[int, str] = field(default_factory=dict)
    """The same of notebooks that the Hub does not follow."""
    recorded: set[tuple[str, int]] = field(default_factory=set)
    """Events in the audit trail, with the number of the attempt."""

    async def round(self) -> None:
        """Look for servers' jobs in the last answer of the queue; while all of them have rows, Slurm is not asked."""
        queue = self.site.queue
        snapshot = await queue.fresh(time.monotonic() - SELDOM_SECONDS)
        if queue.error is not None or snapshot is None:
            return
        attempts = await self.site.ledger.run(service.open_attempts, self.site.settings.spawn.gateway)
        followed = self._follows(attempts)
        suspects = [job for job in snapshot.jobs.values() if job.id not in followed.jobs and not job.is_over]
        if suspects:  # the job and its server may have ended since squeue ran
            snapshot = await queue.fresh(time.monotonic())
            if snapshot is None:
                return
            listed = (snapshot.jobs.get(job.id) for job in suspects)
            suspects = [job for job in listed if job is not None and not job.is_over]
        numbers = {job.id for job in suspects}
        self.seen = {number: at for number, at in self.seen.items() if number in numbers}
        strays = self.site.strays
        strays.jobs = {number: stray for number, stray in strays.jobs.items() if number in numbers}
        name = naming.job_name(self.site.settings.spawn.gateway, naming.Kind.SERVER)
        try:
            self.notebooks = await self._comments(name, {job.id: job.user for job in suspects}, self.notebooks)
        except SlurmError as error:
            log.warning("Slurm does not list notebooks, so none without a server are looked for: %s", error)
            return
        for job in suspects:
            if job.id in self.notebooks:
                await self._check(job, self.notebooks[job.id])
        for attempt in attempts:
            if attempt.id not in followed.attempts and attempt.job_id not in numbers:
                await self._close(attempt)
        strays.unchecked = False

    def _follows(self, attempts: Iterable[Attempt]) -> Followed:
        """The open attempts that have a server, and the numbers of their jobs and of all that the Hub follows."""
        hub = None if self.followed is None else self.followed()
        followed = [attempt for attempt in attempts if hub is None or attempt.id in hub.attempts]
        jobs = {attempt.job_id for attempt in followed if attempt.job_id is not None}
        return Followed(frozenset(attempt.id for attempt in followed), frozenset(jobs | (hub.jobs if hub else set())))

    async def _close(self, attempt: Attempt) -> None:
        """Close the row of an attempt without a server, whose job Slurm does not have any more."""
        if datetime.now(UTC) - attempt.created < FORGOTTEN_AFTER:
            return
        try:
            job = None if attempt.job_id is None else await self._job(attempt.job_id)
        except SlurmError as error:
            log.warning("Slurm does not answer about attempt %i, which has no server: %s", attempt.id, error)
            return
        if job is None or job.phase is Phase.ENDED:
            message = translate("Atrium lost its record of this notebook. Its job has ended.")
            verdict = Verdict(ending=Ending.CANCELLED, message=message)
            await self.site.ledger.note(service.ended, attempt.id, verdict, job)

    async def _job(self, number: int) -> Job | None:
        await self.site.queue.turn()
        return await self.site.slurm.job(number)

    async def round_of_workers(self) -> None:
        """Look for workers of Dask clusters: their comments name the attempt of their server."""
        name = naming.job_name(self.site.settings.spawn.gateway, naming.Kind.WORKER)
        try:
            await self.site.queue.turn()
            os_accounts = {job.id: job.user for job in await self.site.slurm.queue(name) if not job.is_over}
            self.comments = await self._comments(name, os_accounts, self.comments)
        except SlurmError as error:
            log.warning("Slurm does not list workers, so none without a server are looked for: %s", error)
            return
        comments = {number: self._read(text, naming.Kind.WORKER) for number, text in self.comments.items()}
        owners = await self._owners(comments.values())
        orphans = {
            number: os_accounts[number]
            for number, comment in comments.items()
            if is_orphan(comment, os_accounts[number], owners.get(comment) if comment else None)
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

    async def _comments(self, name: str, os_accounts: Mapping[int, str], known: Mapping[int, str]) -> dict[int, str]:
        """Comment of each job in ``os_accounts``, without those of accounts that Slurm refuses.

        Comments are read once per job and separately for each account, because an account can forge comments of its own
        jobs only.

        :param known: comments by the number of the job, as read before.
        """
        comments = {number: text for number, text in known.items() if number in os_accounts}
        for account in sorted({os_accounts[number] for number in os_accounts.keys() - comments.keys()}):
            await self.site.queue.turn()
            try:
                texts = await self.site.slurm.named_jobs(name, account)
            except SlurmUnavailable:
                raise
            except SlurmError as error:  # as of an account that the machine of the controller does not know
                log.warning("Slurm does not list the comments of the jobs of %s: %s", account, error)
                continue
            comments |= {number: texts.get(number, "") for number in os_accounts if os_accounts[number] == account}
        return comments

    async def _check(self, job: Job, text: str) -> None:
        """Report a server's job without an open row, and cancel it after ``spawn.orphan_seconds``.

        A start whose job number is not stored yet is no orphan: the job's comment names its row.

        :param text: the job's comment.
        """
        try:
            comment = self._read(text, naming.Kind.SERVER)
            owners = await self._owners([comment])
            if comment is None or not is_orphan(comment, job.user, owners.get(comment)):
                return
            self._show(job, comment)
            if job.id not in self.seen:
                self.seen[job.id] = time.monotonic()
                await self._report("orphan job found", job, text, owners)
            if time.monotonic() - self.seen[job.id] >= self.site.settings.spawn.orphan_seconds:
                await self.site.slurm.cancel(job.id, user=job.user)
                await self._report("orphan job cancelled", job, text, owners)
        except SlurmError as error:
            log.warning("Slurm does not answer about job %i, which has no server: %s", job.id, error)
        except Exception:
            log.exception("Job %i, which may have no server, could not be checked", job.id)

    def _read(self, text: str, kind: naming.Kind) -> JobComment | None:
        """The parsed comment of a job of this gateway; None for other jobs."""
        comment = naming.read(text, kind)
        return comment if comment is not None and comment.gateway == self.site.settings.spawn.gateway else None

    async def _owners(self, comments: Iterable[JobComment | None]) -> dict[JobComment, JobOwner]:
        """Owners by comment; what the Hub does not follow counts as closed."""
        distinct = {comment for comment in comments if comment is not None}
        owners = await self.site.ledger.run(service.job_owners, self.site.settings.spawn.gateway, distinct)
        if self.followed is None:
            return owners
        attempts = self.followed().attempts
        return {
            comment: replace(owner, is_open=owner.is_open and owner.attempt in attempts)
            for comment, owner in owners.items()
        }

    def _show(self, job: Job, comment: JobComment) -> None:
        """Let pages show the job to the person and to admins."""
        if job.id not in self.site.strays.jobs:
            ends = datetime.now(UTC) + timedelta(seconds=self.site.settings.spawn.orphan_seconds)
            self.site.strays.jobs[job.id] = Stray(comment.user, comment.server, job, ends)

    async def _report(self, event: str, job: Job, text: str, owners: Mapping[JobComment, JobOwner]) -> None:
        """Report an orphan in the log, and in the audit trail once for each attempt that the ledger knows.

        Anybody can give jobs comments of our form. What no attempt of the ledger confirms, or a second job with the
        comment of the same attempt, is no reason to write a row.
        """
        log.warning("%s: %i of %s (%s)", event, job.id, job.user, text)
        comment = self._read(text, naming.Kind.SERVER)
        owner = None if comment is None else owners.get(comment)
        if comment is None or owner is None or (owner.nonce, owner.os_account) != (comment.nonce, job.user):
            return
        if (event, comment.attempt) not in self.recorded:
            self.recorded.add((event, comment.attempt))
            await self.site.ledger.note(service.orphan, event, job, text)
