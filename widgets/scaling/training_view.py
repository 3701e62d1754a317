"""Trainings on several nodes: a form with expected start and cost, the list of trainings, and their logs."""

from __future__ import annotations

import asyncio
import shlex
from typing import Any

from ipywidgets import HTML, BoundedIntText, Button, Dropdown, HBox, Text, VBox
from markupsafe import Markup
from pydantic import ValidationError
from traitlets import Instance, List, Unicode

from hub.client import Api
from hub.dask.models import Estimate, Offer, Training, TrainingRequest, Trouble
from hub.errors import AtriumError, InvalidInput
from widgets.base import AfterAPause, Phase, Superseded, View, Visitor, in_background, notice, visitor
from widgets.fields import first_problem, grid
from widgets.scaling.clusters_view import SETTLE_SECONDS, ManagerState, means

LOOK_SECONDS = 3.0


class TrainingState(ManagerState):
    """Trainings, the log of the selected one, and the estimate for the form."""

    offer = Instance(Offer, allow_none=True)
    trainings = List(Instance(Training))
    estimate = Instance(Estimate, allow_none=True)
    trouble = Instance(AtriumError, allow_none=True)
    chosen = Instance(Training, allow_none=True)
    log = Unicode()

    async def fetch(self, api: Api) -> Phase:
        self.offer = await asyncio.to_thread(self._clusters.offer)
        await self.look()
        return Phase.READY

    async def look(self) -> None:
        """Refresh the list and the log of the selected training."""
        try:
            self.trainings = await self.newest("look", asyncio.to_thread(self._clusters.trainings))
            number = self.chosen.job if self.chosen else None
            training = next((training for training in self.trainings if training.job == number), None)
            self.chosen = training or next(iter(self.trainings), None)
            if self.chosen is not None:
                job = self.chosen.job
                self.log = await self.newest("log", asyncio.to_thread(self._clusters.training_log, job))
        except Superseded:
            return
        except AtriumError as error:
            if error.status != 404:  # no log yet
                self.trouble = error

    async def ask(self, request: TrainingRequest) -> None:
        """Fetch the estimate for a request."""
        try:
            self.estimate = await self.newest("estimate", asyncio.to_thread(self._clusters.try_training, request))
        except Superseded:
            return
        except AtriumError as error:
            self.estimate = Estimate(workers=0, refusal=Trouble(message=error.message, hint=error.hint))

    async def start(self, request: TrainingRequest) -> None:
        """Submit a training; a second press while one is submitted does nothing."""
        await self.once("start", self._start(request))

    async def _start(self, request: TrainingRequest) -> None:
        self.trouble = None
        try:
            job = await asyncio.to_thread(self._clusters.train, request)
        except AtriumError as error:
            self.trouble = error
            return
        self.supersede("log")
        self.chosen, self.log = None, ""
        await self.look()
        self.chosen = next((training for training in self.trainings if training.job == job), None)

    async def stop(self, job: int) -> None:
        """Stop a training; progress after the last checkpoint is lost."""
        await self.once(f"stop {job}", self._stop(job))

    async def _stop(self, job: int) -> None:
        self.trouble = None
        try:
            await asyncio.to_thread(self._clusters.stop_training, job)
        except AtriumError as error:
            self.trouble = error
        await self.look()


class TrainingPanel(View):
    """A form, the list of trainings, and the log of the selected one."""

    loading = "Loading your trainings"
    state: TrainingState

    def __init__(self, state: TrainingState | None = None, person: Visitor = visitor) -> None:
        self._settled = AfterAPause(SETTLE_SECONDS, self._ask)
        super().__init__(state or TrainingState(), person)
        in_background(self._watch())

    def controls(self) -> tuple[Any, ...]:
        style: dict[str, Any] = {"style": {"description_width": "initial"}}

        def number(label: str, value: int, least: int = 0) -> BoundedIntText:
            return BoundedIntText(value, min=least, max=100_000, description=label, tooltip=label, **style)

        self.script = Text(description="Program", placeholder="train.py", tooltip="Path from your home", **style)
        self.arguments = Text(description="Arguments", tooltip="Arguments of the program", **style)
        self.python = Text(
            description="Python", placeholder="this environment's", tooltip="Python with PyTorch", **style
        )
        self.partition = Dropdown(description="Partition", options=[("…", "")], **style)
        self.nodes, self.gpus = number("Nodes", 2, 1), number("GPUs per node", 0)
        self.cores, self.memory = number("Cores per node", 2, 1), number("Memory per node (GB)", 4, 1)
        self.minutes, self.restarts = number("Minutes", 60, 1), number("Automatic restarts after the time limit", 3)
        self.submit = Button(description="Start training", tooltip="Start training", button_style="primary")
        self.stop = Button(description="Stop training", tooltip="Stop training", button_style="danger")
        self.submit.on_click(lambda _: self._submit())
        self.stop.on_click(lambda _: self._stop())
        self.means, self.trainings = HTML(), HTML()
        sizes = (self.nodes, self.gpus, self.cores, self.memory, self.minutes, self.restarts)
        fields = [self.script, self.arguments, self.python, self.partition, *sizes]
        for field in fields:
            field.observe(lambda _: self._changed(), "value")
        self.form = VBox([grid(*fields), self.means, HBox([self.submit, self.stop]), self.trainings])
        return (self.form,)

    @property
    def request(self) -> TrainingRequest:
        """The request of the form. Raises :class:`InvalidInput`."""
        try:
            return TrainingRequest(
                script=self.script.value.strip(),
                arguments=tuple(shlex.split(self.arguments.value)),
                python=self.python.value.strip(),
                partition=self.partition.value or "",
                nodes=self.nodes.value,
                gpus=self.gpus.value,
                cores=self.cores.value,
                memory_gb=self.memory.value,
                minutes=self.minutes.value,
                restarts=self.restarts.value,
            )
        except ValidationError as error:
            raise first_problem(error) from None
        except ValueError:
            raise InvalidInput("The arguments contain an unclosed quotation mark.", field="arguments") from None

    def _submit(self) -> None:
        try:
            in_background(self.state.start(self.request))
        except InvalidInput as error:
            self.state.trouble = error

    def _stop(self) -> None:
        if self.state.chosen is not None:
            in_background(self.state.stop(self.state.chosen.job))

    def _changed(self) -> None:
        self._settled.again()

    def _ask(self) -> None:
        try:
            in_background(self.state.ask(self.request))
        except InvalidInput:
            return

    async def _watch(self) -> None:
        while True:
            if self.state.phase is Phase.READY:
                await self.state.look()
            await asyncio.sleep(LOOK_SECONDS)

    def draw(self) -> None:
        super().draw()
        state = self.state
        ready = state.phase is Phase.READY and not self.person.farewell
        self.form.layout.display = "" if ready else "none"
        if not ready or state.offer is None:
            return
        if not self.partition.value and state.offer.places:
            self.partition.options = [(place.partition, place.partition) for place in state.offer.places]
        self.means.value = str(means(state.estimate, state.offer, "node")) if state.estimate else ""
        self.stop.layout.display = "" if state.chosen and not state.chosen.over else "none"
        self.trainings.value = str(self._trainings_html())

    def _trainings_html(self) -> Markup:
        state = self.state
        markup = notice("bad", state.trouble.message, state.trouble.hint) if state.trouble else Markup("")
        if state.chosen is None:
            return markup
        rows = Markup("").join(
            Markup(
                '<tr><td data-label="Job">{}</td><td data-label="Name">{}</td><td data-label="State">{}</td></tr>'
            ).format(training.job, training.name, training.words)
            for training in state.trainings
        )
        return markup + Markup(
            '<h3>Your trainings</h3><table class="records"><thead><tr><th scope="col">Job</th><th scope="col">Name</th>'
            '<th scope="col">State</th></tr></thead><tbody>{}</tbody></table><h3>Log of job {}</h3>'
            '<pre class="training-log" tabindex="0" aria-label="Log of the training">{}</pre>'
        ).format(rows, state.chosen.job, state.log or "The log starts when the job starts.")

    def content(self) -> Markup:
        return Markup(
            "<h2>Train on several nodes</h2><p>One job with several nodes; on each of them <code>torchrun</code> "
            "starts your program, which needs PyTorch. Before the time limit it gets a signal to write a checkpoint; "
            "the job then restarts and continues from it. The training does not end with this page or your server.</p>"
        )
