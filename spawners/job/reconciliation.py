"""Rows of the ledger that are older than the Hub's own state: rebuilt from that state and Slurm's records.

The ledger is older than the present when its database was restored from a backup, or lost. A row's number may then
belong to another attempt, so that the random part of the job's comment (its nonce) tells which job is meant.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hub.servers import service
from hub.servers.models import Attempt, AttemptState
from hub.slurm import naming
from hub.slurm.jobs import Job, Phase
from hub.slurm.naming import JobComment
from spawners.job.site import Site

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HubRecord:
    """The Hub's own state of a server's attempt."""

    user: str
    server: str
    os_account: str
    attempt: int
    nonce: str = ""
    """Empty in states of earlier versions."""
    job_id: int | None = None
    port: int | None = None
    """The announced port; None before the server was ready."""
    began: datetime | None = None
    """When the job got the node on which the server was ready."""
    request: Mapping[str, Any] = field(default_factory=dict)

    def names(self, number: int, comment: JobComment | None) -> bool:
        """Whether the job with this number and comment is that of the attempt."""
        if comment is None or (comment.user, comment.server) != (self.user, self.server):
            return False
        if self.nonce:
            return comment.nonce == self.nonce
        return (number, comment.attempt) == (self.job_id, self.attempt)


async def row_of(site: Site, record: HubRecord) -> Attempt | None:
    """The row of an attempt, made current from the Hub's state and Slurm where it is older than these.

    :returns: None if the ledger has no row and Slurm no job of it that goes on.
    :raises LedgerUnavailable: the ledger does not answer.
    :raises SlurmError: Slurm does not answer, and the row is missing or older.
    """
    row = await site.ledger.run(
        service.find_server,
        gateway=site.settings.spawn.gateway,
        person=record.user,
        server=record.server,
        attempt=record.attempt,
        nonce=record.nonce,
        job_id=record.job_id,
    )
    if row is not None and not _is_behind(row, record):
        return row
    found_job = await _job_of(site, record)
    if found_job is None:
        return row
    job, comment = found_job
    log.warning("The ledger is older than job %i of %s; its row is rebuilt", job.id, record.user)
    return await site.ledger.run(
        service.rebuild,
        gateway=site.settings.spawn.gateway,
        person=record.user,
        os_account=record.os_account,
        server=record.server,
        request=dict(record.request),
        nonce=comment.nonce,
        row=None if row is None else row.id,
        job=job,
        state=_state(job, record),
        port=record.port,
    )


def _is_behind(row: Attempt, record: HubRecord) -> bool:
    """Whether the Hub knows of a later step of the attempt than its row."""
    if row.state in (AttemptState.READY, AttemptState.STOPPING, AttemptState.ENDED):
        return False
    return (record.port is not None and row.port is None) or (record.job_id is not None and row.job_id is None)


async def _job_of(site: Site, record: HubRecord) -> tuple[Job, JobComment] | None:
    """The attempt's job that has not ended, with its comment; None if Slurm has none."""
    name = naming.job_name(site.settings.spawn.gateway, naming.Kind.SERVER)
    await site.queue.turn()
    for number, text in (await site.slurm.named_jobs(name, record.os_account)).items():
        comment = naming.read(text, naming.Kind.SERVER)
        if comment is not None and record.names(number, comment):
            await site.queue.turn()
            job = await site.slurm.job(number)
            if job is not None and job.user == record.os_account and not job.is_over:
                return job, comment
    return None


def _state(job: Job, record: HubRecord) -> AttemptState:
    """A job that was requeued since its server was ready has to become ready again."""
    if job.phase is not Phase.RUNNING:
        return AttemptState.WAITING
    is_same_run = record.began is None or job.start is None or job.start <= record.began
    return AttemptState.READY if record.port is not None and is_same_run else AttemptState.STARTING
