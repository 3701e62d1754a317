"""Step 2: sector, goal and use case, with helpers nearby."""

from __future__ import annotations

from typing import Any

from ipywidgets import HTML
from markupsafe import Markup

from hub.applications.models import Form
from hub.calls.models import GOAL_WORDS, Helper, HelperKind
from hub.client import Api
from widgets.fields import checked, choice, fieldset, line, paragraphs, row
from widgets.onboarding.form import StepForm, cited, show
from widgets.onboarding.state import OnboardingState, Step

GOALS = tuple((words, goal) for goal, words in GOAL_WORDS.items())
KINDS = {
    HelperKind.TEF: "Testing and Experimentation Facility",
    HelperKind.EDIH: "European Digital Innovation Hub",
    HelperKind.NCC: "National Competence Centre",
    HelperKind.NATIONAL: "National AI initiative",
}


class Purpose(StepForm):
    step = Step.PURPOSE

    def build(self) -> list[Any]:
        programme = self.state.programme
        assert programme is not None  # noqa: S101 - steps are made when the page is ready
        self.title = line("title", "Title of the project")
        self.sector = choice("sector", "Sector", [(sector.title, sector.id) for sector in programme.sectors])
        self.goal = choice("goal", "What you want to do", GOALS)
        self.use_case = paragraphs(
            "use_case", "Use case", "Describe the problem, the method and who benefits. At least 50 characters.", rows=8
        )
        self.nearby = HTML()
        self.sector.control.observe(lambda _: self._look(), "value")
        return [
            fieldset("Your project", row(self.title, self.sector, self.goal), self.use_case),
            self.nearby,
        ]

    def fill(self) -> None:
        form = self.state.form
        self.title.value, self.use_case.value = form.title, form.use_case
        self.goal.value = form.goal
        self.sector.value = form.sector
        self._look()

    def changes(self) -> dict[str, Any]:
        values = {
            "title": self.title.value,
            "sector": self.sector.value,
            "goal": self.goal.value,
            "use_case": self.use_case.value,
        }
        return checked(Form, values).model_dump(include=set(values))

    def _look(self) -> None:
        async def find(api: Api) -> None:
            await self.state.find_helpers(api, self.sector.value)

        self.view.aside(find)

    def draw(self) -> None:
        super().draw()
        show(self.nearby, nearby(self.state))


def nearby(state: OnboardingState) -> Markup:
    """Helpers for the sector and country, each with link, source and date."""
    if not state.helpers:
        return Markup("")
    return Markup(
        '<section class="card"><h3>Helpers nearby</h3><p>They match your sector and country, and advise you free of '
        'charge.</p><ul class="card-list">{}</ul></section>'
    ).format(Markup("").join(_helper(state, helper) for helper in state.helpers))


def _helper(state: OnboardingState, helper: Helper) -> Markup:
    return Markup('<li><p><a href="{}" rel="noreferrer">{}</a> · {}</p><p>{} {}</p></li>').format(
        helper.url, helper.name, KINDS[helper.kind], helper.about, cited(state.source(helper.source))
    )
