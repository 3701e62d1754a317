"""A fake of the clusters' manager over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from hub.dask import models
from hub.dask.models import ClusterPhase, Estimate, Offer, Place, Shape, Size, Tasks, Worker, WorkerPhase
from hub.errors import AtriumError
from widgets.scaling.client import Clusters

OFFER = Offer(
    account="steel",
    places=(
        Place(partition="batch", cores=16, memory_gb=32, gpus=0),
        Place(partition="gpu", cores=16, memory_gb=32, gpus=4, gpu_types=("a100", "l40s")),
    ),
    cpu_hours=100,
    gpu_hours=None,
    seconds_left=7200,
)


def cluster_model(name: str = "dask-1", **more: Any) -> models.Cluster:
    worker = Worker(name=f"{name}-0", job="7", phase=WorkerPhase.WAITING, words="Others are before you in the queue.")
    fields: dict[str, Any] = {
        "phase": ClusterPhase.ON,
        "shape": Shape(),
        "size": Size.fixed(1),
        "since": datetime(2026, 11, 24, tzinfo=UTC),
        "workers": (worker,),
        "tasks": Tasks(),
    }
    return models.Cluster(name=name, **(fields | more))


class Manager:
    """Fake manager of the server's clusters; records the requests it gets."""

    def __init__(self) -> None:
        self.clusters: dict[str, models.Cluster] = {}
        self.requests: list[tuple[str, str, Any]] = []
        self.refusal: AtriumError | None = None
        self.silent = False

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if self.silent:
            raise httpx2.ConnectError("nobody")
        body = json.loads(request.content or b"null")
        self.requests.append((request.method, request.url.path, body))
        if self.refusal and request.method != "GET":
            error = {"message": self.refusal.message, "field": None, "hint": self.refusal.hint}
            return httpx2.Response(self.refusal.status, json={"error": error})
        answers: dict[str, Callable[[], Any]] = {
            "/offer": lambda: OFFER.model_dump(mode="json"),
            "/news": lambda: None,
            "/estimate": lambda: Estimate(workers=2, cpu_per_hour=2).model_dump(mode="json"),
            "/clusters": lambda: self._all(request.method, body),
        }
        if request.url.path in answers:
            return httpx2.Response(200, text=json.dumps(answers[request.url.path]()))
        return self._cluster(request, body)

    def _all(self, method: str, body: Any) -> Any:
        if method == "POST":
            self.clusters["dask-1"] = cluster_model(size=Size(**body["size"]))
            return self.clusters["dask-1"].model_dump(mode="json")
        return [cluster.model_dump(mode="json") for cluster in self.clusters.values()]

    def _cluster(self, request: httpx2.Request, body: Any) -> httpx2.Response:
        name, _, what = request.url.path.removeprefix("/clusters/").partition("/")
        if name not in self.clusters:
            error = {"message": f"There is no cluster {name} (any more).", "field": None, "hint": "Start a new one."}
            return httpx2.Response(404, json={"error": error})
        if what == "script":
            return httpx2.Response(200, json={"script": "#!/bin/sh"})
        if request.method == "DELETE":
            del self.clusters[name]
            return httpx2.Response(200, json={"name": name, "jobs": [], "trouble": None})
        if request.method == "PATCH" and body.get("paused"):
            self.clusters[name] = cluster_model(phase=ClusterPhase.PAUSED, workers=())
        return httpx2.Response(200, json=self.clusters[name].model_dump(mode="json"))


@pytest.fixture
def manager() -> Manager:
    return Manager()


@pytest.fixture
def clusters(manager: Manager) -> Clusters:
    return Clusters(httpx2.MockTransport(manager))
