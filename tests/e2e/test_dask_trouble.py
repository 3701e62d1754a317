"""Failures of clusters on a real Slurm: each has a message with a hint, and no worker stays."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from hub.slurm.client import SlurmClient
from tests.deployment import Deployment
from tests.e2e.managing import changed, go_on, job, next_words, no_worker_is_left, reported_values
from tests.polling import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400, func_only=True)]

POOR = "poor"


@pytest.fixture
def founder(deployment: Deployment) -> str:
    return deployment.person("founder")


def test_more_than_is_allowed_is_cut_with_the_reason(deployment: Deployment, founder: str) -> None:
    values = reported_values(
        deployment,
        founder,
        """
from hub.errors import SlurmError
async def main():
    manager = await managing()
    offer = await manager.offer()
    tell(places=[place.model_dump() for place in offer.places], seconds=offer.seconds_left)
    gpu = Shape(memory_gb=1, gpus=1, partition="gpu")
    estimate = await manager.estimate(gpu, Size.fixed(9))
    tell(workers=estimate.workers, reason=estimate.reason, start=estimate.start is not None)
    managed = await manager.create(ClusterRequest(shape=gpu, size=Size.fixed(9)))
    tell(got=managed.size.maximum, trouble=managed.trouble.message)
    await manager.end_all()
    for wrong in (Shape(memory_gb=16000), Shape(partition="nowhere")):
        try:
            await manager.create(ClusterRequest(shape=wrong, size=Size.fixed(1)))
        except SlurmError as error:
            tell(**{wrong.partition or "memory": error.message, "left": len(manager.clusters)})
asyncio.run(main())
""",
    )

    assert next(place["partition"] for place in values["places"]) == "batch"
    assert 0 < values["seconds"] <= 20 * 60
    assert (values["workers"], values["got"]) == (4, 4)
    assert "gives one person 4 GPUs" in values["reason"]
    assert values["trouble"] == values["reason"]
    assert values["start"]
    assert "memory" in values["memory"]
    assert "partition" in values["nowhere"]
    assert values["left"] == 0


def test_workers_that_die_at_their_start_are_not_started_for_ever(deployment: Deployment, founder: str) -> None:
    values = reported_values(
        deployment,
        founder,
        """
async def main():
    manager = await managing()
    make = manager._make
    def broken(*args, **options):
        cluster = make(*args, **options)
        cluster._job_kwargs["job_script_prologue"] = ["echo the disk is full >&2; exit 3"]
        return cluster
    manager._make = broken
    rounds = asyncio.create_task(Supervisor(manager).run())
    managed = await manager.create(ClusterRequest(shape=Shape(memory_gb=1), size=Size.fixed(2)))
    await until(lambda: managed.paused, 90)
    tell(message=managed.trouble.message, log=managed.trouble.log)
    rounds.cancel(); await manager.end_all()
asyncio.run(main())
""",
    )

    assert "right after their start" in values["message"]
    assert "the disk is full" in values["log"]


def test_workers_of_a_killed_scheduler_end_and_are_reported(deployment: Deployment, founder: str) -> None:
    values = reported_values(
        deployment,
        founder,
        """
child = '''
import asyncio, os, time
from hub.dask.models import ClusterRequest, Shape, Size
from spawners.dask.manager import Manager
from spawners.node.job_context import JobContext
async def main():
    manager = Manager(JobContext.from_environment())
    await manager.job.ask_end()
    managed = await manager.create(ClusterRequest(shape=Shape(memory_gb=1), size=Size.fixed(2)))
    while len(managed.cluster.scheduler.workers) < 2:
        await asyncio.sleep(0.2)
    os.kill(os.getpid(), 9)
asyncio.run(main())
'''
import subprocess, sys
subprocess.run([sys.executable, "-P", "-c", child])
async def main():
    manager = await managing()
    await manager.clean_up()
    tell(news=manager.news.message, hint=manager.news.hint)
asyncio.run(main())
""",
    )

    assert "dask-1 was ended from outside" in values["news"]


def test_workers_wait_for_a_partition_that_is_down_and_say_why(deployment: Deployment, founder: str) -> None:
    body = """
async def main():
    manager = await managing()
    rounds = asyncio.create_task(Supervisor(manager).run())
    estimate = await manager.estimate(Shape(memory_gb=1), Size.fixed(1))
    managed = await manager.create(ClusterRequest(shape=Shape(memory_gb=1), size=Size.fixed(1)))
    def words():
        return next((w.words for w in managed.view(context).workers if "switched off" in w.words), "")
    tell(words=await until(words), estimate=estimate.refusal and estimate.refusal.message)
    await heard()
    await until(lambda: working(managed))
    tell(words="".join(worker.words for worker in managed.view(context).workers))
    rounds.cancel(); await manager.end_all()
asyncio.run(main())
"""
    partition = f"partitionname={deployment.settings.slurm.dask_partition}"
    with job(deployment, founder, body) as process:
        down, up = (f"scontrol update {partition} state={state}" for state in ("down", "up"))
        with changed(deployment, down, up):
            values = next_words(process)
        go_on(process)
        after = next_words(process)
        process.communicate(timeout=60)
        no_worker_is_left(deployment, founder)

    assert (
        values["words"]
        == "This partition is switched off. Cancel it and choose another partition or quality of service."
    )
    assert after["words"] == ""


def test_a_project_limit_is_reported_and_not_retried_every_second(deployment: Deployment, founder: str) -> None:
    """Slurm refuses at submission; an adaptive cluster with work for more would ask for ever."""
    account = deployment.settings.slurm.default_account
    modify = f"sacctmgr --immediate modify user {founder} where account={account} set GrpSubmitJobs="
    body = """
async def main():
    await heard()
    manager = await managing()
    managed = await manager.create(ClusterRequest(shape=Shape(memory_gb=1), size=Size.fixed(3)))
    await until(lambda: working(managed))
    trouble = managed.view(context).trouble
    tell(message=trouble.message, hint=trouble.hint, jobs=len(managed.cluster.jobs))
    asked = []
    submit = slurm.submit
    async def counted(script):
        asked.append(1)
        return await submit(script)
    slurm.submit = counted
    await manager.change(managed.name, ClusterChange(size=Size(minimum=1, maximum=4)))
    client = await Client(managed.cluster, asynchronous=True)
    futures = client.map(lambda x: (time.sleep(0.5), x)[1], range(20), pure=False)
    await until(lambda: managed.trouble)
    refused = len(asked)
    tell(sum=sum(await client.gather(futures)), refused=refused, asked=len(asked))
    await client.close(); await manager.end_all()
asyncio.run(main())
"""
    with job(deployment, founder, body) as process:
        eventually(lambda: deployment.squeue(f"--user={founder}", "--state=RUNNING"), within=60, what="the job runs")
        known = ("scontrol", "show", "assoc_mgr", f"users={founder}", "flags=assoc")
        with changed(deployment, f"{modify}2", f"{modify}-1"):
            eventually(lambda: "GrpSubmitJobs=2(" in deployment.run(*known).stdout, within=30, what="Slurm knows")
            go_on(process)
            fixed, adaptive = next_words(process), next_words(process)
            process.communicate(timeout=60)
        no_worker_is_left(deployment, founder)

    assert fixed["message"] == "The project has as many jobs waiting as it may."
    assert fixed["hint"].startswith("Try again when one of them has ended, or ask for less.")
    assert fixed["hint"].endswith("1 of 3 workers were taken.")
    assert fixed["jobs"] == 1
    assert adaptive["sum"] == sum(range(20))
    assert adaptive["asked"] == adaptive["refused"] <= 3


@pytest.fixture
def poor(deployment: Deployment, founder: str) -> str:
    """An account of the person with ten minutes on one core."""

    async def make() -> None:
        client = SlurmClient(deployment.settings.slurm)
        await client.ensure_account(POOR, description="Nearly nothing", cpu_minutes=10, gpu_minutes=0)
        await client.ensure_members(POOR, [founder])

    with ThreadPoolExecutor(1) as thread:  # the browser's driver may have a loop running in this one
        thread.submit(lambda: asyncio.run(make())).result()
    return POOR


def test_used_up_hours_are_reported(deployment: Deployment, founder: str, poor: str) -> None:
    """By Slurm when only it knows, by us before anything is asked for when the project's hours are known."""
    values = reported_values(
        deployment,
        founder,
        f"""
import dataclasses
from spawners.dask.limits import Hours
context = dataclasses.replace(context, account={poor!r})
async def main():
    manager = await managing()
    rounds = asyncio.create_task(Supervisor(manager).run())
    managed = await manager.create(ClusterRequest(shape=Shape(memory_gb=1), size=Size.fixed(1)))
    def words():
        return next((w.words for w in managed.view(context).workers if "hours" in w.words), "")
    tell(waits=await until(words))
    await manager.end_all()
    async def hours():
        return Hours(cpu=1/6)
    manager.hours = hours
    estimate = await manager.estimate(Shape(memory_gb=1), Size.fixed(1))
    tell(workers=estimate.workers, reason=estimate.reason)
    try:
        await manager.create(ClusterRequest(shape=Shape(memory_gb=1), size=Size.fixed(1)))
    except Exception as error:
        tell(refused=error.message, hint=error.hint)
    managed = await manager.create(ClusterRequest(shape=Shape(memory_gb=1, minutes=5), size=Size.fixed(5)))
    tell(cut=managed.size.maximum, why=managed.trouble.message)
    rounds.cancel(); await manager.end_all()
asyncio.run(main())
""",
    )

    assert values["waits"].startswith("The project's CPU hours are used up, or too few are left for what you ask.")
    assert "A lead of the project can ask for more hours" in values["waits"]
    assert (values["workers"], values["reason"]) == (0, "The project has 0.167 CPU hours left.")
    assert values["refused"].startswith("Not even one such worker is possible. The project has 0.167 CPU hours left.")
    assert values["hint"] == "Ask for smaller workers, or for more hours."
    assert (values["cut"], values["why"]) == (2, "The project has 0.167 CPU hours left.")


def test_an_unreachable_slurm_is_reported_and_retried(deployment: Deployment, founder: str) -> None:
    """Nothing is concluded from silence: workers go on, and those that were asked for meanwhile come afterwards."""
    body = """
import spawners.dask.cluster as module
module.AGAIN_SECONDS = 3.0
patience = slurm.DEADLINE_SECONDS
async def main():
    manager = await managing()
    rounds = asyncio.create_task(Supervisor(manager).run())
    managed = await manager.create(ClusterRequest(shape=Shape(memory_gb=1), size=Size.fixed(1)))
    await until(lambda: working(managed))
    tell(ready=True)
    await heard()
    slurm.DEADLINE_SECONDS = 3.0
    await manager.change(managed.name, ClusterChange(size=Size.fixed(2)))
    trouble = managed.view(context).trouble
    tell(message=trouble.message, hint=trouble.hint, working=len(working(managed)))
    await until(lambda: managed.silence)
    tell(message=managed.trouble.message, hint=managed.trouble.hint, working=len(working(managed)))
    await heard()
    slurm.DEADLINE_SECONDS = patience
    await until(lambda: len(working(managed)) == 2 and not managed.trouble)
    tell(working=2)
    rounds.cancel(); await manager.end_all()
asyncio.run(main())
"""
    with job(deployment, founder, body) as process:
        next_words(process)
        try:
            deployment.supervisorctl("stop", "slurmctld")
            go_on(process)
            requested, looked = next_words(process), next_words(process)
        finally:
            deployment.supervisorctl("start", "slurmctld")
        go_on(process)
        assert next_words(process) == {"working": 2}
        process.communicate(timeout=60)
        no_worker_is_left(deployment, founder)

    assert requested["message"].startswith("Slurm ")
    assert "Try again in a minute." in requested["hint"]
    assert looked["message"].startswith("Slurm")
    assert looked["hint"].startswith("What you see is from before; your workers go on.")
    assert requested["working"] == looked["working"] == 1


def test_a_worker_whose_number_never_arrived_ends_with_its_cluster(deployment: Deployment, founder: str) -> None:
    values = reported_values(
        deployment,
        founder,
        """
from hub.errors import SlurmUnavailable
run = slurm.run
async def lost(argv, **options):
    output = await run(argv, **options)
    if "sbatch" in argv[0]:
        raise SlurmUnavailable("Slurm has not answered for 15 s.")
    return output
async def main():
    manager = await managing()
    slurm.run = lost
    managed = await manager.create(ClusterRequest(shape=Shape(memory_gb=1), size=Size.fixed(1)))
    slurm.run = run
    worker_jobs = os.popen(f"squeue --noheader --me --name={context.gateway}-dask --format=%A").read().split()
    tell(known=managed.cluster.jobs, there=len(worker_jobs), message=managed.trouble.message)
    await manager.end(managed.name)
asyncio.run(main())
""",
    )

    assert values["known"] == {}
    assert values["there"] == 1
    assert values["message"] == "Slurm has not answered for 15 s."


def test_a_server_whose_time_is_nearly_over_says_so(deployment: Deployment, founder: str) -> None:
    values = reported_values(
        deployment,
        founder,
        """
async def main():
    manager = await managing()
    await Supervisor(manager).round()
    news = manager.news_now()
    offer = await manager.offer()
    managed = await manager.create(ClusterRequest(shape=Shape(memory_gb=1), size=Size.fixed(1)))
    [job] = managed.cluster.jobs.values()
    limit = os.popen(f"squeue --noheader --jobs={job} --format=%l").read().strip()
    tell(message=news.message, hint=news.hint, left=offer.seconds_left, limit=limit)
    manager.job.ends += 3600
    tell(moved=manager.news_now())
    await manager.end_all()
asyncio.run(main())
""",
        minutes=9,
    )

    assert values["message"] == "This server ends in 9 min, and its clusters with it."
    assert values["hint"] == "Save results now, or continue in a new job (Atrium menu)."
    assert values["limit"] == "8:00", "never longer than the server has left"
    assert values["moved"] is None


def test_a_cluster_without_work_ends_after_a_warning(deployment: Deployment, founder: str) -> None:
    values = reported_values(
        deployment,
        founder,
        """
from spawners.dask import managed_cluster, supervisor
managed_cluster.IDLE_SECONDS, managed_cluster.IDLE_WARNING_SECONDS = 6, 3
supervisor.ROUND_SECONDS = 0.5
async def main():
    manager = await managing()
    rounds = asyncio.create_task(Supervisor(manager).run())
    managed = await manager.create(ClusterRequest(shape=Shape(memory_gb=1), size=Size.fixed(1)))
    await until(lambda: working(managed))
    client = await Client(managed.cluster, asynchronous=True)
    await client.submit(time.sleep, 4.5)
    idle_after_work = managed.view(context).idle_end
    await until(lambda: managed.view(context).idle_end is not None)
    await manager.change(managed.name, ClusterChange(keep=True))
    idle_after_keep = managed.view(context).idle_end
    warned = await until(lambda: managed.view(context).idle_end)
    await client.close()
    await until(lambda: not manager.clusters)
    news = manager.news_now()
    tell(work=idle_after_work, kept=idle_after_keep, warned=warned, message=news.message, hint=news.hint)
    rounds.cancel(); await manager.end_all()
asyncio.run(main())
""",
    )

    assert (values["work"], values["kept"]) == (None, None)
    assert 0 < values["warned"] <= 3
    assert values["message"].startswith("The cluster dask-1 has ended: it computed nothing for")
    assert values["hint"] == "Start a new one when you need it."
