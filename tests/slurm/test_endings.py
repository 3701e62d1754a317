"""Real pending reasons, failures and refusals of Slurm, and their sentences."""

from __future__ import annotations

import asyncio
import pwd
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from hub.errors import SlurmError, SlurmUnavailable
from hub.servers.models import Ending
from hub.slurm import reasons
from hub.slurm.client import SlurmClient
from hub.slurm.jobs import Job, Phase
from hub.slurm.reasons import Whose
from spawners.job.diagnosis import Exit, Facts, Stage, diagnose
from tests.deployment import Deployment
from tests.slurm.conftest import ACCOUNT

pytestmark = pytest.mark.slurm

MORE_THAN_IT_ASKED_FOR = """exec /usr/bin/python3 -c '
import time
taken = bytearray(400 * 2**20)
taken[::4096] = b"1" * len(taken[::4096])
time.sleep(200)'"""
REQUEST = {"memory_gb": 1, "minutes": 1}


@pytest.fixture
async def account(slurm: SlurmClient, founder: str) -> str:
    await slurm.ensure_account(ACCOUNT, description="Green steel", cpu_minutes=6000, gpu_minutes=600)
    await slurm.ensure_members(ACCOUNT, [founder])
    return ACCOUNT


@pytest.fixture
def log() -> Iterator[Path]:
    path = Path(f"/tmp/atrium-endings-{uuid4().hex}.log")
    yield path
    path.unlink(missing_ok=True)


def script(command: str, *directives: str, output: object = "/dev/null") -> str:
    lines = [f"--account={ACCOUNT}", "--partition=batch", "--ntasks=1", "--mem=100M", f"--output={output}", *directives]
    return "#!/bin/sh\n" + "".join(f"#SBATCH {line}\n" for line in lines) + command + "\n"


async def until(look: Callable[[], Awaitable[Job | None]], within: float = 60) -> Job:
    async with asyncio.timeout(within):
        while (job := await look()) is None:
            await asyncio.sleep(0.1)
    return job


async def over(slurm: SlurmClient, job_id: int, within: float = 60) -> Job:
    """The job as the accounts tell it once it has ended, as the spawner asks for it."""

    async def look() -> Job | None:
        job = await slurm.past_job(job_id)
        return job if job is not None and job.phase is Phase.ENDED else None

    return await until(look, within)


async def running(slurm: SlurmClient, job_id: int) -> Job:
    async def look() -> Job | None:
        job = await slurm.job(job_id)
        return job if job is not None and job.phase is Phase.RUNNING else None

    return await until(look)


def facts(job: Job, log: Path | None = None, founder: str = "") -> Facts:
    log_tail = log.read_text() if log and log.exists() else ""
    uid = pwd.getpwnam(founder).pw_uid if founder else None
    return Facts(stage=Stage.RUNNING, job=job, log_tail=log_tail, request=REQUEST, uid=uid)


# -- endings ----------------------------------------------------------------------------------------------------------


async def test_a_job_over_its_memory_is_diagnosed(slurm: SlurmClient, account: str, founder: str, log: Path) -> None:
    text = script(MORE_THAN_IT_ASKED_FOR, "--time=5", "--acctg-freq=1", output=log)
    job = await over(slurm, await slurm.submit(text, user=founder, environment={}))
    verdict = diagnose(facts(job, log))
    assert verdict.ending is Ending.OUT_OF_MEMORY, job
    assert "2\u202fGB or more" in verdict.hint


async def test_a_job_past_its_end_time_is_diagnosed(
    deployment: Deployment, slurm: SlurmClient, account: str, founder: str, log: Path
) -> None:
    """A limit has whole minutes; the end of a running job can be moved to any second."""
    text = script("exec sleep 600", "--time=1", output=log)
    job_id = await slurm.submit(text, user=founder, environment={})
    await running(slurm, job_id)
    soon = datetime.now() + timedelta(seconds=1)
    deployment.run("scontrol", "update", f"jobid={job_id}", f"endtime={soon:%Y-%m-%dT%H:%M:%S}")
    job = await over(slurm, job_id, within=200)
    assert diagnose(facts(job)).ending is Ending.TIME_LIMIT, job
    assert "1\u202fmin" in diagnose(facts(job)).message
    assert diagnose(facts(Job(job.id, "FAILED", founder), log)).ending is Ending.TIME_LIMIT


async def test_a_node_that_goes_down_is_diagnosed(
    deployment: Deployment, slurm: SlurmClient, account: str, founder: str
) -> None:
    job_id = await slurm.submit(script("exec sleep 600", "--time=5"), user=founder, environment={})
    node = (await running(slurm, job_id)).node
    deployment.run("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    try:
        job = await over(slurm, job_id)
    finally:
        # It may have come back by itself (ReturnToService), which makes this a mistake.
        deployment.run("scontrol", "update", f"nodename={node}", "state=resume", check=False)
    verdict = diagnose(facts(job))
    assert verdict.ending is Ending.NODE_FAILED, job
    assert node in verdict.message


async def test_cancelling_by_an_admin_and_by_the_person_are_told_apart(
    deployment: Deployment, slurm: SlurmClient, account: str, founder: str
) -> None:
    messages = []
    for as_person in (False, True):
        job_id = await slurm.submit(script("exec sleep 600", "--time=5"), user=founder, environment={})
        await running(slurm, job_id)
        if as_person:
            await slurm.cancel(job_id, user=founder)
        else:
            deployment.run("scancel", str(job_id))
        verdict = diagnose(facts(await over(slurm, job_id), founder=founder))
        assert verdict.ending is Ending.CANCELLED
        messages.append(verdict.message)
    assert "administrator cancelled" in messages[0] and "your own account" in messages[1]


@pytest.mark.parametrize(
    ("command", "output", "ending"),
    [
        (f"exit {Exit.HOME_MISSING:d}", "/dev/null", Ending.HOME_MISSING),
        (f"exit {Exit.ENVIRONMENT_MISSING:d}", "/dev/null", Ending.ENVIRONMENT_MISSING),
        (f"exit {Exit.HUB_UNREACHABLE:d}", "/dev/null", Ending.HUB_UNREACHABLE),
        (f"exit {Exit.PORT_TAKEN:d}", "/dev/null", Ending.PORT_TAKEN),
        ("exec /nonexistent/bin/jupyterhub-singleuser", "/dev/null", Ending.ENVIRONMENT_MISSING),
        ("true", "/nonexistent/notebook.log", Ending.HOME_MISSING),
        ("kill -9 $$", "/dev/null", Ending.OUT_OF_MEMORY),
        ("kill -11 $$", "/dev/null", Ending.CRASHED),
        ("exit 3", "/dev/null", Ending.CRASHED),
        ("true", "/dev/null", Ending.FINISHED),
    ],
)
async def test_exit_codes_are_diagnosed(
    slurm: SlurmClient, account: str, founder: str, command: str, output: str, ending: Ending
) -> None:
    text = script(command, "--time=5", output=output)
    job = await over(slurm, await slurm.submit(text, user=founder, environment={}))
    assert diagnose(facts(job)).ending is ending, job


# -- waiting ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("directives", "whose"),
    [
        (["--begin=now+1hour"], Whose.TIME),
        (["--hold"], Whose.PERSON),
        (
            ["--partition=notebooks", "--exclusive"],
            Whose.PERSON,
        ),  # beside the first one: more cores than one person may
        (["--dependency=afterok:{first}"], Whose.TIME),
        (["--nodes=3", "--ntasks=3", "--exclusive"], Whose.TIME),
    ],
)
async def test_a_waiting_job_has_a_known_reason(
    slurm: SlurmClient, account: str, founder: str, directives: list[str], whose: Whose
) -> None:
    first = script("exec sleep 600", "--time=5", "--partition=notebooks", "--cpus-per-task=2")
    first_id = await slurm.submit(first, user=founder, environment={})
    await running(slurm, first_id)
    options = [directive.format(first=first_id) for directive in directives]
    job_id = await slurm.submit(script("true", "--time=5", *options), user=founder, environment={})

    async def looked_at() -> Job | None:
        job = await slurm.job(job_id)
        return job if job is not None and job.reason not in ("", "None") else None

    job = await until(looked_at)
    assert reasons.knows_reason(job.reason), job
    assert reasons.reason(job.reason).whose is whose, job


async def test_a_partition_that_is_down(deployment: Deployment, slurm: SlurmClient, account: str, founder: str) -> None:
    with closed(deployment, "batch"):
        job_id = await slurm.submit(script("true", "--time=5"), user=founder, environment={})

        async def looked_at() -> Job | None:
            job = await slurm.job(job_id)
            return job if job is not None and job.reason not in ("", "None") else None

        assert reasons.reason((await until(looked_at)).reason).whose is Whose.ADMIN


@contextmanager
def closed(deployment: Deployment, partition: str) -> Iterator[None]:
    deployment.run("scontrol", "update", f"partition={partition}", "state=down")
    try:
        yield
    finally:
        deployment.run("scontrol", "update", f"partition={partition}", "state=up")


# -- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("directive", "part"),
    [
        ("--time=99-0", "more time"),
        ("--account=nobody", "may not use this project"),
        ("--partition=nowhere", "no such partition"),
        ("--cpus-per-task=4096", "cores"),
        ("--gres=gpu:64", "No node of this partition"),
        ("--gres=nothing:1", "GPUs"),
        ("--qos=vip", "quality of service"),
        ("--mem=900G", "memory"),
        ("--reservation=none", "reservation"),
        ("--constraint=quantum", "No node matches"),
        ("--licenses=matlab:1", "licence"),
    ],
)
async def test_a_refused_directive_is_explained(
    slurm: SlurmClient, account: str, founder: str, directive: str, part: str
) -> None:
    words = await refused(slurm, founder, script("true", "--time=5", directive))
    assert part in words.means


async def test_a_limit_of_the_project_on_jobs(
    deployment: Deployment, slurm: SlurmClient, account: str, founder: str
) -> None:
    limit = ["sacctmgr", "--immediate", "modify", "account", "where", f"account={ACCOUNT}", "set"]
    deployment.run(*limit, "GrpSubmitJobs=0")
    try:
        words = await eventually_refused(slurm, founder)
    finally:
        deployment.run(*limit, "GrpSubmitJobs=-1")
    assert words.whose is Whose.PROJECT and "as many jobs" in words.means


async def eventually_refused(slurm: SlurmClient, founder: str) -> reasons.Words:
    """slurmdbd tells slurmctld of a new limit a moment later."""
    async with asyncio.timeout(30):
        while True:
            try:
                job_id = await slurm.submit(script("true", "--hold"), user=founder, environment={})
            except SlurmError as error:
                assert not isinstance(error, SlurmUnavailable)
                return reasons.refusal(error.message)
            await slurm.cancel(job_id, user=founder)
            await asyncio.sleep(0.1)


async def refused(slurm: SlurmClient, founder: str, text: str) -> reasons.Words:
    with pytest.raises(SlurmError) as raised:
        await slurm.submit(text, user=founder, environment={})
    assert not isinstance(raised.value, SlurmUnavailable)
    verdict = diagnose(Facts(stage=Stage.SUBMIT, refusal=raised.value.message))
    words = reasons.refusal(raised.value.message)
    assert (verdict.ending, verdict.message, verdict.hint) == (Ending.REFUSED, words.means, words.todo)
    return words
