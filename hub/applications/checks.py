"""What is missing before an application can be submitted. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from hub.applications import aiact
from hub.applications.models import Form, Gap
from hub.calls.calendar import day_in
from hub.calls.eligibility import country_refusal, kind_refusal, unmet
from hub.calls.models import AccessMode, CallStatus, Goal, OrganisationKind, Programme
from hub.formats import day, quantity
from hub.organisations.models import OrganisationForm, ProfileForm, is_orcid

SHORTEST_USE_CASE = 50


def gaps(
    programme: Programme,
    status: CallStatus | None,
    form: Form,
    profile: ProfileForm,
    organisation: OrganisationForm | None,
    *,
    moment: datetime,
    accepted_kind: OrganisationKind | None = None,
) -> tuple[Gap, ...]:
    """All gaps at this moment in the order of the form; empty when the application is complete.

    :param status: of the call the form names; None: it names none that exists.
    :param accepted_kind: kind of the organisation with which an application that is amended was submitted to its call;
        it may be amended although the mode has been closed to that kind.
    """
    gaps = [*_about_people(programme, profile, organisation), *_about_purpose(programme, form)]
    gaps += [*_about_call(status), *_about_start(programme, form, moment)]
    if status is not None:
        mode = programme.mode(status.call.mode)
        if organisation is not None:
            gaps += _about_eligibility(programme, mode, organisation.kind, form, accepted_kind)
        gaps += _about_resources(mode, status, form)
    else:
        gaps += _about_resources_of_any_call(form)
    gaps += _about_declarations(programme, form, day_in(programme.zone, moment))
    return tuple(Gap(field=field, message=message) for field, message in gaps)


def _about_people(
    programme: Programme, profile: ProfileForm, organisation: OrganisationForm | None
) -> Iterator[tuple[str, str]]:
    if not profile.full_name:
        yield "profile.full_name", "Enter your name."
    if profile.orcid and not is_orcid(profile.orcid):
        yield "profile.orcid", "Check the digits of your ORCID iD: the last one does not fit the others."
    if organisation is None:
        yield "organisation", "Enter the organisation that you apply for."
        return
    if refusal := country_refusal(programme, organisation.country):
        yield "organisation.country", refusal
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


def _about_eligibility(
    programme: Programme, mode: AccessMode, kind: OrganisationKind, form: Form, accepted_kind: OrganisationKind | None
) -> Iterator[tuple[str, str]]:
    refusal = kind_refusal(programme, mode, kind)
    if refusal and kind is not accepted_kind:
        yield "call", refusal
    for condition in unmet(mode, kind, form.conditions):
        yield f"conditions.{condition.id}", condition.refusal


def _about_hours(form: Form) -> Iterator[tuple[str, str]]:
    resources = form.resources
    if not resources.cpu_hours and not resources.gpu_hours:
        yield "resources.gpu_hours", "Enter how many hours you need."
    if resources.gpu_hours and not resources.cpu_hours:
        yield "resources.cpu_hours", "Enter core hours too: every GPU job also uses cores."


def _about_resources_of_any_call(form: Form) -> Iterator[tuple[str, str]]:
    """What is missing whatever the call is: a step is not complete because no call is chosen yet."""
    yield from _about_hours(form)
    if form.resources.months is None:
        yield "resources.months", "Choose a call first: it says how long a project may last."
    if not form.resources.systems:
        yield "resources.systems", "Choose the systems that you need."


def _about_resources(mode: AccessMode, status: CallStatus, form: Form) -> Iterator[tuple[str, str]]:
    resources = form.resources
    yield from _about_hours(form)
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


def _about_declarations(programme: Programme, form: Form, day: date) -> Iterator[tuple[str, str]]:
    if form.data.personal_data is None:
        yield "data.personal_data", "State whether personal data are involved."
    check = aiact.check(programme, form, day)
    if check.open_questions:
        yield f"ai_act.{check.open_questions[0]}", "Answer every question of the AI Act self-check."
    if check.outcome in aiact.PROHIBITED:
        yield "ai_act", f"{check.summary} Such work cannot get access."
    if not form.declaration.civilian_use:
        yield "declaration.civilian_use", "Confirm that the use is civilian only."
    if not form.declaration.truthful:
        yield "declaration.truthful", "Confirm that your statements are true."
