"""Step 5: data, the AI Act self-check, ethics and civilian use."""

from __future__ import annotations

from typing import Any

from ipywidgets import HTML, VBox
from markupsafe import Markup

from hub.applications.models import DataNeeds, Declaration, Form, SelfCheck
from hub.calls.models import Outcome, Question, Source
from hub.client import Api
from widgets.base import notice
from widgets.fields import (
    adding,
    button,
    buttons,
    check,
    checked,
    date_words,
    fieldset,
    line,
    paragraphs,
    row,
    yes_no,
)
from widgets.onboarding.form import StepForm, cited, items, show
from widgets.onboarding.state import Step

MOST_DATASETS = 50
_KINDS = {
    Outcome.PROHIBITED: "bad",
    Outcome.BECOMES_PROHIBITED: "bad",
    Outcome.HIGH_RISK: "warn",
    Outcome.GPAI: "warn",
    Outcome.TRANSPARENCY: "info",
}


class DatasetRow(VBox):
    def __init__(self, place: int, remove: Any) -> None:
        self.title = line(f"data.datasets.{place}.title", "Data set")
        self.url = line(f"data.datasets.{place}.url", "Web address (optional)")
        drop = button("Remove this data set", lambda: remove(self))
        super().__init__([row(self.title, self.url), buttons(drop)], _dom_classes=("repeated",))


class Declarations(StepForm):
    step = Step.DECLARATIONS

    def build(self) -> list[Any]:
        programme = self.state.programme
        assert programme is not None  # noqa: S101 - steps are made when the page is ready
        self.datasets = VBox()
        self.personal = yes_no("data.personal_data", "Does the project use personal data?")
        self.remarks = paragraphs("data.remarks", "Remarks on data (optional)", rows=3)
        data = fieldset(
            "Data you need",
            self.datasets,
            buttons(adding("Add a data set", self._add)),
            self.personal,
            self.remarks,
            about=DATA_SPACES,
        )
        self.questions = {
            question.id: yes_no(f"ai_act.{question.id}", question.text, _hint(question))
            for question in programme.ai_act.questions
        }
        self.result = HTML()
        self_check = fieldset(
            "EU AI Act self-check",
            *self.questions.values(),
            buttons(button("Check my answers", self.do("Saving your answers", self._answer), "info")),
            self.result,
            about=programme.ai_act.advice,
        )
        self.issues = paragraphs(
            "declaration.issues", "Ethics", "Ethical questions that your work raises, and how you address them.", rows=4
        )
        self.civilian = check("declaration.civilian_use", "The use is for civilian purposes only.")
        self.truthful = check("declaration.truthful", "The information in this application is true.")
        declaration = fieldset("Ethics and civilian use", self.issues, self.civilian, self.truthful)
        return [data, self_check, declaration]

    def _add(self) -> None:
        if len(self.datasets.children) < MOST_DATASETS:
            self.datasets.children = (
                *self.datasets.children,
                DatasetRow(len(self.datasets.children), self._remove),
            )

    def _remove(self, removed_row: DatasetRow) -> None:
        datasets = [
            (dataset_row.title.value, dataset_row.url.value)
            for dataset_row in self.datasets.children
            if dataset_row is not removed_row
        ]
        self._fill_datasets(datasets)

    def _fill_datasets(self, datasets: list[tuple[str, str]]) -> None:
        self.datasets.children = ()
        for title, url in datasets:
            self._add()
            self.datasets.children[-1].title.value, self.datasets.children[-1].url.value = title, url

    async def _answer(self, api: Api) -> None:
        await self.state.keep(api, self.changes())

    def fill(self) -> None:
        form = self.state.form
        self._fill_datasets([(dataset.title, dataset.url) for dataset in form.data.datasets])
        self.personal.value = form.data.personal_data
        self.remarks.value = form.data.remarks
        for name, question in self.questions.items():
            question.value = form.ai_act.get(name)
        self.issues.value = form.declaration.issues
        self.civilian.value, self.truthful.value = form.declaration.civilian_use, form.declaration.truthful

    def changes(self) -> dict[str, Any]:
        datasets = [
            {"title": dataset_row.title.value, "url": dataset_row.url.value.strip()}
            for dataset_row in self.datasets.children
        ]
        needs = {
            "datasets": [dataset for dataset in datasets if dataset["title"] or dataset["url"]],
            "personal_data": self.personal.value,
            "remarks": self.remarks.value,
        }
        declaration = {
            "issues": self.issues.value,
            "civilian_use": self.civilian.value,
            "truthful": self.truthful.value,
        }
        answers = {name: value for name, value in self.state.form.ai_act.items() if name not in self.questions}
        answers |= {name: question.value for name, question in self.questions.items() if question.value is not None}
        return {
            "data": checked(DataNeeds, needs, "data.").model_dump(),
            "declaration": checked(Declaration, declaration, "declaration.").model_dump(),
            "ai_act": checked(Form, {"ai_act": answers}).ai_act,
        }

    def draw(self) -> None:
        super().draw()
        programme, application = self.state.programme, self.state.application
        if programme is not None and application is not None:
            show(self.result, self_check(application.self_check, self.state.source(programme.ai_act.source)))


def _hint(question: Question) -> str:
    applies = f", applies from {date_words(question.applies_from)}" if question.applies_from else ""
    return f"{question.article}, AI Act{applies}"


def self_check(result: SelfCheck, source: Source | None) -> Markup:
    """The outcome, the consequence of each yes, remarks on the model, and the note that it is advice."""
    kind = _KINDS.get(result.outcome, "ok") if result.outcome else "info"
    means = Markup("").join(
        Markup("<li><p><strong>{}</strong> · {}</p><p>{} {}</p></li>").format(
            finding.article, finding.question, finding.consequence, cited(finding.source)
        )
        for finding in result.findings
    )
    return Markup('{}<ul class="card-list">{}</ul>{}<p class="quiet">{} {}</p>').format(
        notice(kind, result.summary), means, items(result.remarks, "remarks"), result.advice, cited(source)
    )


DATA_SPACES = Markup(
    'What is in the <a href="dataspaces.ipynb">data spaces</a> needs no upload; or bring data of your own to the '
    "storage of your project later."
)
