"""The client for notebooks, without a cluster."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hub.dask.models import ClusterPhase, Trouble, Worker, WorkerPhase
from hub.errors import NotFound, SlurmError
from tests.widgets.scaling.conftest import Manager, cluster_model
from widgets.scaling import client as module
from widgets.scaling.client import Cluster, Clusters


def test_a_notebook_makes_scales_pauses_and_stops(clusters: Clusters, manager: Manager) -> None:
    with Cluster(workers=(0, 4), memory_gb=4, clusters=clusters) as cluster:
        assert cluster.name == "dask-1"
        cluster.scale(2)
        cluster.pause()
        assert "1 workers" not in repr(cluster)

    bodies = [body for method, _, body in manager.requests if method in ("POST", "PATCH")]
    assert bodies[0]["size"] == {"minimum": 0, "maximum": 4}
    assert bodies[0]["shape"]["memory_gb"] == 4
    assert bodies[0]["directory"] == str(Path.cwd()), "where modules beside the notebook are"
    assert bodies[1]["size"] == {"minimum": 2, "maximum": 2}
    assert manager.clusters == {}
    cluster.stop()  # twice is no error


def test_join_without_a_name_takes_the_newest_cluster(clusters: Clusters, manager: Manager) -> None:
    manager.clusters = {
        "a": cluster_model("a", since=datetime(2026, 11, 25, tzinfo=UTC)),
        "b": cluster_model("b", since=datetime(2026, 11, 24, tzinfo=UTC)),
    }
    assert Cluster.join(clusters=clusters).name == "a"
    assert Cluster.join("b", clusters=clusters).name == "b"


def test_join_without_clusters_raises_a_clear_error(clusters: Clusters) -> None:
    with pytest.raises(NotFound, match="You have no cluster"):
        Cluster.join(clusters=clusters)
    with pytest.raises(NotFound, match="There is no cluster x"):
        Cluster.join("x", clusters=clusters)


# -- waiting for workers ----------------------------------------------------------------------------------------------

REFUSED = Trouble(message="You may not use this project here.", hint="Choose another one.")


def joined(clusters: Clusters, monkeypatch: pytest.MonkeyPatch, never_joins: bool = True) -> Cluster:
    """A cluster whose workers have joined, or do not."""
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)
    cluster = Cluster.join("dask-1", clusters)

    def wait_for_workers(_workers: int, timeout: float) -> None:
        if never_joins:
            raise TimeoutError(f"Only 0/1 workers arrived after {timeout}")

    cluster._client = SimpleNamespace(wait_for_workers=wait_for_workers)  # type: ignore[assignment]
    return cluster


@pytest.mark.parametrize(
    "state",
    [
        {"trouble": REFUSED, "workers": ()},
        {"trouble": REFUSED, "workers": (Worker(name="w-0", job="", phase=WorkerPhase.WAITING),)},
        {"trouble": REFUSED, "workers": (Worker(name="w-0", job="7", phase=WorkerPhase.LOST),)},
        {"phase": ClusterPhase.PAUSED, "workers": ()},
    ],
)
def test_nobody_waits_for_workers_that_do_not_come(
    clusters: Clusters, manager: Manager, monkeypatch: pytest.MonkeyPatch, state: dict[str, Any]
) -> None:
    manager.clusters["dask-1"] = cluster_model(**state)
    with pytest.raises(SlurmError) as refused:
        joined(clusters, monkeypatch).wait(1, timeout=60)
    assert refused.value.hint
    if "trouble" in state:
        assert refused.value.message == REFUSED.message


def test_a_wait_that_was_too_long_says_why_they_wait(
    clusters: Clusters, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager.clusters["dask-1"] = cluster_model(trouble=Trouble(message="You have 1 of the 4 workers."))
    with pytest.raises(TimeoutError, match=r"0 of 1 workers .* Others are before you in the queue"):
        joined(clusters, monkeypatch).wait(1, timeout=0.05)


def test_workers_that_have_joined_end_the_wait(
    clusters: Clusters, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager.clusters["dask-1"] = cluster_model()
    joined(clusters, monkeypatch, never_joins=False).wait(1)
