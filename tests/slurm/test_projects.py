"""Projects on a real Slurm: what they may use, who leaves, when they end, and what they used."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from hub.errors import SlurmError, SlurmUnavailable
from hub.slurm.client import SlurmClient
from hub.slurm.jobs import Phase
from tests.deployment import Deployment
from tests.slurm.test_client import JOB_NAME, script, until

pytestmark = pytest.mark.slurm

ACCOUNT = "steel-7"
CALL = "call-playground"
PARTITIONS = ("notebooks", "gpu")


@pytest.fixture
async def project(deployment: Deployment, slurm: SlurmClient, founder: str) -> AsyncIterator[str]:
    await slurm.ensure_account(
        ACCOUNT, description="x", cpu_minutes=6000, gpu_minutes=600, parent=CALL, qos=("normal", "notebook", "gpu")
    )
    await slurm.ensure_members(ACCOUNT, [founder, deployment.person("colleague")], PARTITIONS)
    yield ACCOUNT
    deployment.run("scancel", "--quiet", f"--account={ACCOUNT}", check=False)


def associations(deployment: Deployment, fields: str) -> list[str]:
    argv = ["sacctmgr", "-nP", "show", "associations", f"account={ACCOUNT}", f"format={fields}"]
    return deployment.run(*argv).stdout.split()


async def running(slurm: SlurmClient, job_id: int) -> bool:
    return any(job.id == job_id and job.phase is Phase.RUNNING for job in await slurm.queue(JOB_NAME))


async def submit(slurm: SlurmClient, user: str, *directives: str) -> int:
    text = script(*directives, account=ACCOUNT)
    return await slurm.submit(text, user=user, environment={})


async def refused(slurm: SlurmClient, user: str, *directives: str) -> str:
    """The sentence of a refusal; a moment passes between slurmdbd's word and slurmctld's knowing it."""

    async def refusal() -> str:
        try:
            job_id = await submit(slurm, user, *directives, "--begin=now+1hour")
        except SlurmUnavailable:
            raise
        except SlurmError as error:
            return error.message
        await slurm.cancel(job_id, user=user)
        return ""

    return str(await until(refusal))


async def test_an_account_below_its_call_with_limits_partitions_and_qos(
    deployment: Deployment, slurm: SlurmClient, project: str, founder: str
) -> None:
    colleague = deployment.person("colleague")
    for _ in range(2):
        await slurm.ensure_members(project, [founder, colleague], PARTITIONS)
        await slurm.ensure_account(
            project, description="x", cpu_minutes=6000, gpu_minutes=600, parent=CALL, qos=("normal", "notebook", "gpu")
        )
    people = sorted(associations(deployment, "user,partition"))
    assert people == sorted(["|", *(f"{who}|{where}" for who in (founder, colleague) for where in PARTITIONS)])
    [own] = [row for row in associations(deployment, "user,parentname,grptresmins,qos") if row.startswith("|")]
    assert own == f"|{CALL}|cpu=6000,gres/gpu=600|gpu,normal,notebook"


async def test_only_the_partitions_of_the_project(slurm: SlurmClient, project: str, founder: str) -> None:
    job_id = await submit(slurm, founder, "--partition=notebooks", "--begin=now+1hour")
    assert job_id
    assert "partition" in (await refused(slurm, founder, "--partition=batch")).lower()
    assert "qos" in (await refused(slurm, founder, "--partition=notebooks", "--qos=transfer")).lower()


async def test_a_member_who_leaves_loses_running_jobs_and_access_at_once(
    deployment: Deployment, slurm: SlurmClient, project: str, founder: str
) -> None:
    colleague = deployment.person("colleague")
    theirs = await submit(slurm, colleague, "--partition=notebooks")
    other = await submit(slurm, founder, "--partition=notebooks")
    await until(lambda: running(slurm, theirs))

    async def gone() -> bool:
        try:
            await slurm.revoke(project, colleague)
        except SlurmUnavailable:
            raise
        except SlurmError:  # jobs are ending
            return False
        return True

    await until(gone)
    job = await slurm.job(theirs)
    assert job is not None
    assert job.is_over
    assert project not in await slurm.accounts_of(colleague)
    await refused(slurm, colleague, "--partition=notebooks")
    assert other in {job.id for job in await slurm.queue(JOB_NAME) if not job.is_over}, "others' jobs go on"
    await slurm.revoke(project, colleague)  # twice is once

    await slurm.ensure_members(project, [colleague], PARTITIONS)
    assert await submit(slurm, colleague, "--partition=notebooks", "--begin=now+1hour")


async def test_somebody_whose_default_account_it_is_can_leave(
    deployment: Deployment, slurm: SlurmClient, project: str, founder: str
) -> None:
    await slurm.ensure_account("steel-8", description="x", cpu_minutes=60, gpu_minutes=0)
    await slurm.ensure_members("steel-8", [founder])
    deployment.run("sacctmgr", "-i", "modify", "user", "where", f"name={founder}", "set", f"defaultaccount={project}")
    await slurm.revoke(project, founder)
    assert "steel-8" in await slurm.accounts_of(founder)
    assert project not in await slurm.accounts_of(founder)


async def test_who_was_barred_and_stays_after_all_is_admitted(
    deployment: Deployment, slurm: SlurmClient, project: str, founder: str
) -> None:
    where = ["where", f"name={founder}", f"account={project}"]
    deployment.run("sacctmgr", "-i", "modify", "user", *where, "set", "GrpSubmitJobs=0")
    await refused(slurm, founder, "--partition=notebooks")
    await slurm.ensure_members(project, [founder], PARTITIONS)
    assert await submit(slurm, founder, "--partition=notebooks", "--begin=now+1hour")


async def test_an_ended_project_takes_no_jobs_and_an_extended_one_does(
    slurm: SlurmClient, project: str, founder: str
) -> None:
    job_id = await submit(slurm, founder, "--partition=notebooks")
    await until(lambda: running(slurm, job_id))
    await slurm.ensure_account(project, description="x", cpu_minutes=6000, gpu_minutes=600, closed=True)
    await refused(slurm, founder, "--partition=notebooks")
    assert await running(slurm, job_id), "what runs may end by itself"
    await slurm.ensure_account(project, description="x", cpu_minutes=9000, gpu_minutes=600)
    assert await submit(slurm, founder, "--partition=notebooks", "--begin=now+1hour")


async def test_what_was_used_by_person_and_partition(slurm: SlurmClient, project: str, founder: str) -> None:
    await submit(slurm, founder, "--partition=gpu", "--gres=gpu:2", "--cpus-per-task=3", "--time=5")

    async def counted() -> bool:
        used = await slurm.used_on(datetime.now(UTC).date(), [project, "another"])
        share = next((share for share in used if share.partition == "gpu"), None)
        return share is not None and share.user == founder and used[share].cpu * 2 == used[share].gpu * 3

    await until(counted)
