"""The data-space page: an anywidget that draws the state and sends the actions of the visitor."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from anywidget import AnyWidget
from markupsafe import Markup
from pydantic import BaseModel
from traitlets import Dict, Unicode

from hub.errors import AtriumError
from widgets.base import Phase, Superseded, View, Visitor, in_background, visitor
from widgets.dataspace.state import DataspaceState
from widgets.hours import greeting

HERE = Path(__file__).parent
LOOK_SECONDS = 3.0

SHOWN = (
    *("me", "answer", "suggestions", "values", "record", "snippets", "preview", "saved", "transfers"),
    *("publications", "uploads", "sources", "runs", "working", "done", "trouble", "failed"),
)
"""Traits of the state that are sent to the browser."""


class Front(AnyWidget):
    """The part in the browser. ``page_state``: the traits of the state that it shows, as JSON."""

    _esm = (HERE / "front.js").read_text()
    _css = (HERE / "front.css").read_text()

    page_state = Dict().tag(sync=True)
    hub_url = Unicode().tag(sync=True)
    address_bar = Unicode("yes").tag(sync=True)
    """Whether the search is kept in the page's address; not in a notebook."""


class Dataspace(View):
    """Search, records, saved searches, transfers, publications and, for admins, sources."""

    loading = "Loading data sets"
    state: DataspaceState

    def __init__(
        self, state: DataspaceState | None = None, person: Visitor = visitor, *, own_page: bool = True
    ) -> None:
        self.front = Front(hub_url=os.environ.get("ATRIUM_HUB_URL", "/hub/"), address_bar="yes" if own_page else "no")
        self.front.on_msg(self._on_message)
        super().__init__(state or DataspaceState(), person)
        self.state.observe(self._tell, names=list(SHOWN))
        self._watching = False

    def controls(self) -> tuple[Any, ...]:
        return (self.front,)

    def content(self) -> Markup:
        assert self.state.me is not None  # noqa: S101 - the phase READY says so
        return greeting(self.state.me)

    def draw(self) -> None:
        super().draw()
        ready = self.state.phase is Phase.READY and not self.person.farewell
        self.front.layout.display = "" if ready else "none"

    def _tell(self, change: Any) -> None:
        self.front.page_state = {**self.front.page_state, change["name"]: plain(change["new"])}

    def _on_message(self, _front: Any, message: Any, _buffers: Any) -> None:
        if self.person.api is not None and isinstance(message, dict):
            in_background(self._do(message))

    async def _do(self, message: dict[str, Any]) -> None:
        assert self.person.api is not None  # noqa: S101 - asked just before
        await self.state.do(self.person.api, message)
        if (self.state.something_moves or self.state.something_is_harvested) and not self._watching:
            in_background(self._watch())

    async def _watch(self) -> None:
        """Poll transfers, and harvests for an admin, until none is in progress."""
        self._watching = True
        state = self.state
        try:
            while (state.something_moves or state.something_is_harvested) and not self.person.farewell:
                await asyncio.sleep(LOOK_SECONDS)
                if self.person.api is None:
                    return
                with suppress(Superseded):
                    if state.something_moves:
                        await state.refresh_transfers(self.person.api)
                    if state.something_is_harvested:
                        await state.refresh_sources(self.person.api)
        except AtriumError as error:
            self.state.failed, self.state.trouble = "transfers", error
        finally:
            self._watching = False


def plain(value: Any) -> Any:
    """A JSON-serialisable copy; an error becomes its message, hint and field."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, AtriumError):
        return {"message": value.message, "hint": value.hint, "field": value.field}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value
