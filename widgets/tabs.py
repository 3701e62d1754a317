"""Pages of several parts, one of which is shown at a time; each is made when it is first shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ipywidgets import HTML, VBox

from widgets.base import Address, Phase, View, Work, told


class Part(VBox):
    """What a page shows in its place."""

    def draw(self) -> None:
        """Bring it in line with the state."""
        raise NotImplementedError


class PartedView(View):
    """A page whose address within it (``#/…``) says which part is shown."""

    def controls(self) -> tuple[Any, ...]:
        self.address = Address(self.go, self.state)
        self.told = HTML()
        self.place = VBox()
        return (self.address, self.told, self.place)

    def go(self, address: str) -> None:
        """To a place within the page, as the page's script read it from the address."""
        raise NotImplementedError

    def part(self) -> Part:
        """The part to show now."""
        raise NotImplementedError

    def draw(self) -> None:
        super().draw()
        ready = self.state.phase is Phase.READY and not self.person.farewell
        self.told.layout.display = self.place.layout.display = "" if ready else "none"
        if not ready:
            return
        self.told.value = str(told(self.state))
        part = self.part()
        part.draw()
        if self.place.children != (part,):
            self.place.children = (part,)


class PartView(Part):
    """A part that is a form; each page says which state it has."""

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
