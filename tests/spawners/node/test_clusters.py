"""The server's side of its clusters."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from spawners.node.clusters import Gate, panel_model
from spawners.node.job_context import JobContext


def test_a_cluster_in_the_words_of_the_dask_panel() -> None:
    worker = {"phase": "working", "memory_limit": 2**30}
    cluster = {
        "name": "dask-1",
        "address": "tls://node:1",
        "dashboard": "/user/maria/atrium/clusters/dask-1/dashboard/",
        "shape": {"cores": 2},
        "size": {"minimum": 0, "maximum": 4},
        "workers": [worker, worker, {"phase": "waiting", "memory_limit": 0}],
    }

    assert panel_model(cluster) == {
        "id": "dask-1",
        "name": "dask-1",
        "scheduler_address": "tls://node:1",
        "dashboard_link": "/user/maria/atrium/clusters/dask-1/dashboard/status",
        "workers": 2,
        "cores": 4,
        "memory": "2.0 GiB",
        "adapt": {"minimum": 0, "maximum": 4},
    }


@pytest.mark.parametrize(
    ("runs", "answer", "computes"),
    [
        (True, '[{"tasks": {"processing": 0}}, {"tasks": {"processing": 2}}]', True),
        (True, '[{"tasks": {"processing": 0}}]', False),
        (True, "not JSON", False),
        (False, "", False),
    ],
)
async def test_a_server_whose_cluster_works_is_not_idle(
    context: JobContext, monkeypatch: pytest.MonkeyPatch, runs: bool, answer: str, computes: bool
) -> None:
    gate = Gate(context)

    async def ask(_: str) -> Any:
        assert runs, "a manager is not started for that"
        return SimpleNamespace(body=answer.encode())

    monkeypatch.setattr(Gate, "runs", property(lambda _: runs))
    monkeypatch.setattr(gate, "ask", ask)
    assert await gate.compute() is computes
