"""Dask clusters on a real Slurm, from inside a job like a person's server, without the server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.deployment import Deployment
from tests.e2e.managing import job, next_words, no_worker_is_left, reported_values, workers_of
from tests.polling import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400, func_only=True)]


@pytest.fixture
def founder(deployment: Deployment) -> str:
    return deployment.person("founder")


def test_workers_come_and_go_and_compute(deployment: Deployment, founder: str) -> None:
    values = reported_values(
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
tell(scratch=list(client.run(lambda: os.environ["ATRIUM_SCRATCH"]).values()))
cluster.scale(1)
asyncio.run(until(lambda: len(cluster.scheduler_info["workers"]) == 1))
client.close(); cluster.close()
""",
    )

    assert values["address"].startswith("tls://127.0.0.1:"), "only where workers come from"
    assert values["sum"] == 4950
    assert len(set(values["jobs"].values())) == 3
    assert values["token"] == [None] * 3
    assert all(address.startswith("tls://127.0.0.1:") for address in values["listens"])
    assert set(values["spill"]) == {"0o700"}
    assert len(set(values["scratch"])) == 3
    eventually(lambda: not any(map(os.path.exists, values["scratch"])), within=30, what="nothing is left on the nodes")


def test_adaptive_from_none_to_some_and_back_without_a_lost_result(deployment: Deployment, founder: str) -> None:
    values = reported_values(
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

    assert values["before"] == 0
    assert 3 <= values["most"] <= 4
    assert values["sum"] == sum(x * x for x in range(60))


def test_a_worker_killed_in_the_middle_is_replaced_and_the_result_is_right(
    deployment: Deployment, founder: str
) -> None:
    values = reported_values(
        deployment,
        founder,
        """
async def main():
    manager = await managing()
    rounds = asyncio.create_task(Supervisor(manager).run())
    managed = await manager.create(ClusterRequest(shape=Shape(memory_gb=1), size=Size.fixed(2)))
    client = await Client(managed.cluster, asynchronous=True)
    await client.wait_for_workers(2)
    futures = client.map(lambda x: (time.sleep(0.4), x + 1)[1], range(40), pure=False)
    await until(lambda: sum(future.done() for future in futures) >= 4)
    first = next(iter(managed.cluster.jobs.values()))
    await slurm.cancel([first])
    tell(left=sum(not future.done() for future in futures), sum=sum(await client.gather(futures)))
    await until(lambda: len(working(managed)) == 2 and first not in managed.cluster.jobs.values())
    await until(lambda: managed.cost.cpu_hours > 0)
    tell(cost=managed.cost.cpu_hours)
    rounds.cancel(); await client.close(); await manager.end_all()
asyncio.run(main())
""",
    )

    assert values["left"] > 0, "it was in the middle"
    assert values["sum"] == sum(range(1, 41))
    assert values["cost"] > 0


@pytest.fixture(scope="module")
def handed_on(deployment: Deployment) -> dict[str, Any]:
    """Two clusters side by side, with work until none of their first workers is there, on data that is only in the
    workers' memory."""
    return reported_values(
        deployment,
        deployment.person("founder"),
        """
def slow(x, held):
    time.sleep(1)
    return x + len(held)

async def hand_on(manager, size):
    managed = await manager.create(ClusterRequest(shape=Shape(memory_gb=1, minutes=2), size=size))
    await until(lambda: len(working(managed)) >= size.minimum)
    first = set(managed.cluster.jobs.values())
    client = await Client(managed.cluster, asynchronous=True)
    [held] = await client.scatter([list(range(1000))])
    futures, sizes = [], []
    def all_relieved():
        sizes.append(len(managed.cluster.worker_spec))
        if sum(not future.done() for future in futures) < 10:
            futures.extend(client.map(slow, range(10), held=held, pure=False))
        return not first & set(managed.cluster.jobs.values())
    await until(all_relieved, 200)
    sums = await client.gather(futures)
    del futures, held
    await until(lambda: len(managed.cluster.workers) == size.minimum and not managed.cluster.reliefs)
    await client.close()
    return dict(script=managed.cluster.job_script(), first=len(first), most=max(sizes), sums=sums)

async def main():
    manager = await managing()
    sizes = dict(fixed=Size.fixed(2), adaptive=Size(minimum=1, maximum=2))
    tell(**dict(zip(sizes, await asyncio.gather(*(hand_on(manager, size) for size in sizes.values())))))
    await manager.end_all()
asyncio.run(main())
""",
    )


def test_workers_whose_time_is_over_hand_on_and_the_result_is_right(handed_on: dict[str, Any]) -> None:
    values = handed_on["fixed"]
    assert "-t 00:02:00" in values["script"]
    assert "--lifetime 80s" in values["script"]
    assert values["first"] == 2
    assert 2 < values["most"] <= 4, "one relief for each at most"
    assert values["sums"] == [x + 1000 for x in range(10)] * (len(values["sums"]) // 10)


def test_an_adaptive_cluster_hands_on_too(handed_on: dict[str, Any]) -> None:
    """What only one worker holds in its memory outlives all the workers that there were at first, and when there is no
    work any more there are as few workers as asked for."""
    values = handed_on["adaptive"]
    assert values["first"] == 1
    assert 1 < values["most"] <= 4, "one relief for each at most"
    assert values["sums"] == [x + 1000 for x in range(10)] * (len(values["sums"]) // 10)


def test_a_worker_that_is_sent_later_ends_with_the_server_too(deployment: Deployment, founder: str) -> None:
    """The server's end has come nearer meanwhile, as time goes or because an administrator has moved it."""
    values = reported_values(
        deployment,
        founder,
        """
def limit(managed):
    [job] = managed.cluster.jobs.values()
    return os.popen(f"squeue --noheader --jobs={job} --format=%l").read().strip()

async def main():
    manager = await managing()
    managed = await manager.create(ClusterRequest(shape=Shape(memory_gb=1, minutes=10), size=Size.fixed(1)))
    await until(lambda: working(managed))
    first = dict(managed.cluster.jobs)
    tell(first=limit(managed))
    managed.cluster.ends = time.time() + 200
    await slurm.cancel(list(first.values()))
    await until(lambda: working(managed) and managed.cluster.jobs and managed.cluster.jobs != first)
    tell(second=limit(managed))
    managed.cluster.ends = time.time() + 60
    await slurm.cancel(list(managed.cluster.jobs.values()))
    await until(lambda: not managed.cluster.jobs)
    for _ in range(3):
        await managed.cluster._mend()
    tell(last=len(managed.cluster.jobs))
    await manager.end_all()
asyncio.run(main())
""",
    )

    assert (values["first"], values["second"]) == ("10:00", "3:00")
    assert values["last"] == 0, "so near the end none is sent any more"


def test_gpu_workers_run_on_gpu_nodes(deployment: Deployment, founder: str) -> None:
    """From --gres to a task that asks for a GPU."""
    values = reported_values(
        deployment,
        founder,
        """
async def main():
    manager = await managing()
    shape = Shape(memory_gb=1, gpus=2, gpu_type="l40s", partition="gpu")
    managed = await manager.create(ClusterRequest(shape=shape, size=Size.fixed(1)))
    await until(lambda: working(managed))
    client = await Client(managed.cluster, asynchronous=True)
    def where():
        return os.environ["SLURMD_NODENAME"], os.environ.get("SLURM_JOB_GPUS"), os.environ["SLURM_JOB_PARTITION"]
    tell(where=await client.submit(where, resources={"GPU": 1}))
    jobs = ",".join(managed.cluster.jobs.values())
    tell(gres=os.popen(f"squeue --noheader --jobs={jobs} --format=%b").read().strip())
    await client.close(); await manager.end_all()
asyncio.run(main())
""",
    )

    assert values["where"] == ["gpu2", "0,1", "gpu"]
    assert values["gres"] == "gres:gpu:l40s:2"


def test_another_user_of_the_node_can_neither_join_nor_look(deployment: Deployment, founder: str) -> None:
    """The scheduler's socket, the dashboard's and the manager's, the keys and what workers spill."""
    colleague = deployment.person("colleague")
    body = """
cluster = ProjectCluster(cores=1, memory="1GB", name="guarded")
cluster.scale(1)
client = Client(cluster)
client.wait_for_workers(1, timeout=60)
scratch = list(client.run(lambda: __import__("os").environ["ATRIUM_SCRATCH"]).values())[0]
at = {"keys": context.keys, "socket": context.dashboard_socket("guarded"), "address": cluster.scheduler_address}
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
        at = next_words(process)
        argv = [str(deployment.user_python), "-c", attack, at["address"], at["keys"], at["socket"], at["scratch"]]
        output = deployment.run(
            "runuser", "-u", colleague, "--", "env", "-i", "PATH=/usr/bin:/bin", "HOME=/tmp", *argv
        ).stdout
        assert Path(at["scratch"]).is_dir(), "there is something to be kept from"

    lines = [line for line in output.splitlines() if line.endswith(("refused", "GOT IN"))]
    assert lines == [
        f"{name} refused" for name in ("plain", "without keys", "own keys", "keys", "dashboard", "spilled")
    ]


@pytest.mark.parametrize("end", ["-TERM", "-KILL"])
def test_the_end_of_the_servers_job_ends_its_workers(deployment: Deployment, founder: str, end: str) -> None:
    """By the manager when it is told, by the workers themselves when nobody is left to tell it."""
    body = """
async def main():
    from spawners.dask import __main__ as program
    from tornado.netutil import bind_unix_socket
    listener = bind_unix_socket(str(context.socket))
    life, _ = os.pipe()
    serving = asyncio.create_task(program.main(listener, life))
    from widgets.scaling.client import Clusters
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
        at = next_words(process)
        assert len(workers_of(deployment, founder)) == 2
        os.kill(at["pid"], 15 if end == "-TERM" else 9)
        no_worker_is_left(deployment, founder, within=90)
