"""Clusters that end while jobs are submitted, workers that die at their start, and reliefs; without Slurm and Dask."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from distributed.core import Status

from hub.dask.models import ClusterChange, ClusterPhase, ClusterRequest, Shape, Size
from hub.errors import Conflict, SlurmError, SlurmUnavailable
from hub.slurm import naming
from hub.slurm.jobs import Job
from spawners.dask import managed_cluster, memory, queue, slurm, status, supervisor
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
        self.scheduler = SimpleNamespace(workers={}, task_prefixes={}, get_events=lambda _topic: ())
        self.doubtful, self.ends = False, None
        self.refusal: SlurmError | None = None
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


# -- refusals ---------------------------------------------------------------------------------------------------------


async def test_a_cluster_without_a_worker_is_a_refusal(manager: Manager) -> None:
    entry, cluster = managed(manager)
    refusal = SlurmError("You may not use this project on this part of the machine.", hint="Choose another one.")
    cluster.refusal = refusal
    assert entry.refusal_of_all is refusal
    cluster.jobs = {"w-0": "11"}
    assert entry.refusal_of_all is None, "some workers were taken"
    cluster.jobs, cluster.refusal = {}, SlurmUnavailable("Slurm does not answer.")
    assert entry.refusal_of_all is None, "it is asked again"


async def test_nothing_is_left_of_a_cluster_whose_workers_are_all_refused(
    context: JobContext, listed: dict[int, str], cancelled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {}

    async def refuse() -> None:
        cluster.refusal = SlurmError("You may not use this project here.", hint="Choose another one.")

    class Awaitable(FakeCluster):
        def __await__(self) -> Any:
            yield from ()

    cluster: Any = Awaitable()
    cluster._correct_state = refuse
    cluster.submitted.set()
    manager = Manager(context, make=lambda _shape, **values: options.update(values) or cluster)
    monkeypatch.setattr(manager.site, "partition_for", no_answer)
    monkeypatch.setattr(manager.site, "most", no_answer)
    with pytest.raises(SlurmError, match="may not use"):
        await manager.create(ClusterRequest(size=Size.fixed(1), directory="/home/maria/my notebooks"))
    assert (manager.clusters, cluster.closed) == ({}, True)
    assert options["directory"] == "/home/maria/my notebooks"


async def no_answer(*_: object) -> Any:
    raise SlurmError("Slurm does not answer.")


# -- memory -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "log", "lacked"),
    [
        ("OUT_OF_MEMORY", "", True),
        ("FAILED", "slurmstepd: error: Detected 1 oom-kill event(s)", True),
        ("FAILED", "slurmstepd: error: Job 7 exceeded memory limit (9 > 2), being killed", True),
        ("FAILED", "ZeroDivisionError: division by zero", False),
        ("COMPLETED", "", False),
        ("RUNNING", "oom-kill", False),
    ],
)
async def test_a_job_that_ended_for_its_memory_is_said_at_the_cluster(
    manager: Manager, monkeypatch: pytest.MonkeyPatch, state: str, log: str, lacked: bool
) -> None:
    entry, _ = managed(manager)
    entry.former_jobs = {7: Job(7, state, "maria")}
    watcher = Supervisor(manager)
    manager.context.make_directories()
    (manager.context.logs / f"{manager.context.job_name(naming.Kind.WORKER)}-7.err").write_text(log)
    await watcher._look_at_memory(entry)
    assert (entry.trouble is not None) is lacked
    if entry.trouble is not None:
        assert "2 GB" in entry.trouble.message and "more memory" in entry.trouble.hint
    entry.note = None
    await watcher._look_at_memory(entry)
    assert entry.note is None, "each end is said once"


async def test_a_worker_that_dask_starts_anew_for_its_memory_is_said_at_the_cluster(manager: Manager) -> None:
    entry, cluster = managed(manager)
    watcher = Supervisor(manager)
    events: list[object] = []
    cluster.scheduler.get_events = {memory.RESTARTED: events}.get
    await watcher._look_at_memory(entry)
    assert entry.note is None
    events.append((0.0, {"worker": "tls://node:1"}))
    await watcher._look_at_memory(entry)
    assert entry.note is not None
    entry.note = None
    await watcher._look_at_memory(entry)
    assert entry.note is None


async def test_jobs_of_workers_that_left_are_still_known(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    entry, cluster = managed(manager)
    watcher = Supervisor(manager)
    jobs = {7: Job(7, "RUNNING", "maria"), 9: Job(9, "RUNNING", "maria")}

    async def of_workers(_name: str) -> dict[int, Job]:
        return dict(jobs)

    monkeypatch.setattr(queue, "of_workers", of_workers)
    cluster.jobs = {"w-0": "7"}
    await watcher._look_at_queue(0)
    cluster.jobs = {}
    jobs[7] = Job(7, "OUT_OF_MEMORY", "maria")
    await watcher._look_at_queue(0)
    assert (entry.jobs, list(entry.former_jobs.values())) == ({}, [jobs[7]])


async def test_slurm_is_asked_ten_times_a_minute_at_most(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    managed(manager)
    watcher, calls = Supervisor(manager), []

    async def of_workers(_name: str) -> dict[int, Job]:
        calls.append(1)
        return {}

    monkeypatch.setattr(queue, "of_workers", of_workers)
    manager.clusters["dask-1"].cluster.workers = {"w-0": object()}
    for number in range(int(60 / supervisor.ROUND_SECONDS)):
        await watcher._look_at_queue(number)
    assert len(calls) == 10


def test_a_paused_worker_is_said_to_go_on_by_itself() -> None:
    cluster = FakeCluster()
    cluster.worker_spec, cluster.jobs = {"w-0": {}}, {"w-0": "7"}
    [worker] = status.workers(cluster, {7: Job(7, "SUSPENDED", "maria", "cpu1")})
    assert worker.words == status.PAUSED


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


async def test_a_cluster_that_cannot_be_checked_hides_no_other(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher, checked = Supervisor(manager), []
    clusters = (SimpleNamespace(name="broken"), SimpleNamespace(name="other"))

    async def look_at(entry: Any) -> None:
        if entry.name == "broken":
            raise ValueError(entry.name)
        checked.append(entry.name)

    async def nothing(_number: int) -> None: ...

    manager.is_clean = True
    manager.clusters = {entry.name: entry for entry in clusters}  # type: ignore[misc]
    monkeypatch.setattr(manager, "open_clusters", lambda: clusters)
    for name, stand_in in (("_look_at", look_at), ("_look_at_time", nothing), ("_look_at_queue", nothing)):
        monkeypatch.setattr(watcher, name, stand_in)
    await watcher.round()
    assert checked == ["other"]
