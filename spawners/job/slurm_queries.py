"""Queries of :mod:`spawners.job.server_job` about one job; a missing answer never means that the job has ended."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace

from hub.errors import SlurmError
from hub.slurm import naming
from hub.slurm.jobs import Job, Phase
from hub.slurm.naming import JobComment
from hub.slurm.queue import Snapshot
from spawners.job.site import Site

log = logging.getLogger(__name__)

SETTLING_SECONDS = (1.0, 1.0, 2.0, 4.0, 8.0)
"""Pauses between questions about a job that is ending: it becomes over, or waits again."""
EXIT_CODE_SECONDS = (0.0, 0.3, 0.7)
"""Pauses between questions to accounting, which learns of an end a moment later."""


async def find_job(site: Site, os_account: str, comment: JobComment) -> int | None:
    """Number of the job with this comment, or None; retries until Slurm answers.

    ``sbatch`` may have submitted a job although its answer did not arrive, so "none" takes two answers, some seconds
    apart, after no ``sbatch`` of the account runs any more: one that outlives its deadline may submit late.
    """
    name = naming.job_name(comment.gateway, naming.Kind.SERVER)
    answers = 0
    with site.queue.waiting():  # it notices meanwhile whether Slurm answers
        while answers < 2:
            is_submitting = site.slurm.is_submitting(os_account)  # before the question: its job is in the answer then
            try:
                await site.queue.turn()
                jobs = await site.slurm.named_jobs(name, os_account)
            except SlurmError as error:
                log.warning("Slurm does not list the jobs of %s, asking again in a moment: %s", os_account, error)
            else:
                numbers = [number for number, text in jobs.items() if text == str(comment)]
                if numbers:
                    return max(numbers)
                answers = 0 if is_submitting else answers + 1
                if is_submitting:
                    log.warning("sbatch as %s has not answered and still runs; waiting for it", os_account)
            if answers < 2:
                await asyncio.sleep(site.settings.slurm.waiting_seconds)
    return None


async def current_job(site: Site, number: int, *, submitted_at: float) -> Job | None:
    """The current job; None if Slurm does not answer or does not know it yet.

    :param submitted_at: monotonic seconds; older snapshots of the queue do not count.
    """
    oldest = max(submitted_at, time.monotonic() - 2 * site.settings.slurm.idle_seconds)
    snapshot = await site.queue.fresh(oldest)
    return None if snapshot is None else await listed_job(site, number, snapshot)


async def listed_job(site: Site, number: int, snapshot: Snapshot) -> Job | None:
    """The job as in the queue; accounting says what became of one that is not listed. None if that does not answer or
    does not know it.

    The queue lists a job that it watches also under another name and after its end, so no further ``squeue`` is run.
    """
    if number in snapshot.jobs:
        return snapshot.jobs[number]
    try:
        return await site.slurm.past_job(number)
    except SlurmError as error:
        log.warning("Job %i is not in the queue, and Slurm does not say why: %s", number, error)
        return None


async def settled(site: Site, job: Job | None) -> Job | None:
    """The job after completing: ended or requeued. A job that takes too long counts as ended."""
    for pause in SETTLING_SECONDS:
        if job is None or job.phase is not Phase.ENDING:
            break
        await asyncio.sleep(pause)
        snapshot = await site.queue.fresh(time.monotonic())
        if snapshot is not None:
            job = await listed_job(site, job.id, snapshot) or job
    return job


async def node_address(site: Site, node: str) -> str:
    """Address of a node; "" after a pause if Slurm does not answer."""
    try:
        return await site.slurm.node_address(node)
    except SlurmError as error:
        log.warning("Slurm does not tell the address of %s, asking again in a moment: %s", node, error)
        await asyncio.sleep(site.settings.slurm.waiting_seconds)
        return ""


async def with_exit_code(site: Site, job: Job) -> Job:
    """The job with its exit code from accounting, if that knows it."""
    for pause in EXIT_CODE_SECONDS:
        await asyncio.sleep(pause)
        try:
            past_job = await site.slurm.past_job(job.id)
        except SlurmError:
            return job
        if past_job is not None and past_job.is_over:
            return replace(past_job, reason=job.reason)
    return job


async def home_check(site: Site, os_account: str) -> str:
    """What the system says about writing a file in the home; "" if that works, or if it could not be tried."""
    try:
        return await site.slurm.home_check(user=os_account)
    except SlurmError as error:
        log.info("Writing in the home of %s could not be tried: %s", os_account, error)
        return ""


async def log_tail(site: Site, server: str, os_account: str) -> str:
    """The last lines of the log of a server's job; "" when they cannot be read."""
    try:
        return await site.slurm.job_log(server, user=os_account)
    except SlurmError as error:
        log.info("The log of server %r of %s cannot be read: %s", server, os_account, error)
        return ""
