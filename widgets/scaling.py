"""Dask workers on the cluster, from a page: as jobs of the person, paid by their project."""

from __future__ import annotations

import asyncio
import atexit
import os
import shutil
import subprocess
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from ipywidgets import HTML, BoundedIntText, Button, HBox
from markupsafe import Markup
from traitlets import Instance, List, UseEnum

from hub.client import Api, Me
from hub.errors import AtriumError, SlurmError, SlurmUnavailable
from widgets.base import Phase, State, View, Visitor, in_background, notice, visitor
from widgets.usage import greeting, project_cards
from widgets.workers import Reachable, private_directory
from widgets.workers import offer as offer_workers

MAX_WORKERS = 32
DEADLINE_SECONDS = 15.0
POLL_SECONDS = 3.0

WORDS = {
    "PENDING": "waiting for a node",
    "CONFIGURING": "node is being prepared",
    "RUNNING": "starting",
    "COMPLETING": "ending",
}
"""Slurm's word for a worker's job that has not joined yet -> ours."""


class Stage(StrEnum):
    OFF = "off"
    STARTING = "starting"
    ON = "on"
    STOPPING = "stopping"


class Worker(NamedTuple):
    name: str
    job: str
    state: str


class Cluster(Reachable, Protocol):
    """What the page needs of :class:`dask_jobqueue.SLURMCluster`."""

    @property
    def workers(self) -> dict[Any, Any]: ...
    @property
    def scheduler_info(self) -> dict[str, Any]: ...

    def scale(self, n: int) -> Any: ...
    def close(self) -> Any: ...
    def __await__(self) -> Any: ...


def project_cluster(memory_gb: int) -> Cluster:
    """A cluster without workers: its jobs run under the account and in the partition of this server's own job.

    Sockets are TLS with certificates made for this cluster alone: without, everybody on the node could run code in it.
    """
    from dask_jobqueue import SLURMCluster

    keys = tempfile.mkdtemp(prefix="keys-", dir=private_directory())  # Dask leaves them behind
    atexit.register(shutil.rmtree, keys, ignore_errors=True)
    cluster: Cluster = SLURMCluster(
        cores=1,
        processes=1,
        memory=f"{memory_gb}GB",
        account=os.environ.get("SLURM_JOB_ACCOUNT"),
        security=True,
        shared_temp_directory=keys,
        asynchronous=True,
    )
    atexit.register(cancel_jobs, cluster)
    return cluster


def cancel_jobs(cluster: Cluster) -> None:
    """The kernel ends (its page was closed): no job outlives it, above all none that still waits for a node."""
    jobs = [str(job.job_id) for job in cluster.workers.values() if job.job_id]
    if jobs:
        with suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(["scancel", *jobs], timeout=4, check=False)


async def job_states(jobs: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Job id -> Slurm's state and reason; jobs that have ended are not in it."""
    if not jobs:
        return {}
    argv = ["squeue", "--noheader", "--format=%i|%T|%r", f"--jobs={','.join(jobs)}"]
    try:
        squeue = await asyncio.create_subprocess_exec(
            *argv, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
    except OSError as error:
        raise SlurmUnavailable("Slurm's commands are not installed here.") from error
    try:
        text, _ = await asyncio.wait_for(squeue.communicate(), DEADLINE_SECONDS)
    except TimeoutError as error:
        squeue.kill()
        raise SlurmUnavailable(f"Slurm has not answered for {DEADLINE_SECONDS:.0f} s.") from error
    rows = (line.split("|", 2) for line in text.decode().splitlines())
    return {job: (state, reason) for job, state, reason in rows}


class ScalingState(State):
    """One cluster at most: off, starting, on, stopping."""

    me = Instance(Me, allow_none=True)
    stage = UseEnum(Stage, Stage.OFF)
    workers = List(Instance(tuple))
    trouble = Instance(AtriumError, allow_none=True)

    def __init__(
        self,
        make: Callable[[int], Cluster] = project_cluster,
        ask: Callable[[Sequence[str]], Awaitable[dict[str, tuple[str, str]]]] = job_states,
        offer: Callable[[Cluster], Callable[[], None]] = offer_workers,
    ) -> None:
        super().__init__()
        self._make = make
        self._ask = ask
        self._offer = offer
        self._withdraw: Callable[[], None] | None = None
        self._cluster: Cluster | None = None

    async def fetch(self, api: Api) -> Phase:
        self.me = await asyncio.to_thread(api.me)
        return Phase.READY

    async def start(self, workers: int, memory_gb: int) -> None:
        """Start a cluster and ask for workers; if that fails, nothing is left behind."""
        if self.stage is not Stage.OFF:
            return
        self.stage, self.trouble = Stage.STARTING, None
        try:
            self._cluster = self._make(memory_gb)
            await self._cluster
            await self._scale(workers)
            self._withdraw = self._offer(self._cluster)
        except Exception as error:  # whatever Dask, the network or Slurm say: told in words, and cleaned up
            self.trouble = in_words(error)
            await self.stop()
            return
        self.stage = Stage.ON

    async def scale(self, workers: int) -> None:
        """Have this many workers from now on."""
        if self.stage is not Stage.ON:
            return
        self.trouble = None
        try:
            await self._scale(workers)
        except Exception as error:
            self.trouble = in_words(error)
        await self.look()

    async def _scale(self, workers: int) -> None:
        assert self._cluster is not None  # noqa: S101 - only called with one
        self._cluster.scale(max(1, min(workers, MAX_WORKERS)))
        await self._cluster  # raises what submitting a job raised

    async def stop(self) -> None:
        """End all workers and the scheduler. What they hold in memory is gone."""
        cluster, self._cluster = self._cluster, None
        if cluster is None:
            self.stage = Stage.OFF
            return
        self.stage = Stage.STOPPING
        if self._withdraw is not None:
            self._withdraw()
            self._withdraw = None
        try:
            await asyncio.wait_for(cluster.close(), 2 * DEADLINE_SECONDS)
        except Exception as error:
            self.trouble = self.trouble or in_words(error)
        self.workers, self.stage = [], Stage.OFF

    async def look(self) -> None:
        """Bring the list of workers up to date."""
        cluster = self._cluster
        if cluster is None:
            return
        jobs = {str(name): str(job.job_id) for name, job in cluster.workers.items() if job.job_id}
        joined = {str(worker["name"]) for worker in cluster.scheduler_info["workers"].values()}
        try:
            known = await self._ask([job for name, job in jobs.items() if name not in joined])
        except SlurmUnavailable as error:
            self.trouble = error
            return
        self.workers = [
            Worker(name, job, "working" if name in joined else _words(known.get(job)))
            for name, job in sorted(jobs.items())
        ]


def _words(known: tuple[str, str] | None) -> str:
    if known is None:
        return "ended; its job's log says why"
    state, reason = known
    words = WORDS.get(state, state.lower())
    return f"{words} ({reason})" if state == "PENDING" and reason not in ("None", "") else words


def in_words(error: Exception) -> AtriumError:
    """Dask's and Slurm's errors as a sentence."""
    text = str(error)
    if isinstance(error, AtriumError):
        return error
    if isinstance(error, FileNotFoundError):
        return SlurmUnavailable("Slurm's commands are not installed here.", hint="Report the problem.")
    for sign, sentence, hint in REFUSALS:
        if sign in text:
            return SlurmError(sentence, hint=hint)
    told = [line.removeprefix("sbatch: error: ") for line in text.splitlines() if line.startswith("sbatch: error: ")]
    return SlurmError(f"Slurm refused the workers: {told[0]}" if told else "The workers could not be started.")


REFUSALS = (
    ("QOSMax", "You asked for more at once than one person may have.", "Ask for fewer workers."),
    ("AssocGrp", "The project's hours are used up.", "Ask the lead of the project for more."),
    ("Invalid account", "Your project is not known to Slurm yet.", "Try again in a minute."),
    ("Memory specification", "No node has that much memory.", "Ask for less memory per worker."),
    ("Requested node configuration", "No node has that much memory.", "Ask for less memory per worker."),
)
"""What Slurm says (part of it), what that means, what to do."""


SNIPPET = """\
from widgets.workers import join

client = join()"""
"""What a notebook of the same person runs in order to use the workers."""


class Scaling(View):
    """Hours, a form (workers, memory), start and stop, and the workers with their states."""

    loading = "Looking up your hours"
    state: ScalingState
    shown = Stage.OFF
    """The stage the page was last drawn in."""

    def __init__(self, state: ScalingState | None = None, person: Visitor = visitor) -> None:
        super().__init__(state or ScalingState(), person)
        in_background(self._watch())

    def controls(self) -> tuple[Any, ...]:
        self.count = _number("Workers", MAX_WORKERS)
        self.memory = _number("Memory per worker (GB)", 256)
        self.start = _button("Start workers", self._start, "primary")
        self.scale = _button("Change number of workers", self._scale, "primary")
        self.stop = _button("Stop all workers", self._stop, "danger")
        self.form = HBox([self.count, self.memory])
        self.buttons = HBox([self.start, self.scale, self.stop])
        self.use = HTML(str(_how_to_use()))  # apart from the text, which is drawn anew while it is being copied from
        return (self.form, self.buttons, self.use)

    def _start(self, _: Button) -> None:
        in_background(self.state.start(self.count.value, self.memory.value))

    def _scale(self, _: Button) -> None:
        in_background(self.state.scale(self.count.value))

    def _stop(self, _: Button) -> None:
        in_background(self.state.stop())

    async def _watch(self) -> None:
        while True:
            await self.state.look()
            await asyncio.sleep(POLL_SECONDS)

    def draw(self) -> None:
        super().draw()
        stage = self.state.stage
        ready = self.state.phase is Phase.READY and not self.person.farewell
        off = stage in (Stage.OFF, Stage.STARTING)
        self.form.layout.display = self.buttons.layout.display = "" if ready else "none"
        self.start.layout.display = "" if off else "none"
        self.scale.layout.display = self.stop.layout.display = "none" if off else ""
        self.use.layout.display = "" if ready and stage is Stage.ON else "none"
        self.start.disabled = stage is Stage.STARTING
        self.scale.disabled = self.stop.disabled = stage is Stage.STOPPING
        self.count.disabled = stage in (Stage.STARTING, Stage.STOPPING)
        self.memory.disabled = stage is not Stage.OFF
        self._move_focus(stage)

    def _move_focus(self, stage: Stage) -> None:
        """The button that was pressed is gone or has had its turn: go on at the one that comes next."""
        before, self.shown = self.shown, stage
        if stage is not before and stage is Stage.ON:
            self.stop.focus()
        elif stage is not before and stage is Stage.OFF:
            self.start.focus()

    def content(self) -> Markup:
        assert self.state.me is not None  # noqa: S101 - the phase READY says so
        trouble = self.state.trouble
        return (
            greeting(self.state.me)
            + Markup("<h2>Your projects</h2>")
            + project_cards(self.state.me.projects)
            + Markup('<h2>Your workers</h2><div role="status">{}</div>').format(self._workers())
            + (notice("bad", trouble.message, trouble.hint) if trouble else Markup(""))
        )

    def _workers(self) -> Markup:
        if self.state.stage is Stage.STARTING:
            return Markup("<p>Starting: your workers are being asked for at Slurm…</p>")
        if self.state.stage is Stage.STOPPING:
            return Markup("<p>Stopping your workers…</p>")
        if self.state.stage is Stage.OFF:
            return Markup(
                "<p>None are running. Each worker is a job on the cluster with one core and uses your project's CPU "
                "hours. They end when you stop them or close this page.</p>"
            )
        if not self.state.workers:
            return CLOSING + Markup("<p>Your workers are being handed to Slurm. They will be listed here.</p>")
        rows = Markup("").join(
            Markup("<tr>{}{}{}</tr>").format(
                _cell("Worker", worker.name), _cell("Job", worker.job), _cell("State", worker.state)
            )
            for worker in self.state.workers
        )
        return CLOSING + Markup(
            '<table class="records"><thead><tr><th scope="col">Worker</th><th scope="col">Job</th>'
            '<th scope="col">State</th></tr></thead><tbody>{}</tbody></table>'
        ).format(rows)


CLOSING = Markup(
    "<p><strong>Keep this page open:</strong> closing it ends your workers, with all they hold in memory. "
    "To change their memory, stop them first.</p>"
)


def _how_to_use() -> Markup:
    """A click into the lines selects all of them."""
    return Markup(
        "<h2>Use your workers</h2><p>Copy these lines into a notebook of yours in JupyterLab and run them. "
        "From then on Dask computes there on your workers.</p>"
        '<pre tabindex="0" aria-label="Lines for a notebook"><code style="user-select: all">{}</code></pre>'
    ).format(SNIPPET)


def _number(label: str, largest: int) -> BoundedIntText:
    return BoundedIntText(2, min=1, max=largest, description=label, style={"description_width": "initial"})


def _button(words: str, click: Callable[[Button], None], style: str) -> Button:
    button = Button(description=words, tooltip=words, button_style=style)
    button.on_click(click)
    return button


def _cell(label: str, text: str) -> Markup:
    return Markup('<td data-label="{}">{}</td>').format(label, text)
