"""The client with real jobs, accounts and nodes."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import psutil  # type: ignore[import-untyped]
import pytest

from hub.errors import SlurmError, SlurmUnavailable
from hub.settings import Slurm
from hub.slurm.client import SlurmClient
from hub.slurm.jobs import AccountUsage, Job, Minutes, Phase
from hub.slurm.queue import QueueWatcher
from tests.deployment import Deployment
from tests.slurm.conftest import ACCOUNT

pytestmark = pytest.mark.slurm

JOB_NAME = "test-notebook"


def script(*directives: str, account: str = ACCOUNT, command: str = "sleep 300") -> str:
    lines = [f"--job-name={JOB_NAME}", f"--account={account}", "--output=/dev/null", *directives]
    return "#!/bin/sh\n" + "".join(f"#SBATCH {line}\n" for line in lines) + command + "\n"


async def until(look: Callable[[], object], within: float = 30) -> object:
    """The first true answer of the coroutine function ``look``."""
    async with asyncio.timeout(within):
        while not (answer := await look()):  # type: ignore[misc]
            await asyncio.sleep(0.1)
    return answer


@pytest.fixture
async def account(slurm: SlurmClient, founder: str) -> str:
    await slurm.ensure_account(ACCOUNT, description="Green steel", cpu_minutes=6000, gpu_minutes=600)
    await slurm.ensure_members(ACCOUNT, [founder])
    return ACCOUNT


async def test_a_job_is_followed_from_submission_to_its_end(slurm: SlurmClient, account: str, founder: str) -> None:
    job_id = await slurm.submit(script(), user=founder, environment={})

    async def running() -> Job | None:
        return next(
            (job for job in await slurm.queue(JOB_NAME) if job.id == job_id and job.phase is Phase.RUNNING), None
        )

    job = await until(running)
    assert isinstance(job, Job)
    assert (job.user, await slurm.node_address(job.node)) == (founder, "127.0.0.1")

    await slurm.cancel(job_id, user=founder)

    async def over() -> bool:
        seen = await slurm.job(job_id)
        return (
            seen is not None
            and seen.phase is Phase.ENDED
            and job_id not in {job.id for job in await slurm.queue(JOB_NAME) if not job.is_over}
        )

    await until(over)
    await slurm.cancel(job_id, user=founder)  # once more is no error


async def test_an_array_of_the_same_name_blinds_nobody(slurm: SlurmClient, account: str, founder: str) -> None:
    await slurm.submit(script("--array=1-2", "--begin=now+1hour"), user=founder, environment={})
    job_id = await slurm.submit(script("--begin=now+1hour"), user=founder, environment={})

    assert job_id in {job.id for job in await slurm.queue(JOB_NAME)}


async def test_an_unknown_job_is_none(slurm: SlurmClient) -> None:
    assert await slurm.job(99_999_999) is None


async def test_accounts_are_made_once_and_their_hours_are_set(slurm: SlurmClient, account: str, founder: str) -> None:
    for minutes in (6000, 1200):
        await slurm.ensure_account(account, description="again", cpu_minutes=minutes, gpu_minutes=600)
        await slurm.ensure_members(account, [founder])
    assert account in {association.account for association in await slurm.associations() if association.user == founder}

    async def seen_by_the_controller() -> bool:
        usage = (await slurm.usage([account])).get(account)
        return usage is not None and usage == AccountUsage(Minutes(1200, usage.cpu.used), Minutes(600, usage.gpu.used))

    await until(seen_by_the_controller)


async def test_hours_are_a_hard_budget(slurm: SlurmClient, account: str, founder: str) -> None:
    await slurm.ensure_account(account, description="tiny", cpu_minutes=1, gpu_minutes=0)
    with pytest.raises(SlurmError) as refused:
        job_id = await slurm.submit(script("--time=10", "--cpus-per-task=4"), user=founder, environment={})

        async def barred() -> bool:
            return any(job.id == job_id and job.reason.startswith("AssocGrpCPU") for job in await slurm.queue(JOB_NAME))

        await until(barred)
        raise SlurmError("AssocGrpCPUMinutesLimit")
    assert not isinstance(refused.value, SlurmUnavailable)


@pytest.mark.parametrize(
    "directive",
    ["--account=nobody", "--partition=nowhere", "--time=99-0", "--cpus-per-task=4096", "--gres=gpu:64", "--qos=vip"],
)
async def test_a_refusal_is_not_unavailability(slurm: SlurmClient, account: str, founder: str, directive: str) -> None:
    with pytest.raises(SlurmError) as refused:
        await slurm.submit(script(directive), user=founder, environment={})
    assert not isinstance(refused.value, SlurmUnavailable), refused.value.message


async def test_gpus_by_count(slurm: SlurmClient, account: str, founder: str) -> None:
    await slurm.ensure_account(account, description="gpus", cpu_minutes=6000, gpu_minutes=600)

    async def granted() -> int:
        return await slurm.submit(script("--partition=gpu", "--gres=gpu:4", "--time=5"), user=founder, environment={})

    job_id = await granted()

    async def on_a_gpu_node() -> bool:
        return any(job.id == job_id and job.node.startswith("gpu") for job in await slurm.queue(JOB_NAME))

    await until(on_a_gpu_node)


async def test_a_silent_controller_changes_nothing(
    deployment: Deployment, slurm: SlurmClient, account: str, founder: str
) -> None:
    await slurm.ensure_account(account, description="", cpu_minutes=6000, gpu_minutes=600)
    job_id = await slurm.submit(script(), user=founder, environment={})
    impatient = SlurmClient(Slurm(conf=deployment.slurm_conf, deadline_seconds=2))
    watcher = QueueWatcher(impatient, JOB_NAME, waiting_seconds=0.1, idle_seconds=0.1)

    async def known() -> bool:
        snapshot = await watcher.fresh(time.monotonic())
        return snapshot is not None and job_id in snapshot.jobs

    await until(known)
    async with stopped(deployment, "slurmctld"):
        assert await watcher.fresh(time.monotonic()) is None
        assert job_id in watcher.snapshot.jobs
        with pytest.raises(SlurmUnavailable):
            await impatient.job(job_id)
    await until(known)


@asynccontextmanager
async def stopped(deployment: Deployment, program: str) -> AsyncIterator[None]:
    """A process that neither answers nor ends."""
    process = psutil.Process(deployment.processes()[program])
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)
