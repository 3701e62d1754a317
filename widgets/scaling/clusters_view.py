"""The Scale page: a form for new Dask clusters with cost and expected start, and the running clusters.

The clusters belong to the manager of the person's server (``spawners/dask``); closing the page ends nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import anywidget
from ipywidgets import HTML, BoundedIntText, Button, Dropdown, HBox, Text, VBox
from markupsafe import Markup
from pydantic import ValidationError
from traitlets import Dict, Instance, List, Unicode

from hub.client import Api
from hub.dask import models
from hub.dask.models import ClusterChange, ClusterRequest, Estimate, Offer, Shape, Size, Trouble
from hub.errors import AtriumError, HubUnavailable, InvalidInput, SettingsError
from hub.formats import hours
from hub.home.models import Me
from widgets.base import AfterAPause, Phase, State, Superseded, View, Visitor, in_background, notice, visitor
from widgets.fields import first_problem, grid
from widgets.hours import greeting, project_cards
from widgets.scaling.client import Clusters

LIVE_SECONDS = 0.3
QUIET_SECONDS = 2.0
"""Interval while there is no cluster."""
SETTLE_SECONDS = 0.5
"""From the last change of the form to the request for an estimate."""
STATIC = Path(__file__).parent / "static"


class ManagerState(State):
    """Base of states that use the manager of the server's clusters."""

    def __init__(self, clusters: Callable[[], Clusters] = Clusters.here) -> None:
        super().__init__()
        self._find = clusters

    @cached_property
    def _clusters(self) -> Clusters:
        """The client, created on first use: outside of a server, that use fails, not the page."""
        return self._find()


class ScalingState(ManagerState):
    """Clusters, the offer of the cluster, and the estimate for the form."""

    me = Instance(Me, allow_none=True)
    offer = Instance(Offer, allow_none=True)
    estimate = Instance(Estimate, allow_none=True)
    clusters = List(Instance(models.Cluster))
    news = Instance(Trouble, allow_none=True)
    trouble = Instance(AtriumError, allow_none=True)
    busy = Unicode(help="What is being done just now.")
    scripts = Dict(help="Job script by cluster, once asked for.")

    async def fetch(self, api: Api) -> Phase:
        clusters = self._clusters
        self.me, self.offer = await asyncio.gather(asyncio.to_thread(api.me), asyncio.to_thread(clusters.offer))
        await self.look()
        return Phase.READY

    async def look(self) -> None:
        """Update clusters and news; while the manager does not answer, the last values stay."""
        try:
            self.clusters, self.news = await self.newest("look", self._seen())
        except (SettingsError, Superseded):
            return
        except AtriumError as error:
            self.trouble = error
            return
        if isinstance(self.trouble, HubUnavailable):
            self.trouble = None  # it answers again

    async def _seen(self) -> tuple[list[models.Cluster], Trouble | None]:
        clusters = await asyncio.to_thread(self._clusters.all)
        return clusters, await asyncio.to_thread(self._clusters.news)

    async def start(self, request: ClusterRequest) -> None:
        """Start a cluster; a second press while one starts does nothing."""
        activity = "Starting a scheduler and asking Slurm for workers"
        await self.once("start", self._do(activity, lambda: self._clusters.create(request)))

    async def resize(self, name: str, size: Size) -> None:
        await self._do("Asking for another number of workers", lambda: self._change(name, size=size))

    async def pause(self, name: str, paused: bool) -> None:
        activity = "Releasing the workers" if paused else "Asking Slurm for workers"
        await self._do(activity, lambda: self._change(name, paused=paused))

    async def keep(self, name: str) -> None:
        await self._do("Keeping the cluster", lambda: self._change(name, keep=True))

    async def stop(self, name: str) -> None:
        """End a cluster; a second press while it ends does nothing."""
        await self.once(f"stop {name}", self._do(f"Ending {name}", lambda: self._clusters.end(name)))

    async def script(self, name: str) -> None:
        """Fetch the job script of a cluster's workers."""
        try:
            self.scripts = {**self.scripts, name: await asyncio.to_thread(lambda: self._clusters.script(name))}
        except AtriumError as error:
            self.trouble = error

    async def ask(self, request: ClusterRequest) -> None:
        """Fetch the estimate for a request."""
        try:
            self.estimate = await self.newest("estimate", asyncio.to_thread(lambda: self._clusters.estimate(request)))
        except Superseded:
            return
        except AtriumError as error:
            self.estimate = Estimate(workers=0, refusal=Trouble(message=error.message, hint=error.hint))

    def _change(self, name: str, **change: Any) -> models.Cluster:
        return self._clusters.change(name, ClusterChange(**change))

    async def _do(self, activity: str, work: Callable[[], Any]) -> None:
        self.trouble, self.busy = None, activity
        try:
            await asyncio.to_thread(work)
        except AtriumError as error:
            self.trouble = error
        finally:
            self.busy = ""
        await self.look()


class Live(anywidget.AnyWidget):
    """Live cards of the clusters. The browser draws them, so the kernel only sends numbers."""

    _esm = STATIC / "clusters.js"
    _css = STATIC / "clusters.css"
    clusters: List[Any] = List().tag(sync=True)
    scripts = Dict().tag(sync=True)
    hours = Dict(help="Left of the project, by kind.").tag(sync=True)


class Scaling(View):
    """Hours, the running clusters, and a form for a new one."""

    loading = "Loading your hours and clusters"
    state: ScalingState

    def __init__(self, state: ScalingState | None = None, person: Visitor = visitor) -> None:
        self._settled = AfterAPause(SETTLE_SECONDS, self._ask)
        super().__init__(state or ScalingState(), person)
        in_background(self._watch())

    def controls(self) -> tuple[Any, ...]:
        self.live = Live()
        self.live.on_msg(lambda _, message, __: self._on_card_message(message))
        self.notices = HTML()
        self.form = self._form()
        return (self.notices, self.live, self.form)

    def _form(self) -> VBox:
        self.name = Text(description="Name", placeholder="dask-1", tooltip="Name of the cluster, or nothing", **_WIDE)
        self.partition = Dropdown(description="Partition", options=[("…", "")], **_WIDE)
        self.mode = Dropdown(
            description="Size", options=[("Fixed", False), ("Adaptive (follows the work)", True)], **_WIDE
        )
        self.least, self.most = _number("At least", 0, 0), _number("Workers", 2, 1)
        self.cores, self.memory = _number("Cores per worker", 1, 1), _number("Memory per worker (GB)", 2, 1)
        self.gpus = _number("GPUs per worker", 0, 0)
        self.gpu_type = Dropdown(description="GPU type", options=[("any", "")], **_WIDE)
        self.start = Button(description="Start cluster", tooltip="Start cluster", button_style="primary")
        self.start.on_click(lambda _: self._start())
        self.means = HTML()
        shape = (self.partition, self.cores, self.memory, self.gpus, self.gpu_type)
        fields = [*shape, self.mode, self.least, self.most, self.name]
        for field in fields:
            field.observe(lambda _: self._changed(), "value")
        heading = HTML("<h2>New cluster</h2><p>Each worker is a job of its own on the cluster.</p>")
        return VBox([heading, grid(*fields), self.means, HBox([self.start])])

    # -- actions ------------------------------------------------------------------------------------------------------

    @property
    def request(self) -> ClusterRequest:
        """The request of the form. Raises :class:`InvalidInput`."""
        try:
            least = self.least.value if self.mode.value else self.most.value
            return ClusterRequest(
                name=self.name.value.strip(),
                shape=Shape(
                    cores=self.cores.value,
                    memory_gb=self.memory.value,
                    gpus=self.gpus.value,
                    gpu_type=(self.gpu_type.value or "") if self.gpus.value else "",
                    partition=self.partition.value or "",
                ),
                size=Size(minimum=min(least, self.most.value), maximum=self.most.value),
            )
        except ValidationError as error:
            raise first_problem(error) from None

    def _start(self) -> None:
        if self.state.busy:
            return  # not disabled, because a disabled button loses the keyboard focus
        try:
            request = self.request
        except InvalidInput as error:
            self.state.trouble = error
            return
        in_background(self.state.start(request))

    def _changed(self) -> None:
        """Fetch an estimate once the form has not changed for a moment."""
        self.least.layout.display = "" if self.mode.value else "none"
        self.most.description = "At most" if self.mode.value else "Workers"
        self._fit()
        self._settled.again()

    def _ask(self) -> None:
        try:
            in_background(self.state.ask(self.request))
        except InvalidInput:
            return

    def _on_card_message(self, message: Any) -> None:
        """Handle a button of a card; the manager validates the message again."""
        deeds: dict[str, Callable[[], Any]] = {
            "pause": lambda: self.state.pause(message["name"], True),
            "resume": lambda: self.state.pause(message["name"], False),
            "stop": lambda: self.state.stop(message["name"]),
            "keep": lambda: self.state.keep(message["name"]),
            "script": lambda: self.state.script(message["name"]),
            "resize": lambda: self.state.resize(message["name"], Size(**message["size"])),
        }
        try:
            in_background(deeds[message["do"]]())
        except (KeyError, TypeError, ValueError):
            self.state.trouble = InvalidInput("The minimum number of workers is larger than the maximum.")

    async def _watch(self) -> None:
        while True:
            if self.state.phase is Phase.READY:
                await self.state.look()
            await asyncio.sleep(LIVE_SECONDS if self.state.clusters else QUIET_SECONDS)

    # -- display ------------------------------------------------------------------------------------------------------

    def draw(self) -> None:
        super().draw()
        state = self.state
        ready = state.phase is Phase.READY and not self.person.farewell
        for part in (self.notices, self.live, self.form):
            part.layout.display = "" if ready else "none"
        if not ready or state.offer is None:
            return
        self.live.hours = {"cpu": state.offer.cpu_hours, "gpu": state.offer.gpu_hours}
        self.live.scripts = state.scripts
        self.live.clusters = [cluster.model_dump(mode="json") for cluster in state.clusters]
        self.notices.value = str(self._news())
        self.means.value = str(means(state.estimate, state.offer)) if state.estimate else ""
        if not self.partition.value and state.offer.places:
            self.partition.options = [(place.partition, place.partition) for place in state.offer.places]
            self._changed()

    def _fit(self) -> None:
        """Limit the form to the selected partition."""
        places = self.state.offer.places if self.state.offer else ()
        place = next((place for place in places if place.partition == self.partition.value), None)
        if place is None:
            return
        self.cores.max, self.memory.max = place.cores, place.memory_gb
        self.gpus.max = place.gpus
        self.gpus.layout.display = "" if place.gpus else "none"
        self.gpu_type.layout.display = "" if self.gpus.value and len(place.gpu_types) > 1 else "none"
        kinds = ("", *place.gpu_types)
        if kinds != tuple(value for _, value in self.gpu_type.options):
            self.gpu_type.options = [(kind or "any", kind) for kind in kinds]

    def _news(self) -> Markup:
        state = self.state
        markup = Markup("")
        if state.offer and state.offer.trouble:
            markup += notice("bad", state.offer.trouble.message, state.offer.trouble.hint)
        if state.news:
            markup += notice("warn", state.news.message, state.news.hint)
        if state.trouble:
            markup += notice("bad", state.trouble.message, state.trouble.hint)
        if state.busy:
            markup += Markup('<p role="status">{}…</p>').format(state.busy)
        if not state.clusters and not state.busy:
            markup += Markup(
                '<section class="card empty"><h2>You have no cluster</h2><p>A cluster lets Dask compute on many nodes '
                "at once. It belongs to your notebook server: notebooks, this page and JupyterLab’s Dask panel share "
                "it, and it goes on when you close this page. It ends with the server, or after half an hour without "
                "work.</p></section>"
            )
        return markup

    def content(self) -> Markup:
        assert self.state.me is not None  # noqa: S101 - the phase READY says so
        return greeting(self.state.me) + Markup("<h2>Your projects</h2>") + project_cards(self.state.me.projects)


_WIDE: dict[str, Any] = {"style": {"description_width": "initial"}}


def _number(label: str, value: int, least: int) -> BoundedIntText:
    return BoundedIntText(value, min=least, max=models.MOST_WORKERS, description=label, tooltip=label, **_WIDE)


def means(estimate: Estimate, offer: Offer, what: str = "worker") -> Markup:
    """Expected start, cost and hours left."""
    if estimate.refusal:
        return notice("bad", estimate.refusal.message, estimate.refusal.hint)
    rows = [("Starts", _start(estimate)), ("Uses", _uses(estimate, what)), ("Left", _left(estimate, offer))]
    table = Markup("").join(Markup("<dt>{}</dt><dd>{}</dd>").format(*row) for row in rows)
    markup = Markup('<div role="status"><dl class="means">{}</dl></div>').format(table)
    return markup + (notice("warn", estimate.reason, f"You would get {estimate.workers}.") if estimate.reason else "")


def _start(estimate: Estimate) -> str:
    if estimate.start is None:
        return "not known"
    wait = (estimate.start - datetime.now(UTC)).total_seconds()
    return "at once" if wait < 60 else f"in about {_span(wait)}, as Slurm expects now"


def _uses(estimate: Estimate, what: str) -> str:
    gpu = f" and {hours(estimate.gpu_per_hour)} of GPU" if estimate.gpu_per_hour else ""
    workers = f"{estimate.workers} {what}{'s' if estimate.workers != 1 else ''}"
    return f"{hours(estimate.cpu_per_hour)} of CPU{gpu} each hour with {workers}"


def _left(estimate: Estimate, offer: Offer) -> str:
    kinds = (("CPU", offer.cpu_hours, True), ("GPU", offer.gpu_hours, estimate.gpu_per_hour > 0))
    amounts = " and ".join(f"{hours(value)} of {kind}" for kind, value, counts in kinds if counts and value is not None)
    if not amounts:
        return "the project’s hours are not limited"
    if estimate.hours_end is None:
        return amounts
    return f"{amounts}, enough for {_span((estimate.hours_end - datetime.now(UTC)).total_seconds())} of this"


def _span(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"
