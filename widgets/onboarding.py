"""Where a person stands, and the next step for them."""

from __future__ import annotations

import asyncio
import os
from typing import NamedTuple

from markupsafe import Markup
from traitlets import Instance

from hub.client import Api, Me
from widgets.base import Phase, State, View, Visitor, empty, visitor
from widgets.usage import hours_left, project_cards


class Step(NamedTuple):
    """What to do next: a sentence, and a place to do it."""

    words: str
    label: str = ""
    path: str = ""
    """Below the Hub's address."""


class OnboardingState(State):
    me = Instance(Me, allow_none=True)

    async def fetch(self, api: Api) -> Phase:
        self.me = await asyncio.to_thread(api.me)
        return Phase.READY if self.me.projects else Phase.EMPTY

    @property
    def next_step(self) -> Step:
        """The one thing that brings this person further."""
        projects = self.me.projects if self.me else ()
        if not projects:
            return Step("Ask the lead of a project to add you to it; then its hours and its storage are yours to use.")
        if not any(project.cpu.left > 0 or project.gpu.left > 0 for project in projects):
            return Step("The hours of your projects are used up. Ask the lead of a project for more.")
        if not any(project.cpu.used or project.gpu.used for project in projects):
            return Step("Start your first notebook: it runs on a node of the cluster.", "Start a notebook", "spawn")
        return Step("Go on in your notebook, or start one.", "Open your notebook", "user-redirect/lab")


class Onboarding(View):
    """Greeting, projects, next step."""

    loading = "Looking up your projects"
    state: OnboardingState

    def __init__(self, state: OnboardingState | None = None, person: Visitor = visitor) -> None:
        super().__init__(state or OnboardingState(), person)

    def content(self) -> Markup:
        me = self.state.me
        assert me is not None  # noqa: S101 - the phases READY and EMPTY say so
        if self.state.phase is Phase.EMPTY:
            return greeting(me) + empty(
                "You are in no project yet",
                "A project gives you hours on the cluster, storage, and colleagues to share both with.",
                self.state.next_step.words,
            )
        return (
            greeting(me)
            + Markup("<h2>Next for you</h2><p>{}</p>{}").format(
                self.state.next_step.words, _button(self.state.next_step)
            )
            + Markup("<h2>Your projects</h2>")
            + project_cards(me.projects)
        )


def greeting(me: Me) -> Markup:
    """Says hello, and tells the frame (``theme.js``) whose page this is: both are known only now."""
    return Markup('<p class="words" data-frame-person="{name}" data-frame-hours="{hours}">Welcome, {name}.</p>').format(
        name=me.display_name, hours=hours_left(me.projects)
    )


def _button(step: Step) -> Markup:
    if not step.path:
        return Markup("")
    return Markup('<p class="actions"><a class="button primary" href="{}">{}</a></p>').format(
        os.environ.get("ATRIUM_HUB_URL", "/hub/") + step.path, step.label
    )
