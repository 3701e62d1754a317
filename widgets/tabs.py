"""Base of dashboards with several parts, one shown at a time; a part is built when it is first shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ipywidgets import HTML, VBox

from widgets.base import Address, Phase, View, Work, activity
from widgets.fields import ButtonRow, show_outcome


class Part(VBox):
    """One part of a page."""

    def draw(self) -> None:
        """Update the widgets from the state."""
        raise NotImplementedError


class PartedView(View):
    """A page with several parts; the address after ``#/`` selects the part."""

    def controls(self) -> tuple[Any, ...]:
        self.address = Address(self.go, self.state, ButtonRow.forget)
        self.activity = HTML()
        self.place = VBox()
        return (self.address, self.activity, self.place)

    def go(self, address: str) -> None:
        """Open a part of the page; ``address`` is the text after ``#/``."""
        raise NotImplementedError

    def part(self) -> Part:
        """The part to show now."""
        raise NotImplementedError

    def draw(self) -> None:
        super().draw()
        ready = self.state.phase is Phase.READY and not self.person.farewell
        self.activity.layout.display = self.place.layout.display = "" if ready else "none"
        if not ready:
            return
        part = self.part()
        part.draw()
        show_outcome(activity(self.state), self.activity, part)
        if self.place.children != (part,):
            self.place.children = (part,)


class PartView(Part):
    """A part with a form; subclasses declare the type of their state."""

    state: Any

    def __init__(self, view: PartedView) -> None:
        self.view, self.state = view, view.state
        super().__init__(_dom_classes=("step-form",))
        self.children = tuple(self.build())

    def build(self) -> list[Any]:
        raise NotImplementedError

    def do(self, doing: str, work: Work) -> Callable[[], None]:
        """For a button."""
        return self.view.doing(doing, work)
