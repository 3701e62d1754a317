"""Recommends an access mode, with reasons for and against each. Pure; used by ``routes``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from hub.calls.calendar import add_working_days, day_in
from hub.calls.models import AccessMode, CallStatus, Goal, ModeAdvice, Need, OrganisationKind, Programme
from hub.formats import day, quantity

_GOALS = {
    Goal.TRY: "trying something out",
    Goal.DEVELOP: "developing an application",
    Goal.TRAIN: "training a model",
    Goal.SCIENCE: "scientific work",
}
_KINDS = {
    OrganisationKind.COMPANY: "companies",
    OrganisationKind.UNIVERSITY: "universities",
    OrganisationKind.RESEARCH: "research organisations",
    OrganisationKind.PUBLIC: "public bodies",
}


def advise(programme: Programme, calls: Sequence[CallStatus], need: Need, moment: datetime) -> tuple[ModeAdvice, ...]:
    """All modes, the recommended one first. No mode is recommended if there is a reason against each of them.

    Modes that fit are ranked by the goal, then by the date of the decision, then by the number of reviewers.
    """
    advice = [_judge(programme, mode, calls, need, moment) for mode in programme.modes]
    fitting = [option for option in advice if option.fits]
    best = min(fitting, key=lambda option: _preference(programme, need, option), default=None)
    marked = [option.model_copy(update={"recommended": option is best}) for option in advice]
    return tuple(sorted(marked, key=lambda option: (not option.recommended, not option.fits)))


def _preference(programme: Programme, need: Need, advice: ModeAdvice) -> tuple[bool, date, int]:
    mode = programme.mode(advice.mode)
    return need.goal not in mode.goals, advice.decision_by or date.max, mode.reviewers


def _judge(
    programme: Programme, mode: AccessMode, calls: Sequence[CallStatus], need: Need, moment: datetime
) -> ModeAdvice:
    open_calls = [status for status in calls if status.call.mode == mode.id and status.accepts]
    decision = min((decision_by(programme, mode, status, moment) for status in open_calls), default=None)
    reasons, against = [], [*_about_size(mode, need), *_about_people(programme, mode, need)]
    if decision is None:
        against.append("No call of this mode accepts applications now.")
    else:
        reasons.append(f"A decision is due by {day(decision)}.")
    late = decision and need.starts_within_days is not None and (decision - day_in(programme.zone, moment)).days
    if late and need.starts_within_days is not None and late > need.starts_within_days:
        against.append(f"The decision comes in {late} days, and you want to start within {need.starts_within_days}.")
    if need.goal in mode.goals:
        reasons.append(f"It is made for {_GOALS[need.goal]}.")
    if not against:
        reasons.append(f"{quantity(need.gpu_hours)} GPU hours over {need.months} months are within its limits.")
    return ModeAdvice(
        mode=mode.id,
        title=mode.title,
        recommended=False,
        fits=not against,
        reasons=tuple(reasons),
        against=tuple(against),
        decision_by=decision,
        source=next(source for source in programme.sources if source.id == mode.source),
    )


def _about_size(mode: AccessMode, need: Need) -> list[str]:
    against = []
    if mode.gpu_hours_up_to is not None and need.gpu_hours > mode.gpu_hours_up_to:
        against.append(
            f"It gives at most {quantity(mode.gpu_hours_up_to)} GPU hours, and you need {quantity(need.gpu_hours)}."
        )
    if mode.gpu_hours_over and need.gpu_hours <= mode.gpu_hours_over:
        against.append(
            f"It is for more than {quantity(mode.gpu_hours_over)} GPU hours, and you need {quantity(need.gpu_hours)}."
        )
    if mode.cpu_hours_up_to is not None and need.cpu_hours > mode.cpu_hours_up_to:
        against.append(
            f"It gives at most {quantity(mode.cpu_hours_up_to)} core hours, and you need {quantity(need.cpu_hours)}."
        )
    if need.months > max(mode.months):
        against.append(f"It lasts at most {max(mode.months)} months, and you need {need.months}.")
    return against


def _about_people(programme: Programme, mode: AccessMode, need: Need) -> list[str]:
    against = []
    if need.kind not in mode.kinds:
        against.append(f"It is for {', '.join(_KINDS[kind] for kind in mode.kinds)}.")
    if not any(country.code == need.country and country.eligible for country in programme.countries):
        against.append("Your country does not take part in the programme.")
    return against


def decision_by(programme: Programme, mode: AccessMode, status: CallStatus, moment: datetime) -> date:
    """Date by which an application submitted at ``moment`` is decided, counted from its cut-off if that is later."""
    submitted = day_in(programme.zone, moment)
    cut_off = day_in(programme.zone, status.next_cut_off) if mode.cut_offs and status.next_cut_off else submitted
    return add_working_days(max(cut_off, submitted), mode.decision_working_days, programme.holidays)
