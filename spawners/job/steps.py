"""A start that takes long: which step of it is not over, and the sentences about it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from hub.language import mark
from hub.slurm.steps import StartStep
from spawners.job.background import in_background

PATIENCE_SECONDS = 60.0
"""How long a start takes before the waiting page names its step."""
LOOK_SECONDS = 15.0

DOING = {
    StartStep.UNKNOWN: mark(
        "Nothing of it can be read in its log: the node has not begun the job yet, or your home directory does not "
        "answer."
    ),
    StartStep.HOME: mark("It is still looking at your home directory and the projects' storage."),
    StartStep.ENVIRONMENT: mark("It is still loading the programs of its environment."),
    StartStep.SERVER: mark("It is still loading JupyterLab's settings and extensions."),
    StartStep.ANNOUNCE: mark("It runs, and has not reached this gateway from its node yet."),
}
"""For the waiting page."""

HUNG = {
    StartStep.UNKNOWN: mark(
        "The job started{on_node}, but nothing of it could be read in its log after {patience}, so it was ended: its "
        "node did not begin it, or your home directory does not answer."
    ),
    StartStep.HOME: mark(
        "The job started{on_node}, but your home directory or the projects' storage did not answer within {patience}, "
        "so it was ended."
    ),
    StartStep.ENVIRONMENT: mark(
        "The job started{on_node}, but the programs of its environment{environment} were not loaded after {patience}, "
        "so it was ended."
    ),
    StartStep.SERVER: mark(
        "The job started{on_node}, but JupyterLab's settings and extensions were not loaded after {patience}, so it "
        "was ended."
    ),
    StartStep.ANNOUNCE: mark(
        "The server ran{on_node}, but did not reach this gateway from there within {patience}, so it was ended."
    ),
}
"""For the verdict."""

_AGAIN = mark("Start it again, which may get another node. Report it if it stays like this.")
TODO = {
    StartStep.UNKNOWN: _AGAIN,
    StartStep.HOME: _AGAIN,
    StartStep.ENVIRONMENT: mark("Start it again, or choose another environment. Report it if it stays like this."),
    StartStep.SERVER: mark("The last lines below say more. Start it again; report it if that does not help."),
    StartStep.ANNOUNCE: _AGAIN,
}
"""What to do after the verdict."""


class StepWatch:
    """Looks at the step of a start that takes long.

    :param look: returns the step.
    """

    def __init__(self, look: Callable[[], Awaitable[StartStep]]) -> None:
        self._look = look
        self._task: asyncio.Task[None] | None = None
        self.step: StartStep | None = None
        """None while the start does not take long."""

    def begin(self) -> None:
        """Begin with a start's first second on its node."""
        self.end()
        self._task = in_background(self._run())

    def end(self) -> None:
        """End; safe to call twice."""
        if self._task is not None:
            self._task.cancel()
        self._task = self.step = None

    async def _run(self) -> None:
        await asyncio.sleep(PATIENCE_SECONDS)
        while True:
            self.step = await self._look()
            await asyncio.sleep(LOOK_SECONDS)
