"""Workers on the cluster without a cluster: what the page knows and says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hub.errors import AtriumError, SlurmUnavailable
from widgets.base import Visitor
from widgets.scaling import MAX_WORKERS, Scaling, ScalingState, Stage, cancel_jobs, in_words, job_states
from widgets.workers import NoWorkers, cluster_file, join, offer


class FakeCluster:
    """As far as the page uses :class:`dask_jobqueue.SLURMCluster`."""

    scheduler_address = "tls://127.0.0.1:9"
    security = SimpleNamespace(get_tls_config_for_role=lambda role: {"ca_file": "CA", "cert": "C", "key": f"K {role}"})

    def __init__(self, memory_gb: int = 2, refusal: str = "") -> None:
        self.refusal = refusal
        self.workers: dict[str, Any] = {}
        self.joined: set[str] = set()
        self.closed = False

    @property
    def scheduler_info(self) -> dict[str, Any]:
        return {"workers": {name: {"name": name} for name in self.joined}}

    def scale(self, n: int) -> None:
        self.workers = {f"w{number}": SimpleNamespace(job_id=str(100 + number)) for number in range(n)}

    async def close(self) -> None:
        self.closed = True

    def __await__(self) -> Any:
        if self.refusal and self.workers:
            raise RuntimeError(self.refusal)
        yield from ()


async def pending(jobs: Sequence[str]) -> dict[str, tuple[str, str]]:
    return dict.fromkeys(jobs, ("PENDING", "Resources"))


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def state(cluster: FakeCluster) -> ScalingState:
    return ScalingState(lambda _: cluster, pending)


async def test_from_off_to_working_workers_and_back(state: ScalingState, cluster: FakeCluster) -> None:
    await state.start(2, 4)
    assert state.stage is Stage.ON

    await state.look()
    assert [worker.state for worker in state.workers] == ["waiting for a node (Resources)"] * 2

    cluster.joined = {"w0", "w1"}
    await state.look()
    assert [worker.state for worker in state.workers] == ["working"] * 2

    await state.scale(1)
    assert [worker.name for worker in state.workers] == ["w0"]

    await state.stop()
    assert cluster.closed
    assert (state.stage, state.workers) == (Stage.OFF, [])


async def test_a_refusal_leaves_nothing_behind() -> None:
    cluster = FakeCluster(refusal="sbatch: error: QOSMaxCpuPerUserLimit\nsbatch: error: Batch job submission failed")
    state = ScalingState(lambda _: cluster, pending)

    await state.start(2, 4)

    assert state.stage is Stage.OFF
    assert cluster.closed
    assert state.trouble is not None
    assert "more at once" in state.trouble.message


async def test_the_number_of_workers_has_a_limit(state: ScalingState, cluster: FakeCluster) -> None:
    await state.start(10**6, 4)

    assert len(cluster.workers) == MAX_WORKERS


async def test_starting_twice_starts_once(state: ScalingState, cluster: FakeCluster) -> None:
    await state.start(1, 4)
    await state.start(5, 4)

    assert len(cluster.workers) == 1


async def test_a_job_that_vanished_is_not_said_to_wait(state: ScalingState) -> None:
    async def nothing(_: Sequence[str]) -> dict[str, tuple[str, str]]:
        return {}

    state._ask = nothing
    await state.start(1, 4)
    await state.look()

    assert state.workers[0].state.startswith("ended")


async def test_silence_of_slurm_concludes_nothing(state: ScalingState) -> None:
    await state.start(1, 4)
    await state.look()
    before = state.workers

    async def silence(_: Sequence[str]) -> dict[str, tuple[str, str]]:
        raise SlurmUnavailable("Slurm has not answered for 15 s.")

    state._ask = silence
    await state.look()

    assert state.workers == before
    assert state.trouble is not None


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ("sbatch: error: AssocGrpCPUMinutesLimit", "used up"),
        ("sbatch: error: Memory specification can not be satisfied", "that much memory"),
        ("sbatch: error: Something new", "Something new"),
        ("<Traceback> 0x7f", "could not be started"),
    ],
)
def test_refusals_in_words(told: str, words: str) -> None:
    assert words in in_words(RuntimeError(told)).message


def test_our_own_errors_keep_their_words() -> None:
    error = AtriumError("As it is.")

    assert in_words(error) is error
    assert isinstance(in_words(FileNotFoundError("sbatch")), SlurmUnavailable)


def test_no_job_outlives_the_kernel(cluster: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scancel = tmp_path / "scancel"
    scancel.write_text('#!/bin/sh\necho "$@" > "$0.asked"\n')
    scancel.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    cancel_jobs(cluster)
    assert not scancel.with_name("scancel.asked").exists()
    cluster.scale(2)
    cancel_jobs(cluster)

    assert scancel.with_name("scancel.asked").read_text() == "100 101\n"


async def test_squeue_is_asked_once_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    squeue = tmp_path / "squeue"
    squeue.write_text(
        '#!/bin/sh\necho "$@" > "$0.asked"\necho "7|PENDING|QOSMaxCpuPerUserLimit"\necho "8|RUNNING|None"\n'
    )
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    assert await job_states(["7", "8"]) == {"7": ("PENDING", "QOSMaxCpuPerUserLimit"), "8": ("RUNNING", "None")}
    assert "--jobs=7,8" in squeue.with_name("squeue.asked").read_text()
    assert await job_states([]) == {}


# -- from a notebook --------------------------------------------------------------------------------------------------


async def test_only_the_person_can_read_how_to_join_and_only_while_workers_run(state: ScalingState, home: Path) -> None:
    await state.start(1, 4)

    file = home / ".atrium-dask/cluster.json"
    assert json.loads(file.read_text()) == {
        "address": "tls://127.0.0.1:9",
        "tls_ca_file": "CA",
        "tls_client_cert": "C",
        "tls_client_key": "K client",
    }
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)

    await state.stop()
    assert not list(file.parent.iterdir())


def test_a_page_takes_back_its_own_offer_only() -> None:
    first, second = FakeCluster(), FakeCluster()
    second.scheduler_address = "tls://127.0.0.1:10"
    withdraw_first, withdraw_second = offer(first), offer(second)

    withdraw_first()
    assert "127.0.0.1:10" in cluster_file().read_text()
    withdraw_second()
    assert not cluster_file().exists()


def test_joining_nothing_is_one_sentence() -> None:
    with pytest.raises(NoWorkers, match="Start some on the Scale page"):
        join()


async def test_a_notebook_joins_the_workers_of_the_page() -> None:
    from dask.distributed import LocalCluster, Security

    options: dict[str, Any] = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    security = Security.temporary()  # type: ignore[no-untyped-call]
    async with LocalCluster(security=security, asynchronous=True, **options) as cluster:  # type: ignore[no-untyped-call]
        withdraw = offer(cluster)
        client = join(asynchronous=True)
        async with client:
            assert await client.submit(sum, [1, 2]) == 3
        withdraw()


# -- the page ---------------------------------------------------------------------------------------------------------


async def test_what_can_be_pressed_fits_the_stage(state: ScalingState, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Scaling(state, Visitor())
    focused: list[str] = []
    monkeypatch.setattr(page.stop, "focus", lambda: focused.append("stop"))
    monkeypatch.setattr(page.start, "focus", lambda: focused.append("start"))

    await state.start(1, 4)
    assert (page.start.layout.display, page.stop.layout.display, page.memory.disabled) == ("none", "", True)
    await state.stop()
    assert (page.start.layout.display, page.stop.layout.display, page.memory.disabled) == ("", "none", False)

    assert focused == ["stop", "start"]
    assert page.count.min == 1
