"""Dask clusters on a real Slurm, from inside a job like a person's server, without the server."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.deployment import Deployment
from tests.injob import in_job
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400, func_only=True)]

GATEWAY = "dasktest"
JOB_SECONDS = 300

HEAD = """\
import asyncio, json, os, sys, time
from pathlib import Path
from distributed import Client
from hub.clusters.models import *
from spawners.dask import ProjectCluster, slurm
from spawners.dask.manager import Manager
from spawners.dask.place import Place

place = Place.from_environment()

def tell(**words):
    print("TOLD", json.dumps(words), flush=True)

async def until(condition, seconds=90):
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "waited too long"
        await asyncio.sleep(0.2)
    return value

async def managing():
    manager = Manager(place)
    await manager.job.ask_end()
    return manager

def working(managed):
    return [w for w in managed.told(place).workers if w.phase == "working"]
"""


@pytest.fixture
def founder(deployment: Deployment) -> str:
    return deployment.person("founder")


def job(deployment: Deployment, user: str, body: str, *, minutes: int = 20) -> Any:
    """``body`` as it runs, in a job of ``user`` that looks like a server's."""
    return in_job(deployment, user, HEAD + body, gateway=GATEWAY, minutes=minutes)


def told(deployment: Deployment, user: str, body: str, *, minutes: int = 20) -> dict[str, Any]:
    """Everything that ``body`` told."""
    with job(deployment, user, body, minutes=minutes) as process:
        out, error = process.communicate(timeout=JOB_SECONDS)
    assert process.returncode == 0, error[-3000:]
    words: dict[str, Any] = {}
    for line in out.splitlines():
        if line.startswith("TOLD "):
            words |= json.loads(line.removeprefix("TOLD "))
    return words


def workers_of(deployment: Deployment, user: str) -> list[str]:
    return deployment.squeue(f"--user={user}", f"--name={GATEWAY}-dask", "--states=PENDING,RUNNING", "--format=%A")


def test_workers_come_and_go_and_compute(deployment: Deployment, founder: str) -> None:
    said = told(
        deployment,
        founder,
        """
cluster = ProjectCluster(cores=1, memory="1GB")
cluster.scale(3)
client = Client(cluster)
client.wait_for_workers(3, timeout=60)
tell(address=cluster.scheduler_address, sum=client.submit(sum, range(100)).result(), jobs=cluster.jobs)
tell(token=list(client.run(lambda: __import__("os").environ.get("JUPYTERHUB_API_TOKEN")).values()))
tell(listens=list(client.run(lambda dask_worker: dask_worker.address).values()))
def mode():
    return oct(os.stat(os.environ["ATRIUM_SCRATCH"]).st_mode & 0o777)
tell(spill=list(client.run(mode).values()))
cluster.scale(1)
asyncio.run(until(lambda: len(cluster.scheduler_info["workers"]) == 1))
client.close(); cluster.close()
""",
    )

    assert said["address"].startswith("tls://127.0.0.1:"), "only where workers come from"
    assert said["sum"] == 4950
    assert len(set(said["jobs"].values())) == 3
    assert said["token"] == [None] * 3
    assert all(address.startswith("tls://127.0.0.1:") for address in said["listens"])
    assert set(said["spill"]) == {"0o700"}
    eventually(lambda: not workers_of(deployment, founder), within=30, what="no worker is left")


def test_adaptive_from_none_to_some_and_back_without_a_lost_result(deployment: Deployment, founder: str) -> None:
    said = told(
        deployment,
        founder,
        """
async def main():
    manager = await managing()
    managed = await manager.create(ClusterRequest(shape=Shape(memory_gb=1), size=Size(minimum=0, maximum=4)))
    tell(before=len(managed.cluster.jobs))
    client = await Client(managed.cluster, asynchronous=True)
    futures = client.map(lambda x: (time.sleep(0.5), x * x)[1], range(60), pure=False)
    await until(lambda: len(working(managed)) >= 3)
    tell(most=len(working(managed)), sum=sum(await client.gather(futures)))
    del futures
    await until(lambda: not managed.cluster.jobs, 90)
    await client.close(); await manager.end_all()
asyncio.run(main())
""",
    )

    assert said["before"] == 0
    assert 3 <= said["most"] <= 4
    assert said["sum"] == sum(x * x for x in range(60))


def test_a_worker_killed_in_the_middle_is_replaced_and_the_result_is_right(
    deployment: Deployment, founder: str
) -> None:
    said = told(
        deployment,
        founder,
        """
async def main():
    manager = await managing()
    rounds = asyncio.create_task(manager.run())
    managed = await manager.create(ClusterRequest(shape=Shape(memory_gb=1), size=Size.fixed(2)))
    client = await Client(managed.cluster, asynchronous=True)
    await client.wait_for_workers(2)
    futures = client.map(lambda x: (time.sleep(0.4), x + 1)[1], range(80), pure=False)
    await asyncio.sleep(2)
    first = next(iter(managed.cluster.jobs.values()))
    await slurm.cancel([first])
    tell(sum=sum(await client.gather(futures)))
    await until(lambda: len(working(managed)) == 2 and first not in managed.cluster.jobs.values())
    tell(cost=managed.cost.cpu_hours)
    rounds.cancel(); await client.close(); await manager.end_all()
asyncio.run(main())
""",
    )

    assert said["sum"] == sum(range(1, 81))
    assert said["cost"] > 0


def test_workers_whose_time_is_over_hand_on_and_the_result_is_right(deployment: Deployment, founder: str) -> None:
    """Every worker is relieved at least once meanwhile, and there is data that is only in the workers' memory."""
    said = told(
        deployment,
        founder,
        """
async def main():
    manager = await managing()
    managed = await manager.create(ClusterRequest(shape=Shape(memory_gb=1, minutes=2), size=Size.fixed(2)))
    tell(script=managed.cluster.job_script())
    first = set(managed.cluster.jobs.values())
    client = await Client(managed.cluster, asynchronous=True)
    [held] = await client.scatter([list(range(1000))])
    futures = client.map(lambda x, held: (time.sleep(1), x + len(held))[1], range(160), held=held, pure=False)
    tell(sum=sum(await client.gather(futures)), handed_on=not first & set(managed.cluster.jobs.values()))
    await client.close(); await manager.end_all()
asyncio.run(main())
""",
    )

    assert "-t 00:02:00" in said["script"]
    assert "--lifetime 80s" in said["script"]
    assert said["sum"] == sum(range(160)) + 160 * 1000
    assert said["handed_on"]


def test_more_than_is_allowed_is_cut_with_the_reason(deployment: Deployment, founder: str) -> None:
    said = told(
        deployment,
        founder,
        """
async def main():
    manager = await managing()
    offer = await manager.offer()
    tell(places=[place.model_dump() for place in offer.places], left=offer.seconds_left)
    gpu = Shape(memory_gb=1, gpus=1, partition="gpu")
    estimate = await manager.estimate(gpu, Size.fixed(9))
    tell(workers=estimate.workers, reason=estimate.reason, start=estimate.start is not None)
    managed = await manager.create(ClusterRequest(shape=gpu, size=Size.fixed(9)))
    tell(got=managed.size.maximum, trouble=managed.trouble.message)
    await manager.end_all()
    for wrong in (Shape(memory_gb=16000), Shape(partition="nowhere")):
        managed = await manager.create(ClusterRequest(shape=wrong, size=Size.fixed(1)))
        await until(lambda: not managed.cluster.workers, 20)
        tell(**{wrong.partition or "memory": [managed.trouble.message, managed.trouble.hint]})
        await manager.end_all()
asyncio.run(main())
""",
    )

    assert next(place["partition"] for place in said["places"]) == "batch"
    assert 0 < said["left"] <= 20 * 60
    assert (said["workers"], said["got"]) == (4, 4)
    assert "gives one person 4 GPUs" in said["reason"]
    assert said["trouble"] == said["reason"]
    assert said["start"]
    assert "memory" in said["memory"][0]
    assert "partition" in said["nowhere"][0]


def test_workers_that_die_at_their_start_are_not_started_for_ever(deployment: Deployment, founder: str) -> None:
    said = told(
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
    rounds = asyncio.create_task(manager.run())
    managed = await manager.create(ClusterRequest(shape=Shape(memory_gb=1), size=Size.fixed(2)))
    await until(lambda: managed.paused, 90)
    tell(message=managed.trouble.message, log=managed.trouble.log)
    rounds.cancel(); await manager.end_all()
asyncio.run(main())
""",
    )

    assert "right after their start" in said["message"]
    assert "the disk is full" in said["log"]


def test_another_user_of_the_node_can_neither_join_nor_look(deployment: Deployment, founder: str) -> None:
    """The scheduler's socket, the dashboard's and the manager's, the keys and what workers spill."""
    colleague = deployment.person("colleague")
    body = """
cluster = ProjectCluster(cores=1, memory="1GB", name="guarded")
cluster.scale(1)
client = Client(cluster)
client.wait_for_workers(1, timeout=60)
scratch = list(client.run(lambda: __import__("os").environ["ATRIUM_SCRATCH"]).values())[0]
at = {"keys": place.keys, "socket": place.dashboard_socket("guarded"), "address": cluster.scheduler_address}
tell(**{name: str(value) for name, value in at.items()}, scratch=scratch)
time.sleep(60)
"""
    attack = """
import ssl, socket, sys
from distributed import Client
address, keys, path, scratch = sys.argv[1:]
for name, attempt in {
    "plain": lambda: Client(address.replace("tls", "tcp"), timeout=4),
    "without keys": lambda: socket.create_connection(address[6:].rsplit(":", 1)) and Client(address, timeout=4),
    "own keys": lambda: Client(address, timeout=4, security=__import__("distributed").Security.temporary()),
    "keys": lambda: open(keys + "/key.pem").read(),
    "dashboard": lambda: socket.socket(socket.AF_UNIX).connect(path),
    "spilled": lambda: __import__("os").listdir(scratch),
}.items():
    try:
        attempt()
    except Exception as error:
        print(name, "refused")
    else:
        print(name, "GOT IN")
"""
    with job(deployment, founder, body) as process:
        assert process.stdout is not None
        at = json.loads(next(line for line in process.stdout if line.startswith("TOLD ")).removeprefix("TOLD "))
        argv = [str(deployment.user_python), "-c", attack, at["address"], at["keys"], at["socket"], at["scratch"]]
        said = deployment.run(
            "runuser", "-u", colleague, "--", "env", "-i", "PATH=/usr/bin:/bin", "HOME=/tmp", *argv
        ).stdout
        assert Path(at["scratch"]).is_dir(), "there is something to be kept from"

    lines = [line for line in said.splitlines() if line.endswith(("refused", "GOT IN"))]
    assert lines == [
        f"{name} refused" for name in ("plain", "without keys", "own keys", "keys", "dashboard", "spilled")
    ]


def test_workers_of_a_scheduler_that_was_killed_end_and_are_told_of(deployment: Deployment, founder: str) -> None:
    said = told(
        deployment,
        founder,
        """
child = '''
import asyncio, os, time
from spawners.dask.manager import *
async def main():
    manager = Manager(Place.from_environment())
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

    assert "dask-1 was ended from outside" in said["news"]
    eventually(lambda: not workers_of(deployment, founder), within=30, what="no worker is left")


def test_slurm_out_of_reach_is_said_and_nothing_concluded(deployment: Deployment, founder: str) -> None:
    said = told(
        deployment,
        founder,
        """
async def main():
    manager = await managing()
    managed = await manager.create(ClusterRequest(shape=Shape(memory_gb=1), size=Size.fixed(1)))
    await until(lambda: working(managed))
    conf = os.environ["SLURM_CONF"]
    os.environ["SLURM_CONF"] = "/nonexistent"
    slurm._UNREACHABLE = (*slurm._UNREACHABLE, "configuration", "nonexistent")
    await manager._look_at_queue(0)
    tell(message=managed.trouble.message, hint=managed.trouble.hint, working=len(working(managed)))
    os.environ["SLURM_CONF"] = conf
    await manager._look_at_queue(0)
    tell(after=managed.trouble)
    await manager.end_all()
asyncio.run(main())
""",
    )

    assert "Slurm" in said["message"]
    assert said["hint"].startswith("What you see is from before")
    assert (said["working"], said["after"]) == (1, None)


@pytest.mark.parametrize("end", ["-TERM", "-KILL"])
def test_the_end_of_the_servers_job_ends_its_workers(deployment: Deployment, founder: str, end: str) -> None:
    """By the manager when it is told, by the workers themselves when nobody is left to tell it."""
    body = """
async def main():
    from spawners.dask import __main__ as program
    from tornado.netutil import bind_unix_socket
    listener = bind_unix_socket(str(place.socket))
    life, _ = os.pipe()
    serving = asyncio.create_task(program.main(listener, life))
    from widgets.clusters import Clusters
    request = ClusterRequest(shape=Shape(memory_gb=1), size=Size.fixed(2))
    made = await asyncio.to_thread(Clusters.here().create, request)
    while sum(worker.phase == "working" for worker in made.workers) < 2:
        await asyncio.sleep(0.2)
        made = await asyncio.to_thread(Clusters.here().get, made.name)
    tell(pid=os.getpid())
    await serving
asyncio.run(main())
"""
    with job(deployment, founder, body) as process:
        assert process.stdout is not None
        at = json.loads(next(line for line in process.stdout if line.startswith("TOLD ")).removeprefix("TOLD "))
        assert len(workers_of(deployment, founder)) == 2
        os.kill(at["pid"], 15 if end == "-TERM" else 9)
        eventually(lambda: not workers_of(deployment, founder), within=90, what="no worker is left")
