"""Step 6: summary, missing fields, PDF and submission."""

from __future__ import annotations

from typing import Any

from ipywidgets import HTML
from markupsafe import Markup

from hub.client import Api
from widgets.base import pdf_link
from widgets.fields import button, buttons, fieldset
from widgets.onboarding import summary
from widgets.onboarding.form import StepForm, show
from widgets.onboarding.state import TITLES, OnboardingState, Step, step_of


class Submit(StepForm):
    step = Step.SUBMIT

    def build(self) -> list[Any]:
        self.missing = HTML()
        self.whole = HTML()
        self.pdf = HTML()
        self.submit = button("Submit the application", self.do("Submitting", self.state.submit), "primary")
        make = button("Create a PDF of the draft", self.do("Creating the PDF", self._document))
        return [
            self.missing,
            self.whole,
            fieldset("Submit", buttons(self.submit, make), self.pdf, about=WHAT_HAPPENS),
        ]

    async def _document(self, api: Api) -> None:
        await self.state.make_document(api, None)

    def draw(self) -> None:
        super().draw()
        state = self.state
        gaps = state.application.gaps if state.application else ()
        self.submit.disabled = state.application is None or bool(gaps)
        self.submit.tooltip = "Complete the missing items above first" if gaps else "Submit the application"
        show(self.missing, missing(state))
        show(self.pdf, pdf_link(state.document, state.document_name))
        draft = state.as_submitted
        if state.programme is not None and draft is not None:
            show(self.whole, summary.application(state.programme, draft))


WHAT_HAPPENS = (
    "Reviewers see the application exactly as you submit it. They may request changes: you then edit it and "
    "submit it again. You get a mail whenever its state changes, and this page shows it."
)


def missing(state: OnboardingState) -> Markup:
    """Missing fields, each with a link to its step."""
    if state.application is None:
        return Markup("")
    if not state.application.gaps:
        return Markup(
            '<div class="notice ok" role="status"><p>Nothing is missing. Check your answers, then submit.</p></div>'
        )
    todo = Markup("").join(
        Markup('<li>{} <a href="#/step/{}">{}</a></li>').format(
            gap.message, step_of(gap.field), TITLES[step_of(gap.field)]
        )
        for gap in state.application.gaps
    )
    return Markup('<section class="card part"><h3>Still to do</h3><ul class="todo">{}</ul></section>').format(todo)
