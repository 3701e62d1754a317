"""The scaling page and what notebooks use of clusters, without a cluster: what they ask for, know and say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub.dask import models
from hub.dask.models import (
    ClusterPhase,
    ClusterRequest,
    Estimate,
    Offer,
    Place,
    Shape,
    Size,
    Tasks,
    Trouble,
    Worker,
    WorkerPhase,
)
from hub.errors import AtriumError, HubUnavailable, InvalidInput, NotFound, SettingsError
from hub.home.models import Me
from widgets.base import Phase, Visitor
from widgets.scaling.client import Cluster, Clusters
from widgets.scaling.clusters_view import Scaling, ScalingState, means

ME = {"name": "maria", "display_name": "Maria", "roles": [], "projects": []}
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


def told(name: str = "dask-1", **more: Any) -> models.Cluster:
    worker = Worker(name=f"{name}-0", job="7", phase=WorkerPhase.WAITING, words="Others are before you in the queue.")
    known: dict[str, Any] = {
        "phase": ClusterPhase.ON,
        "shape": Shape(),
        "size": Size.fixed(1),
        "since": datetime(2026, 11, 24, tzinfo=UTC),
        "workers": (worker,),
        "tasks": Tasks(),
    }
    return models.Cluster(name=name, **(known | more))


class Manager:
    """What the server's manager answers, and what it was asked."""

    def __init__(self) -> None:
        self.clusters: dict[str, models.Cluster] = {}
        self.asked: list[tuple[str, str, Any]] = []
        self.refusal: AtriumError | None = None
        self.silent = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.silent:
            raise httpx.ConnectError("nobody")
        body = json.loads(request.content or b"null")
        self.asked.append((request.method, request.url.path, body))
        if self.refusal and request.method != "GET":
            error = {"message": self.refusal.message, "field": None, "hint": self.refusal.hint}
            return httpx.Response(self.refusal.status, json={"error": error})
        answers: dict[str, Callable[[], Any]] = {
            "/offer": lambda: OFFER.model_dump(mode="json"),
            "/news": lambda: None,
            "/estimate": lambda: Estimate(workers=2, cpu_per_hour=2).model_dump(mode="json"),
            "/clusters": lambda: self._all(request.method, body),
        }
        if request.url.path in answers:
            return httpx.Response(200, text=json.dumps(answers[request.url.path]()))
        return self._one(request, body)

    def _all(self, method: str, body: Any) -> Any:
        if method == "POST":
            self.clusters["dask-1"] = told(size=Size(**body["size"]))
            return self.clusters["dask-1"].model_dump(mode="json")
        return [one.model_dump(mode="json") for one in self.clusters.values()]

    def _one(self, request: httpx.Request, body: Any) -> httpx.Response:
        name, _, what = request.url.path.removeprefix("/clusters/").partition("/")
        if name not in self.clusters:
            error = {"message": f"There is no cluster {name} (any more).", "field": None, "hint": "Start a new one."}
            return httpx.Response(404, json={"error": error})
        if what == "script":
            return httpx.Response(200, json={"script": "#!/bin/sh"})
        if request.method == "DELETE":
            del self.clusters[name]
            return httpx.Response(204)
        if request.method == "PATCH" and body.get("paused"):
            self.clusters[name] = told(phase=ClusterPhase.PAUSED, workers=())
        return httpx.Response(200, json=self.clusters[name].model_dump(mode="json"))


@pytest.fixture
def manager() -> Manager:
    return Manager()


@pytest.fixture
def clusters(manager: Manager) -> Clusters:
    return Clusters(httpx.MockTransport(manager))


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


async def test_from_nothing_to_a_cluster_paused_and_gone(state: ScalingState, manager: Manager) -> None:
    await state.load(FakeApi())  # type: ignore[arg-type]
    assert (state.phase, state.clusters) == (Phase.READY, [])

    await state.start(ClusterRequest(size=Size.fixed(3)))
    assert [one.size.maximum for one in state.clusters] == [3]
    await state.pause("dask-1", True)
    assert state.clusters[0].phase is ClusterPhase.PAUSED
    await state.script("dask-1")
    assert state.scripts == {"dask-1": "#!/bin/sh"}
    await state.stop("dask-1")
    assert state.clusters == []
    assert ("PATCH", "/clusters/dask-1", {"size": None, "paused": True, "keep": False}) in manager.asked


async def test_a_refusal_is_told_with_what_to_do(state: ScalingState, manager: Manager) -> None:
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


async def test_the_form_offers_what_one_can_have(state: ScalingState) -> None:
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


async def test_a_name_that_cannot_be_one_is_refused_before_anything_is_asked(
    state: ScalingState, manager: Manager
) -> None:
    page = await ready(state)
    page.name.value = "My cluster; rm"
    page.start.click()

    assert state.trouble is not None
    assert "small letters" in state.trouble.message
    assert not [asked for asked in manager.asked if asked[:2] == ("POST", "/clusters")]


async def test_while_something_is_done_the_button_keeps_the_keyboard_and_starts_nothing(
    state: ScalingState, manager: Manager
) -> None:
    page = await ready(state)
    state.busy = "Starting a scheduler"
    page.start.click()
    await asyncio.sleep(0.05)

    assert not page.start.disabled
    assert not [asked for asked in manager.asked if asked[:2] == ("POST", "/clusters")]


async def test_the_browser_gets_numbers_and_the_text_stays_as_it_is(state: ScalingState) -> None:
    page = await ready(state)
    await state.start(ClusterRequest())
    text, drawn = page.text.value, page.live.clusters
    state.clusters = [told(tasks=Tasks(done=9))]

    assert page.text.value == text
    assert (drawn[0]["tasks"]["done"], page.live.clusters[0]["tasks"]["done"]) == (0, 9)


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"do": "format", "name": "x"},
        {"do": "stop"},
        {"do": "resize", "name": "x", "size": {"minimum": 3, "maximum": 1}},
    ],
)
async def test_what_a_browser_makes_up_does_nothing(
    state: ScalingState, manager: Manager, message: dict[str, Any]
) -> None:
    page = await ready(state)
    before = len(manager.asked)

    page._told(message)
    await asyncio.sleep(0)

    assert [asked for asked in manager.asked[before:] if asked[0] != "GET"] == []


async def test_buttons_of_a_card_do_what_they_say(state: ScalingState, manager: Manager) -> None:
    page = await ready(state)
    await state.start(ClusterRequest())
    page._told({"do": "resize", "name": "dask-1", "size": {"minimum": 0, "maximum": 4}})

    async def asked() -> None:
        while not [one for one in manager.asked if one[0] == "PATCH"]:
            await asyncio.sleep(0.01)

    await asyncio.wait_for(asked(), 5)
    [body] = [body for method, _, body in manager.asked if method == "PATCH"]
    assert body["size"] == {"minimum": 0, "maximum": 4}


def test_what_a_choice_means_in_sentences() -> None:
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


# -- notebooks --------------------------------------------------------------------------------------------------------


def test_a_notebook_makes_scales_pauses_and_stops(clusters: Clusters, manager: Manager) -> None:
    with Cluster(workers=(0, 4), memory_gb=4, clusters=clusters) as cluster:
        assert cluster.name == "dask-1"
        cluster.scale(2)
        cluster.pause()
        assert "1 workers" not in repr(cluster)

    bodies = [body for method, _, body in manager.asked if method in ("POST", "PATCH")]
    assert bodies[0]["size"] == {"minimum": 0, "maximum": 4}
    assert bodies[0]["shape"]["memory_gb"] == 4
    assert bodies[1]["size"] == {"minimum": 2, "maximum": 2}
    assert manager.clusters == {}
    cluster.stop()  # twice is no error


def test_the_newest_is_joined_unless_one_is_named(clusters: Clusters, manager: Manager) -> None:
    manager.clusters = {
        "a": told("a", since=datetime(2026, 11, 25, tzinfo=UTC)),
        "b": told("b", since=datetime(2026, 11, 24, tzinfo=UTC)),
    }
    assert Cluster.join(clusters=clusters).name == "a"
    assert Cluster.join("b", clusters=clusters).name == "b"


def test_joining_nothing_is_one_sentence(clusters: Clusters) -> None:
    with pytest.raises(NotFound, match="You have no cluster"):
        Cluster.join(clusters=clusters)
    with pytest.raises(NotFound, match="There is no cluster x"):
        Cluster.join("x", clusters=clusters)
