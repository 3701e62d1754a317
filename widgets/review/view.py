"""The review desk: the queue, and one application at a time in its submitted version."""

from __future__ import annotations

from markupsafe import Markup

from widgets.base import (
    Visitor,
    visitor,
)
from widgets.hours import greeting
from widgets.review.case import CaseView
from widgets.review.desk import Desk
from widgets.review.state import ReviewState
from widgets.tabs import Part, PartedView


class ReviewDesk(PartedView):
    loading = "Loading the review queue"
    state: ReviewState

    def __init__(self, state: ReviewState | None = None, person: Visitor = visitor) -> None:
        self.desk: Desk | None = None
        self.case: CaseView | None = None
        super().__init__(state or ReviewState(), person)

    def go(self, address: str) -> None:
        what, _, which = address.strip("/").partition("/")
        if what == "case" and which.isdigit():
            self.do("Opening", lambda api: self.state.open(api, int(which)))
        elif what == "queue":
            self.state.close()

    def part(self) -> Part:
        if self.state.entry is None:
            self.desk = self.desk or Desk(self, self.state)
            return self.desk
        self.case = self.case or CaseView(self, self.state)
        return self.case

    def content(self) -> Markup:
        assert self.state.me is not None  # noqa: S101 - the phase READY says so
        entry = self.state.entry
        if entry is None:
            head = Markup('<h2 tabindex="-1" data-arrived="queue">Review queue</h2>')
        else:
            head = Markup(
                '<p><a href="#/queue">Back to the queue</a></p><h2 tabindex="-1" data-arrived="case {}">{}: {}</h2>'
            ).format(entry.id, entry.reference, entry.title or entry.organisation)
        return greeting(self.state.me) + head
