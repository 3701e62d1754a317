"""The Scale page, without a cluster."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.dask.models import (
    ClusterPhase,
    ClusterRequest,
    Estimate,
    Size,
    Tasks,
    Trouble,
)
from hub.errors import HubUnavailable, InvalidInput, SettingsError
from hub.home.models import Me
from tests.widgets.scaling.conftest import OFFER, Manager, cluster_model
from widgets.base import Phase, Visitor
from widgets.scaling.client import Clusters
from widgets.scaling.clusters_view import STATIC, Scaling, ScalingState, means

ME = {"name": "maria", "display_name": "Maria", "roles": [], "projects": []}


@pytest.fixture
def state(clusters: Clusters) -> ScalingState:
    return ScalingState(lambda: clusters)


class FakeApi:
    def me(self) -> Me:
        return Me.model_validate(ME)


async def ready(state: ScalingState) -> Scaling:
    page = Scaling(state, Visitor())
    await state.load(FakeApi())  # type: ignore[arg-type]
    return page


# -- state ------------------------------------------------------------------------------------------------------------


async def test_a_cluster_is_started_paused_and_stopped(state: ScalingState, manager: Manager) -> None:
    await state.load(FakeApi())  # type: ignore[arg-type]
    assert (state.phase, state.clusters) == (Phase.READY, [])

    await state.start(ClusterRequest(size=Size.fixed(3)))
    assert [cluster.size.maximum for cluster in state.clusters] == [3]
    await state.pause("dask-1", True)
    assert state.clusters[0].phase is ClusterPhase.PAUSED
    await state.script("dask-1")
    assert state.scripts == {"dask-1": "#!/bin/sh"}
    await state.stop("dask-1")
    assert state.clusters == []
    assert ("PATCH", "/clusters/dask-1", {"size": None, "paused": True, "keep": False}) in manager.requests


async def test_a_refusal_is_shown_with_a_hint(state: ScalingState, manager: Manager) -> None:
    manager.refusal = InvalidInput("Not even one such worker is possible.", hint="Ask for smaller ones.")

    await state.start(ClusterRequest())

    assert state.trouble is not None
    assert (state.trouble.message, state.trouble.hint) == (manager.refusal.message, manager.refusal.hint)
    assert state.busy == ""


async def test_silence_concludes_nothing(state: ScalingState, manager: Manager) -> None:
    await state.start(ClusterRequest())
    before = state.clusters
    manager.silent = True

    await state.look()

    assert state.clusters == before
    assert isinstance(state.trouble, HubUnavailable)

    manager.silent = False
    await state.look()
    assert state.trouble is None


async def test_outside_of_a_server_the_page_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    state = ScalingState()

    await state.load(FakeApi())  # type: ignore[arg-type]

    assert state.phase is Phase.ERROR
    assert isinstance(state.problem, SettingsError)


# -- page -------------------------------------------------------------------------------------------------------------


async def test_the_form_offers_the_limits_of_the_partition(state: ScalingState) -> None:
    page = await ready(state)

    assert [value for _, value in page.partition.options] == ["batch", "gpu"]
    assert (page.cores.max, page.memory.max, page.gpus.layout.display) == (16, 32, "none")
    page.partition.value = "gpu"
    assert (page.gpus.max, page.gpus.layout.display) == (4, "")
    assert page.gpu_type.layout.display == "none", "while no GPU is asked for"
    page.gpus.value = 1
    assert (page.gpu_type.layout.display, page.request.shape.gpu_type) == ("", "")
    page.gpu_type.value = "l40s"
    assert page.request.shape.gpu_type == "l40s"
    page.partition.value = "batch"
    assert (page.request.shape.gpus, page.request.shape.gpu_type) == (0, "")


async def test_fixed_or_by_work(state: ScalingState) -> None:
    page = await ready(state)
    page.most.value = 5
    assert page.request.size == Size.fixed(5)
    page.mode.value = True
    page.least.value = 1
    assert page.request.size == Size(minimum=1, maximum=5)


async def test_an_invalid_name_is_refused_before_any_request(state: ScalingState, manager: Manager) -> None:
    page = await ready(state)
    page.name.value = "My cluster; rm"
    page.start.click()

    assert state.trouble is not None
    assert "lowercase letters" in state.trouble.message
    assert not [request for request in manager.requests if request[:2] == ("POST", "/clusters")]


async def test_while_something_is_done_the_button_keeps_the_keyboard_and_starts_nothing(
    state: ScalingState, manager: Manager
) -> None:
    page = await ready(state)
    state.busy = "Starting a scheduler"
    page.start.click()
    await asyncio.sleep(0.05)

    assert not page.start.disabled
    assert not [request for request in manager.requests if request[:2] == ("POST", "/clusters")]


async def test_the_browser_gets_numbers_and_the_text_stays_as_it_is(state: ScalingState) -> None:
    page = await ready(state)
    await state.start(ClusterRequest())
    text, cards = page.text.value, page.live.clusters
    state.clusters = [cluster_model(tasks=Tasks(done=9))]

    assert page.text.value == text
    assert (cards[0]["tasks"]["done"], page.live.clusters[0]["tasks"]["done"]) == (0, 9)


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"do": "format", "name": "x"},
        {"do": "stop"},
        {"do": "resize", "name": "x", "size": {"minimum": 3, "maximum": 1}},
    ],
)
async def test_an_invalid_message_from_the_browser_does_nothing(
    state: ScalingState, manager: Manager, message: dict[str, Any]
) -> None:
    page = await ready(state)
    before = len(manager.requests)

    page._on_card_message(message)
    await asyncio.sleep(0)

    assert [request for request in manager.requests[before:] if request[0] != "GET"] == []


async def test_buttons_of_a_card_do_what_they_say(state: ScalingState, manager: Manager) -> None:
    page = await ready(state)
    await state.start(ClusterRequest())
    page._on_card_message({"do": "resize", "name": "dask-1", "size": {"minimum": 0, "maximum": 4}})

    async def change_requested() -> None:
        while not [request for request in manager.requests if request[0] == "PATCH"]:
            await asyncio.sleep(0.01)

    await asyncio.wait_for(change_requested(), 5)
    [body] = [body for method, _, body in manager.requests if method == "PATCH"]
    assert body["size"] == {"minimum": 0, "maximum": 4}


def test_an_estimate_is_shown_in_sentences() -> None:
    now = datetime.now(UTC)
    estimate = Estimate(
        start=now + timedelta(minutes=10),
        workers=4,
        reason="gpu gives one person 4 GPUs.",
        cpu_per_hour=8,
        hours_end=now + timedelta(hours=12, seconds=30),
    )
    text = str(means(estimate, OFFER))

    assert "in about 10 min" in text
    assert "8\N{NO-BREAK SPACE}h of CPU each hour with 4 workers" in text
    assert "enough for 12 h of this" in text
    assert "You would get 4." in text


def test_a_refusal_is_all_there_is_to_say() -> None:
    estimate = Estimate(workers=0, refusal=Trouble(message="<b>No</b>", hint="Ask less."))

    assert "&lt;b&gt;No&lt;/b&gt; Ask less." in str(means(estimate, OFFER))


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js, as the proxy does")
def test_an_emptied_field_is_no_number_of_workers(tmp_path: Path) -> None:
    (tmp_path / "clusters.mjs").write_text((STATIC / "clusters.js").read_text())
    script = """
        const { sizeOf } = await import("./clusters.mjs");
        const fields = [["1", "4"], ["0", "0"], ["", "4"], ["1", ""], [" ", "4"], ["1.5", "4"], ["-1", "4"]];
        console.log(JSON.stringify(fields.map(([least, most]) => sizeOf(least, most))));
    """
    argv = [str(shutil.which("node")), "--input-type=module", "--eval", script]
    answer = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60).stdout
    one_to_four, none = {"minimum": 1, "maximum": 4}, {"minimum": 0, "maximum": 0}
    assert json.loads(answer) == [one_to_four, none, None, None, None, None, None]
