"""Ending a server's job: SIGTERM for the server, then cancel the job until Slurm says that it is over.

Nothing is sent to the server's address, so no token reaches whoever listens there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import repeat

from hub.errors import SlurmError, SlurmUnavailable
from hub.slurm import naming
from hub.slurm.jobs import Job, Phase
from hub.slurm.naming import JobComment
from spawners.job.site import Site

log = logging.getLogger(__name__)

GOODBYE_SECONDS = 10.0
"""How long a server may take after SIGTERM before its job is cancelled."""
PAUSES = (0.5, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
"""Seconds between tries, and before each look at the queue; the last one for ever."""
LOOK_SECONDS = 3.0
"""The longest of these pauses before a look at the queue, which many who stop share."""


async def end_job(site: Site, number: int, os_account: str, *, in_order: bool) -> Job | None:
    """End the job and return it once it has ended, however long that takes; None if Slurm no longer knows it.

    :param number: of a job that the queue watches, which it then finds under any name.
    :param in_order: whether its server is ready, so that kernels can end in order.
    """
    if in_order:
        with suppress(SlurmError, TimeoutError):
            await site.slurm.terminate(number, user=os_account)
            async with asyncio.timeout(GOODBYE_SECONDS):
                return await _wait_until_over(site, number)
    for pause in _pauses():
        try:
            await site.slurm.cancel(number, user=os_account)
        except SlurmError as error:  # perhaps because it is over: the queue says so
            log.warning("Job %i is not cancelled yet, trying again: %s", number, error)
        try:
            async with asyncio.timeout(max(5.0, pause)):
                return await _wait_until_over(site, number)
        except (SlurmError, TimeoutError) as error:
            log.warning("Job %i does not end yet, trying again: %s", number, error)
        await asyncio.sleep(pause)
    raise AssertionError("unreachable")


async def end_others(site: Site, os_account: str, own: JobComment) -> None:
    """End every job of a server except ``own``, and wait until Slurm says that they are over.

    :raises SlurmError: Slurm does not tell whether there are any.
    """
    name = naming.job_name(own.gateway, naming.Kind.SERVER)
    await site.queue.turn()
    for number, text in (await site.slurm.named_jobs(name, os_account)).items():
        comment = naming.read(text, naming.Kind.SERVER)
        if comment is None or comment == own or not comment.is_of_server(own):
            continue
        await site.queue.turn()
        job = await site.slurm.job(number)
        if job is not None and job.user == os_account and job.phase is not Phase.ENDED:
            log.warning("Job %i (%s) has no server; it is ended before its server starts again", number, text)
            await end_job(site, number, os_account, in_order=job.phase is Phase.RUNNING)


async def _wait_until_over(site: Site, number: int) -> Job | None:
    """Wait on the shared queue; only a job that has left the queue is looked up in accounting."""
    for pause in _pauses():
        await asyncio.sleep(min(pause, LOOK_SECONDS))
        snapshot = await site.queue.fresh(time.monotonic())
        if snapshot is None:
            raise SlurmUnavailable("Slurm does not answer.")
        job = snapshot.jobs.get(number) or await site.slurm.past_job(number)
        if job is None or job.phase is Phase.ENDED:
            return job
    raise AssertionError("unreachable")


def _pauses() -> Iterator[float]:
    yield from PAUSES
    yield from repeat(PAUSES[-1])
