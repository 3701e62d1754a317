"""Step 3: the access mode, with reasons for and against each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ipywidgets import HTML
from markupsafe import Markup

from hub.applications.models import Form
from hub.calls.facts import facts
from hub.calls.models import AccessMode, CallState, CallStatus, Condition, ModeAdvice, Need, PriceAdvice
from hub.calls.prices import price_for
from hub.client import Api
from hub.errors import InvalidInput
from hub.formats import quantity
from widgets.base import ask, moment
from widgets.fields import button, buttons, checked, choice, fieldset, row, whole, yes_no
from widgets.onboarding.form import StepForm, cited, items, show
from widgets.onboarding.purpose import GOALS
from widgets.onboarding.state import Step

URGENCY = (("Within a week", 7), ("Within two weeks", 14), ("Within a month", 30), ("Within three months", 90))


class Mode(StepForm):
    step = Step.MODE

    def build(self) -> list[Any]:
        self.goal = choice("goal", "What you want to do", GOALS)
        self.gpu_hours = whole("resources.gpu_hours", "GPU hours (estimate)")
        self.cpu_hours = whole("resources.cpu_hours", "Core hours (estimate)")
        self.months = whole("need.months", "Duration in months", value=3)
        self.urgency = choice("need.starts_within_days", "When you want to start", URGENCY, first="No hurry")
        self.conditions = {
            condition.id: yes_no(f"conditions.{condition.id}", condition.question) for condition in self._conditions()
        }
        for field in self.conditions.values():
            field.control.observe(lambda _: self.draw(), "value")
        self.advice = HTML()
        self.call = choice("call", "Call to apply to", [], "The rules of the call are checked when you submit.")
        self.note = HTML()
        self.call.control.observe(lambda _: self.draw(), "value")
        return [
            fieldset(
                "Advice",
                row(self.goal, self.gpu_hours, self.cpu_hours, self.months, self.urgency),
                *self.conditions.values(),
                buttons(button("Compare access modes", self.do("Comparing the access modes", self._advise), "info")),
                self.advice,
                about="From your goal, size, hurry and organisation. You will work out the hours on the next step; "
                "a rough number is enough here.",
            ),
            fieldset("Your choice", row(self.call), self.note),
        ]

    def _conditions(self) -> list[Condition]:
        """What modes ask of some kinds of organisations."""
        programme = self.state.programme
        return [condition for mode in programme.modes for condition in mode.conditions] if programme else []

    def _answers(self) -> dict[str, bool]:
        """Answers to the conditions; those to questions that the programme no longer has stay as they are."""
        others = {name: value for name, value in self.state.form.conditions.items() if name not in self.conditions}
        return others | {name: field.value for name, field in self.conditions.items() if field.value is not None}

    async def _advise(self, api: Api) -> None:
        organisation = self.state.organisation
        if organisation is None:
            raise InvalidInput("Add your organisation first.", hint="Go to step 1, “You and your organisation”.")
        if self.goal.value is None:
            raise InvalidInput("Choose what you want to do.", field="goal")
        need = {
            "goal": self.goal.value,
            "kind": organisation.form.kind,
            "sme": self.state.is_sme,
            "conditions": self._answers(),
            "country": organisation.form.country,
            "gpu_hours": self.gpu_hours.value,
            "cpu_hours": self.cpu_hours.value,
            "months": self.months.value,
            "starts_within_days": self.urgency.value,
        }
        self.state.advice = await ask(api.calls.advice, checked(Need, need, "need."))
        best = next((mode_advice for mode_advice in self.state.advice if mode_advice.recommended), None)
        if best is not None and self.call.value is None:
            self.call.value = next((s.call.slug for s in self.state.calls if s.call.mode == best.mode), None)

    def fill(self) -> None:
        form = self.state.form
        self.goal.value = form.goal
        self.gpu_hours.value, self.cpu_hours.value = form.resources.gpu_hours, form.resources.cpu_hours
        self.months.value = form.resources.months or 3
        for name, field in self.conditions.items():
            field.value = form.conditions.get(name)
        self.call.offer([(_label(status), status.call.slug) for status in self.state.calls])
        self.call.value = form.call

    def changes(self) -> dict[str, Any]:
        mode = self._mode(self.call.value)
        resources = self.state.form.resources.model_dump()
        resources |= {"gpu_hours": self.gpu_hours.value, "cpu_hours": self.cpu_hours.value}
        if mode is not None and resources["months"] not in mode.months:
            fitting = [months for months in mode.months if months >= (self.months.value or 0)]
            resources["months"] = min(fitting, default=max(mode.months))
        values = {
            "call": self.call.value,
            "goal": self.goal.value,
            "conditions": self._answers(),
            "resources": resources,
        }
        return checked(Form, values).model_dump(include=set(values))

    def _mode(self, slug: str | None) -> Any:
        status = next((status for status in self.state.calls if status.call.slug == slug), None)
        return self.state.programme.mode(status.call.mode) if status and self.state.programme else None

    def draw(self) -> None:
        super().draw()
        kind = self.state.organisation.form.kind if self.state.organisation else None
        concerned = {condition.id for condition in self._conditions() if condition.kind is kind}
        for name, field in self.conditions.items():
            field.layout.display = "" if name in concerned else "none"
        show(self.advice, _advice(self.state.advice))
        status = next((status for status in self.state.calls if status.call.slug == self.call.value), None)
        show(self.note, self._about(status) if status else "")

    def _about(self, status: CallStatus) -> Markup:
        mode = self._mode(status.call.slug)
        limits = ", ".join(_limits(mode))
        refused = Markup('<p class="state warn">{}</p>').format(status.why_not) if status.why_not else ""
        full = f" Full: {', '.join(status.full_systems)}." if status.full_systems else ""
        about = Markup("{}<p>{} {}{}.{} {}</p>").format(
            refused,
            mode.summary,
            limits[:1].upper() + limits[1:],
            self._cut_off(status),
            full,
            cited(self.state.source(mode.source)),
        )
        return about + self._price(mode) + self._amounts(mode)

    def _cut_off(self, status: CallStatus) -> Markup:
        if status.next_cut_off is None:
            return Markup("")
        planned = ", a day that this factory plans and that is not published yet" if status.planned else ""
        source = "" if status.planned else cited(self.state.source(status.call.source))
        return Markup(" after the cut-off on {}{} {}").format(moment(status.next_cut_off), planned, source)

    def _price(self, mode: AccessMode) -> Markup:
        programme, organisation = self.state.programme, self.state.organisation
        if programme is None or organisation is None:
            return Markup("")
        return priced(price_for(programme, mode, organisation.form.kind, self.state.is_sme, self._answers()))

    def _amounts(self, mode: AccessMode) -> Markup:
        """Amounts and other facts, each with its source."""
        return Markup("").join(
            Markup("<p>{} {}</p>").format(text, cited(self.state.source(source))) for text, source in facts(mode)
        )


def _limits(mode: AccessMode) -> Iterator[str]:
    if mode.gpu_hours_over:
        yield f"more than {quantity(mode.gpu_hours_over)} GPU hours"
    if mode.gpu_hours_up_to:
        yield f"up to {quantity(mode.gpu_hours_up_to)} GPU hours"
    if mode.cpu_hours_up_to:
        yield f"up to {quantity(mode.cpu_hours_up_to)} core hours"
    yield f"{' or '.join(str(months) for months in mode.months)} months"
    yield f"decided within {mode.decision_time}"


def priced(price: PriceAdvice | None) -> Markup:
    """The price with its source; empty for a mode that is closed to the applicant."""
    if price is None:
        return Markup("")
    return Markup("<p><strong>Price:</strong> {} {}</p>").format(price.text, cited(price.source))


def _label(status: CallStatus) -> str:
    if status.accepts:
        return status.call.title
    return f"{status.call.title} ({'not open now' if status.state is CallState.OPEN else status.state.value})"


def _advice(advice: tuple[ModeAdvice, ...]) -> Markup:
    if not advice:
        return Markup("")
    nothing = (
        ""
        if any(mode_advice.recommended for mode_advice in advice)
        else (Markup('<p class="state warn">No access mode fits. See below why.</p>'))
    )
    return Markup('<div role="status">{}</div><div class="cards">{}</div>').format(
        nothing, Markup("").join(_card(mode_advice) for mode_advice in advice)
    )


def _card(advice: ModeAdvice) -> Markup:
    sign = ("ok", "recommended") if advice.recommended else ("ok", "fits") if advice.fits else ("bad", "does not fit")
    return Markup(
        '<section class="card {chosen}"><h4>{title}</h4><p class="words-small"><span class="state {kind}">{word}</span>'
        "</p>{reasons}{against}{price}{remarks}<p>{source}</p></section>"
    ).format(
        chosen="chosen" if advice.recommended else "",
        title=advice.title,
        kind=sign[0],
        word=sign[1],
        reasons=items(advice.reasons, "reasons"),
        against=Markup("<p>Why it does not fit:</p>{}").format(items(advice.against, "against"))
        if advice.against
        else "",
        price=priced(advice.price),
        remarks=items(advice.remarks, "remarks"),
        source=cited(advice.source),
    )
