"""What is missing before an application can be submitted. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from hub.applications import aiact
from hub.applications.models import Form, Gap
from hub.calls.calendar import day_in
from hub.calls.models import AccessMode, CallStatus, Goal, Outcome, Programme
from hub.formats import day, quantity
from hub.organisations.models import OrganisationForm, ProfileForm

SHORTEST_USE_CASE = 50


def gaps(
    programme: Programme,
    status: CallStatus | None,
    form: Form,
    profile: ProfileForm,
    organisation: OrganisationForm | None,
    *,
    moment: datetime,
) -> tuple[Gap, ...]:
    """All gaps at this moment in the order of the form; empty when the application is complete.

    :param status: of the call the form names; None: it names none that exists.
    """
    gaps = [*_about_people(programme, profile, organisation), *_about_purpose(programme, form)]
    gaps += [*_about_call(status), *_about_start(programme, form, moment)]
    if status is not None:
        mode = programme.mode(status.call.mode)
        gaps += [*_about_eligibility(mode, organisation), *_about_resources(mode, status, form)]
    gaps += _about_declarations(programme, form)
    return tuple(Gap(field=field, message=message) for field, message in gaps)


def _about_people(
    programme: Programme, profile: ProfileForm, organisation: OrganisationForm | None
) -> Iterator[tuple[str, str]]:
    if not profile.full_name:
        yield "profile.full_name", "Enter your name."
    if organisation is None:
        yield "organisation", "Enter the organisation that you apply for."
        return
    country = next((country for country in programme.countries if country.code == organisation.country), None)
    if country is None or not country.eligible:
        yield "organisation.country", "The country of your organisation does not take part in the programme."
    if organisation.kind == "company" and organisation.figures is None:
        yield (
            "organisation.figures",
            "Enter staff, turnover and balance sheet total: they decide whether it is an SME.",
        )


def _about_purpose(programme: Programme, form: Form) -> Iterator[tuple[str, str]]:
    if not form.title:
        yield "title", "Enter a title."
    if form.sector not in {sector.id for sector in programme.sectors}:
        yield "sector", "Choose a sector."
    if form.goal not in tuple(Goal):
        yield "goal", "Choose what you want to do."
    if len(form.use_case.strip()) < SHORTEST_USE_CASE:
        yield "use_case", f"Describe the use case in at least {SHORTEST_USE_CASE} characters."


def _about_call(status: CallStatus | None) -> Iterator[tuple[str, str]]:
    if status is None:
        yield "call", "Choose a call."
    elif not status.accepts:
        yield "call", f"{status.why_not} Your draft is kept."


def latest_start(programme: Programme, moment: datetime) -> date:
    """The latest start that an application may ask for at this moment."""
    return day_in(programme.zone, moment) + timedelta(days=programme.terms.start_days_up_to)


def _about_start(programme: Programme, form: Form, moment: datetime) -> Iterator[tuple[str, str]]:
    latest = latest_start(programme, moment)
    if form.resources.starts is not None and form.resources.starts > latest:
        yield "resources.starts", f"Choose a start on or before {day(latest)}."


def _about_eligibility(mode: AccessMode, organisation: OrganisationForm | None) -> Iterator[tuple[str, str]]:
    if organisation is not None and organisation.kind not in mode.kinds:
        yield "call", f"{mode.title} is not for organisations of this kind."


def _about_resources(mode: AccessMode, status: CallStatus, form: Form) -> Iterator[tuple[str, str]]:
    resources = form.resources
    if not resources.cpu_hours and not resources.gpu_hours:
        yield "resources.gpu_hours", "Enter how many hours you need."
    if resources.gpu_hours and not resources.cpu_hours:
        yield "resources.cpu_hours", "Enter core hours too: every GPU job also uses cores."
    if mode.gpu_hours_up_to is not None and resources.gpu_hours > mode.gpu_hours_up_to:
        yield "resources.gpu_hours", f"{mode.title} gives at most {quantity(mode.gpu_hours_up_to)} GPU hours."
    if mode.gpu_hours_over and resources.gpu_hours <= mode.gpu_hours_over:
        yield "resources.gpu_hours", f"{mode.title} is for more than {quantity(mode.gpu_hours_over)} GPU hours."
    if mode.cpu_hours_up_to is not None and resources.cpu_hours > mode.cpu_hours_up_to:
        yield "resources.cpu_hours", f"{mode.title} gives at most {quantity(mode.cpu_hours_up_to)} core hours."
    if resources.months not in mode.months:
        choice = " or ".join(str(months) for months in mode.months)
        yield "resources.months", f"{mode.title} lasts {choice} months."
    if not resources.systems or set(resources.systems) - set(status.call.systems):
        yield "resources.systems", "Choose systems of the call."
    elif full := sorted(set(resources.systems) & set(status.full_systems)):
        yield "resources.systems", f"{full[0]} is full; choose another system, or wait."


def _about_declarations(programme: Programme, form: Form) -> Iterator[tuple[str, str]]:
    if form.data.personal_data is None:
        yield "data.personal_data", "State whether personal data are involved."
    check = aiact.check(programme.ai_act, form.ai_act)
    if check.open_questions:
        yield f"ai_act.{check.open_questions[0]}", "Answer every question of the AI Act self-check."
    if check.outcome is Outcome.PROHIBITED:
        yield "ai_act", "An answer describes a practice that the AI Act prohibits; such work cannot get access."
    if not form.declaration.civilian_use:
        yield "declaration.civilian_use", "Confirm that the use is civilian only."
    if not form.declaration.truthful:
        yield "declaration.truthful", "Confirm that your statements are true."
