"""Base of all steps: fields that are filled from the state, read back, and marked with errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ipywidgets import HTML, VBox
from markupsafe import Markup

from hub.calls.models import Source
from hub.client import Api
from widgets.base import View, Work
from widgets.fields import Field, date_words
from widgets.onboarding.state import TITLES, OnboardingState, Step
from widgets.typed_text import TypedMark


class StepForm(VBox):
    """One step. Subclasses make their widgets in :meth:`build`, once, when the step is first shown."""

    step: Step

    def __init__(self, view: View, state: OnboardingState) -> None:
        self.view, self.state = view, state
        super().__init__(_dom_classes=("step-form",))
        self.mark = TypedMark(whole=True)
        self.children = (*self.build(), self.mark)

    def build(self) -> list[Any]:
        raise NotImplementedError

    def fill(self) -> None:
        """Fill the fields from the saved state."""

    def changes(self) -> dict[str, Any]:
        """Application fields from the form; raises :class:`widgets.fields.Invalid`."""
        return {}

    async def keep(self, api: Api, go_to: Step) -> None:
        await self.state.keep(api, self.changes(), go_to=go_to)

    def draw(self) -> None:
        """Update everything except the fields' values from the state."""
        self._draw_mark()
        complaints = self.state.complaints
        for field in fields_of(self):
            field.complain(complaints.get(field.name, ""))

    def _draw_mark(self) -> None:
        summary = self.state.application.summary if self.state.application else None
        application = f"application/{summary.id}" if summary else "new"
        self.mark.show(
            f"onboarding {summary.id if summary else 'new'} {self.step}",
            person=self.state.me.name if self.state.me else "",
            stored=self.state.stored,
            filled=self.state.filled,
            title=f"{summary.reference if summary else 'New application'}: {TITLES[self.step]}",
            place=f"{application}/{self.step}",
        )

    def do(self, doing: str, work: Work) -> Callable[[], None]:
        """A button's action with the API, without a change of the step."""
        return lambda: self.view.do(doing, work)


def fields_of(box: VBox) -> Iterator[Field]:
    """The fields anywhere in a step."""
    for child in box.children:
        if isinstance(child, Field):
            yield child
        elif hasattr(child, "children"):
            yield from fields_of(child)


def show(html: HTML, markup: Markup | str) -> None:
    """Set the widget's value only if it changed, to avoid a message to the browser."""
    if html.value != str(markup):
        html.value = str(markup)


def cited(source: Source | None) -> Markup:
    """The source of a figure, its date, and whether the figure is confirmed."""
    if source is None:
        return Markup("")
    title = (
        Markup('<a href="{}" rel="noreferrer">{}</a>').format(source.url, source.title)
        if source.url
        else (Markup("{}").format(source.title))
    )
    return Markup('<span class="source">Source: {}, as of {}. {}</span>').format(
        title, date_words(source.as_of), source.doubt
    )


def items(sentences: tuple[str, ...], kind: str = "") -> Markup:
    if not sentences:
        return Markup("")
    inside = Markup("").join(Markup("<li>{}</li>").format(sentence) for sentence in sentences)
    return Markup('<ul class="{}">{}</ul>').format(kind, inside)
