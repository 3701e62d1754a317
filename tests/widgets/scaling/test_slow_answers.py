"""Answers of the manager that come late or in another order, and buttons that are pressed twice."""

from __future__ import annotations

import asyncio
import concurrent.futures
from typing import Any

import pytest

from hub.dask.models import ClusterRequest, Estimate, Shape, Size, Training, TrainingRequest
from hub.errors import SlurmError
from tests.widgets.scaling.conftest import cluster_model
from widgets.scaling.clusters_view import ScalingState
from widgets.scaling.training_view import TrainingState

REQUEST = ClusterRequest(shape=Shape(), size=Size.fixed(1))
TRAINING = TrainingRequest(script="train.py")


class SlowClusters:
    """A client whose answers a test gives, by method, in any order."""

    def __init__(self) -> None:
        self.calls: dict[str, list[concurrent.futures.Future[Any]]] = {}

    def __getattr__(self, name: str) -> Any:
        def call(*_arguments: Any) -> Any:
            future: concurrent.futures.Future[Any] = concurrent.futures.Future()
            self.calls.setdefault(name, []).append(future)
            return future.result(5)

        return call

    async def requested(self, name: str, count: int) -> list[concurrent.futures.Future[Any]]:
        async with asyncio.timeout(5):
            while len(self.calls.get(name, ())) < count:
                await asyncio.sleep(0.005)
        return self.calls[name]


@pytest.fixture
def clusters() -> Any:
    return SlowClusters()


@pytest.mark.parametrize("late", [Estimate(workers=1), SlurmError("No.")])
@pytest.mark.parametrize(
    ("kind", "request_", "name"),
    [(ScalingState, REQUEST, "estimate"), (TrainingState, TRAINING, "try_training")],
)
async def test_the_newest_estimate_stays(clusters: Any, kind: Any, request_: Any, name: str, late: Any) -> None:
    state = kind(lambda: clusters)
    first = asyncio.create_task(state.ask(request_))
    await clusters.requested(name, 1)
    second = asyncio.create_task(state.ask(request_))
    older, newer = await clusters.requested(name, 2)
    newer.set_result(Estimate(workers=2))
    await second
    if isinstance(late, SlurmError):
        older.set_exception(late)
    else:
        older.set_result(late)
    await first
    assert state.estimate.workers == 2


async def test_the_newest_list_of_clusters_stays(clusters: Any) -> None:
    state = ScalingState(lambda: clusters)
    first = asyncio.create_task(state.look())
    await clusters.requested("all", 1)
    second = asyncio.create_task(state.look())
    older, newer = await clusters.requested("all", 2)
    newer.set_result([cluster_model()])
    (await clusters.requested("news", 1))[0].set_result(None)
    await second
    older.set_result([])
    (await clusters.requested("news", 2))[1].set_result(None)
    await first
    assert [cluster.name for cluster in state.clusters] == ["dask-1"]


async def test_the_log_of_a_training_before_is_not_shown_under_a_new_one(clusters: Any) -> None:
    state = TrainingState(lambda: clusters)
    old, new = (Training.model_construct(job=job, name="t", words="", over=False) for job in (1, 2))
    look = asyncio.create_task(state.look())
    (await clusters.requested("trainings", 1))[0].set_result([old])
    await clusters.requested("training_log", 1)
    start = asyncio.create_task(state.start(TRAINING))
    (await clusters.requested("train", 1))[0].set_result(2)
    (await clusters.requested("trainings", 2))[1].set_result([new, old])
    logs = await clusters.requested("training_log", 2)
    logs[1].set_result("of the new one")
    await start
    logs[0].set_result("of the old one")
    await look
    assert (state.chosen.job if state.chosen else None, state.log) == (2, "of the new one")


async def test_a_double_press_submits_one_training(clusters: Any) -> None:
    state = TrainingState(lambda: clusters)
    presses = [asyncio.create_task(state.start(TRAINING)) for _ in range(2)]
    (call,) = await clusters.requested("train", 1)
    await asyncio.sleep(0.05)
    assert len(clusters.calls["train"]) == 1
    call.set_exception(SlurmError("No."))
    await asyncio.gather(*presses)
    again = asyncio.create_task(state.start(TRAINING))
    (await clusters.requested("train", 2))[1].set_exception(SlurmError("No."))
    await again


async def test_a_double_press_starts_one_cluster_and_stopping_another_is_not_held_up(clusters: Any) -> None:
    state = ScalingState(lambda: clusters)
    presses = [asyncio.create_task(state.start(REQUEST)) for _ in range(2)]
    (call,) = await clusters.requested("create", 1)
    stop = asyncio.create_task(state.stop("dask-9"))
    (end,) = await clusters.requested("end", 1)
    assert len(clusters.calls["create"]) == 1
    for future in (call, end):
        future.set_exception(SlurmError("No."))
    answering = asyncio.create_task(answer_everything(clusters))
    await asyncio.gather(*presses, stop)
    answering.cancel()


async def answer_everything(clusters: Any) -> None:
    while True:
        for name, answer in (("all", []), ("news", None)):
            for future in clusters.calls.get(name, ()):
                if not future.done():
                    future.set_result(answer)
        await asyncio.sleep(0.005)
