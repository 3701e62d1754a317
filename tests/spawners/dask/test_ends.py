"""Clusters that end while jobs are submitted, workers that die at their start, and reliefs; without Slurm and Dask."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from distributed.core import Status

from hub.dask.models import ClusterChange, ClusterPhase, ClusterRequest, Shape, Size
from hub.errors import Conflict, SlurmError
from hub.slurm import naming
from hub.slurm.jobs import Job
from spawners.dask import managed_cluster, queue, slurm, supervisor
from spawners.dask.managed_cluster import ManagedCluster
from spawners.dask.manager import Manager
from spawners.dask.relief import Reliefs
from spawners.dask.supervisor import Supervisor
from spawners.dask.worker import Times
from spawners.node.job_context import JobContext


class FakeCluster:
    """A cluster whose closing waits for ``submitted``."""

    def __init__(self) -> None:
        self.status = Status.running
        self.jobs: dict[str, str] = {}
        self.workers: dict[str, Any] = {}
        self.worker_spec: dict[str, Any] = {}
        self.scheduler = SimpleNamespace(workers={}, task_prefixes={})
        self.doubtful, self.refusal, self.ends = False, None, None
        self.scheduler_address = "tls://node:1"
        self.submitted = asyncio.Event()
        self.closed = False

    async def close(self) -> None:
        await self.submitted.wait()
        self.closed = True

    def scale(self, workers: int) -> None:
        self.worker_spec = {f"w-{number}": {} for number in range(workers)}

    async def _correct_state(self) -> None:
        return

    def work(self, *names: str) -> None:
        self.scheduler.workers = {name: SimpleNamespace(name=name) for name in names}


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> dict[int, str]:
    """Comments of the jobs that Slurm lists, by number."""
    jobs: dict[int, str] = {}

    async def comments(_: str) -> dict[int, str]:
        return dict(jobs)

    monkeypatch.setattr(queue, "comments", comments)
    return jobs


@pytest.fixture
def cancelled(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    jobs: list[str] = []

    async def cancel(numbers: list[str]) -> bool:
        jobs.extend(numbers)
        return True

    monkeypatch.setattr(slurm, "cancel", cancel)
    yield jobs


def managed(manager: Manager, workers: int = 2) -> tuple[ManagedCluster, FakeCluster]:
    cluster: Any = FakeCluster()
    request = ClusterRequest(name="dask-1", shape=Shape(), size=Size.fixed(workers))
    entry = manager.clusters["dask-1"] = ManagedCluster("dask-1", request, cluster)
    return entry, cluster


@pytest.fixture
def manager(context: JobContext) -> Manager:
    return Manager(context)


async def test_a_cluster_that_ends_during_a_submission_leaves_no_job(
    manager: Manager, listed: dict[int, str], cancelled: list[str]
) -> None:
    entry, cluster = managed(manager)
    cluster.jobs = {"w-0": "11"}
    ending = asyncio.create_task(manager.end("dask-1"))
    again = asyncio.create_task(manager.end("dask-1"))
    await asyncio.sleep(0.01)
    assert manager.clusters == {"dask-1": entry}, "it is not forgotten before it has ended"
    assert entry.view(manager.context).phase is ClusterPhase.ENDED
    assert manager.open_clusters() == ()
    with pytest.raises(Conflict):
        await manager.change("dask-1", ClusterChange(size=Size.fixed(1)))
    with pytest.raises(Conflict):
        await manager.create(ClusterRequest(name="dask-1", shape=Shape(), size=Size.fixed(1)))
    listed[12] = naming.worker_comment(manager.context.comment, "dask-1")
    listed[13] = naming.worker_comment(manager.context.comment, "dask-2")
    cluster.submitted.set()
    end = await ending
    assert (end.jobs, end.trouble) == ((11, 12), None)
    assert await again is end
    assert cancelled == ["11", "12"]
    assert (manager.clusters, cluster.closed) == ({}, True)


async def test_a_close_that_takes_long_is_not_interrupted(
    manager: Manager, listed: dict[int, str], cancelled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(managed_cluster, "CLOSE_SECONDS", 0.01)
    _, cluster = managed(manager)
    await manager.end("dask-1")
    cluster.submitted.set()
    await asyncio.sleep(0.01)
    assert cluster.closed


async def test_that_jobs_may_be_left_is_told(
    manager: Manager, cancelled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(_: str) -> dict[int, str]:
        raise SlurmError("Slurm does not answer.")

    monkeypatch.setattr(queue, "comments", silent)
    _, cluster = managed(manager)
    cluster.submitted.set()
    end = await manager.end("dask-1")
    assert end.trouble is not None
    assert manager.clusters == {}


async def test_all_clusters_leave_no_job(manager: Manager, listed: dict[int, str], cancelled: list[str]) -> None:
    _, cluster = managed(manager)
    cluster.jobs = {"w-0": "11"}
    listed[12] = naming.worker_comment(manager.context.comment, "dask-1")
    cluster.submitted.set()
    await manager.end_all()
    assert cancelled == ["11", "12"]


# -- workers that die at their start ----------------------------------------------------------------------------------


async def test_workers_that_die_are_given_up_although_another_works(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry, cluster = managed(manager, workers=5)
    watcher = Supervisor(manager)
    cluster.jobs = {"w-0": "1"}
    cluster.work("w-0")
    entry.jobs = {1: Job(1, "RUNNING", "maria")}
    submitted = 1
    while not entry.paused and submitted < 50:
        submitted += 1
        cluster.jobs["w-1"], cluster.workers["w-1"] = str(submitted), object()
        entry.jobs[submitted] = Job(submitted, "FAILED", "maria")
        await watcher._look_at_deaths(entry)
    assert submitted - 1 == supervisor.DEATHS
    assert entry.note is not None


async def test_a_worker_that_joins_shows_that_they_can_start(manager: Manager) -> None:
    entry, cluster = managed(manager, workers=5)
    watcher = Supervisor(manager)
    for number in range(1, 10):
        name = f"w-{number}"
        cluster.jobs[name] = str(number)
        if number % 2:
            cluster.workers[name] = object()
            entry.jobs[number] = Job(number, "FAILED", "maria")
        else:
            cluster.work(*(f"w-{even}" for even in range(2, number + 1, 2)))
        await watcher._look_at_deaths(entry)
    assert not entry.paused


# -- relief -----------------------------------------------------------------------------------------------------------


async def test_a_worker_that_is_restarted_in_its_job_is_relieved_at_the_job_s_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr("spawners.dask.relief.time.monotonic", lambda: now)
    cluster: Any = FakeCluster()
    times = Times.within(None, 60)
    cluster.workers = {"w-0": SimpleNamespace(times=times)}
    cluster.worker_spec, cluster.jobs = {"w-0": {}}, {"w-0": "1"}
    cluster.new_worker_spec = lambda: {"w-1": {}}
    reliefs = Reliefs(cluster)
    cluster.work("w-0")
    reliefs.update()
    now += times.relief("w-0") / 2
    cluster.work()  # client.restart()
    reliefs.update()
    cluster.work("w-0")
    reliefs.update()
    assert not reliefs.pairs
    now += times.relief("w-0") / 2 + 1
    reliefs.update()
    assert reliefs.pairs == {"w-0": "w-1"}


async def test_another_job_of_the_same_name_has_time_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("spawners.dask.relief.time.monotonic", lambda: now)
    cluster: Any = FakeCluster()
    times = Times.within(None, 60)
    cluster.workers = {"w-0": SimpleNamespace(times=times)}
    cluster.worker_spec, cluster.jobs = {"w-0": {}}, {"w-0": "1"}
    reliefs = Reliefs(cluster)
    cluster.work("w-0")
    reliefs.update()
    now += times.relief("w-0") - 1
    cluster.jobs = {"w-0": "2"}
    reliefs.update()
    now += 2
    reliefs.update()
    assert not reliefs.pairs
