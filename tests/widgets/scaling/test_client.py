"""The client for notebooks, without a cluster."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hub.errors import NotFound
from tests.widgets.scaling.conftest import Manager, cluster_model
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
