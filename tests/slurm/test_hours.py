"""Hours of a day compared with Slurm's own records, run by run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hub.slurm.client import SlurmClient
from hub.slurm.jobs import Job, Phase
from tests.deployment import Deployment
from tests.slurm.conftest import ACCOUNT
from tests.slurm.test_client import JOB_NAME, account, script, until

pytestmark = pytest.mark.slurm
__all__ = ["account"]


async def test_every_run_of_a_requeued_job_counts(
    deployment: Deployment, slurm: SlurmClient, account: str, founder: str
) -> None:
    today = datetime.now(UTC).date()
    number = await slurm.submit(script("--requeue", "--cpus-per-task=2"), user=founder, environment={})

    async def running() -> Job | None:
        jobs = await slurm.queue(JOB_NAME)
        return next((job for job in jobs if job.id == number and job.phase is Phase.RUNNING), None)

    async def runs() -> list[int]:
        argv = ("sacct", "-nPXD", f"--jobs={number}", "--format=ElapsedRaw")
        return [int(line) for line in deployment.run(*argv).stdout.split()]

    await until(running)

    async def has_run_for_two_seconds() -> bool:
        return max(await runs(), default=0) >= 2

    await until(has_run_for_two_seconds)
    deployment.run("scontrol", "requeue", str(number))

    async def has_second_run() -> bool:
        return len(await runs()) >= 2

    await until(has_second_run)
    deployment.run("scancel", str(number))

    async def is_over() -> bool:
        job = await slurm.past_job(number)
        return job is not None and job.phase is Phase.ENDED

    await until(is_over, within=60)
    elapsed = await runs()
    assert elapsed[0] >= 2
    days = [await slurm.used_on(day, [ACCOUNT]) for day in (today, today + timedelta(days=1))]
    used = sum(seconds.cpu for shares in days for share, seconds in shares.items() if share.user == founder)
    argv = ("sacct", "-nPXD", f"--user={founder}", f"--accounts={ACCOUNT}", f"--starttime={today:%Y-%m-%d}")
    text = deployment.run(*argv, "--format=ElapsedRaw,AllocCPUS").stdout
    rows = [[int(value or 0) for value in line.split("|")] for line in text.splitlines()]
    assert used == sum(seconds * cores for seconds, cores in rows)
