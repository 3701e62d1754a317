"""Data from data spaces: what there is now, said as it is."""

from __future__ import annotations

import asyncio

from markupsafe import Markup
from traitlets import Instance

from hub.client import Api, Me
from widgets.base import Phase, State, View, Visitor, empty, visitor
from widgets.usage import greeting


class DataspaceState(State):
    me = Instance(Me, allow_none=True)

    async def fetch(self, api: Api) -> Phase:
        """Nothing collects catalogues yet, so there is a person and an empty shelf."""
        self.me = await asyncio.to_thread(api.me)
        return Phase.EMPTY


class Dataspace(View):
    loading = "Looking for data sets"
    state: DataspaceState

    def __init__(self, state: DataspaceState | None = None, person: Visitor = visitor) -> None:
        super().__init__(state or DataspaceState(), person)

    def content(self) -> Markup:
        assert self.state.me is not None  # noqa: S101 - the phase EMPTY says so
        return greeting(self.state.me) + empty(
            "There are no data sets here yet",
            "This page will list the data sets of the data spaces this factory takes part in, with what you may do "
            "with each of them.",
            _first_step(self.state.me),
        )


def _first_step(me: Me) -> Markup:
    if not me.projects:
        return Markup("Until then: once you are in a project, data you bring yourself has its place there.")
    return Markup("Until then: bring data of your own to the storage of your project, {}.").format(
        Markup("<code>/projects/{}</code>").format(me.projects[0].slug)
    )
