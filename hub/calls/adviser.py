"""Recommends an access mode, with reasons for and against each. Pure; used by ``routes``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime

from hub.calls.calendar import add_working_days, day_in, months_after
from hub.calls.eligibility import country_refusal, kind_refusal, unmet
from hub.calls.facts import facts
from hub.calls.models import AccessMode, CallStatus, Goal, ModeAdvice, Need, Programme, Unit
from hub.calls.prices import price_for
from hub.formats import day, quantity

_GOALS = {
    Goal.TRY: "trying something out",
    Goal.DEVELOP: "developing an application",
    Goal.TRAIN: "training a model",
    Goal.SCIENCE: "scientific work",
}


def advise(programme: Programme, calls: Sequence[CallStatus], need: Need, moment: datetime) -> tuple[ModeAdvice, ...]:
    """All modes, the recommended one first. No mode is recommended if there is a reason against each of them.

    Modes that fit are ranked by whether they give no more than is needed, then by the goal, the date of the decision,
    and the number of reviewers.
    """
    advice = [_judge(programme, mode, calls, need, moment) for mode in programme.modes]
    fitting = [option for option in advice if option.fits]
    best = min(fitting, key=lambda option: _preference(programme, need, option), default=None)
    marked = [option.model_copy(update={"recommended": option is best}) for option in advice]
    return tuple(sorted(marked, key=lambda option: (not option.recommended, not option.fits)))


def _preference(programme: Programme, need: Need, advice: ModeAdvice) -> tuple[bool, bool, date, int]:
    mode = programme.mode(advice.mode)
    larger = any(need.gpu_hours < smallest for smallest in _smallest_gpu_hours(mode))
    return larger, need.goal not in mode.goals, advice.decision_by or date.max, mode.reviewers


def _judge(
    programme: Programme, mode: AccessMode, calls: Sequence[CallStatus], need: Need, moment: datetime
) -> ModeAdvice:
    open_calls = [status for status in calls if status.call.mode == mode.id and status.accepts]
    status = min(open_calls, key=lambda status: decision_by(programme, mode, status, moment), default=None)
    decision = decision_by(programme, mode, status, moment) if status else None
    against = [*_about_size(mode, need), *_about_applicant(programme, mode, need)]
    if decision is None:
        against.append("No call of this mode accepts applications now.")
    elif late := _late(programme, decision, need, moment):
        against.append(late)
    reasons = [_about_decision(programme, decision, status)] if decision and status else []
    if need.goal in mode.goals:
        reasons.append(f"It is made for {_GOALS[need.goal]}.")
    if not against:
        reasons.append(_about_fit(mode, need))
    return ModeAdvice(
        mode=mode.id,
        title=mode.title,
        recommended=False,
        fits=not against,
        reasons=tuple(reasons),
        against=tuple(against),
        remarks=tuple(_remarks(programme, mode)),
        price=price_for(programme, mode, need.kind, need.sme, need.conditions),
        decision_by=decision,
        source=programme.source(mode.source),
    )


def _about_decision(programme: Programme, decision: date, status: CallStatus) -> str:
    if status.planned and status.next_cut_off is not None:
        cut_off = day_in(programme.zone, status.next_cut_off)
        return (
            f"A decision is expected by {day(decision)}, if the cut-off is on {day(cut_off)}: "
            "that day is planned and not published yet."
        )
    return f"A decision is due by {day(decision)}."


def _late(programme: Programme, decision: date, need: Need, moment: datetime) -> str:
    """Why the decision comes too late; empty if it does not."""
    days = (decision - day_in(programme.zone, moment)).days
    if need.starts_within_days is None or days <= need.starts_within_days:
        return ""
    return f"The decision comes in {days} days, and you want to start within {need.starts_within_days}."


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


def _about_applicant(programme: Programme, mode: AccessMode, need: Need) -> Iterator[str]:
    if refusal := kind_refusal(programme, mode, need.kind):
        yield refusal
    yield from (condition.refusal for condition in unmet(mode, need.kind, need.conditions))
    if refusal := country_refusal(programme, need.country):
        yield refusal


def _about_fit(mode: AccessMode, need: Need) -> str:
    """How the need compares with the amounts of a mode that nothing speaks against."""
    smallest = min(_smallest_gpu_hours(mode), default=0)
    if need.gpu_hours < smallest:
        return f"Its smallest amount is {quantity(smallest)} GPU hours, and you need {quantity(need.gpu_hours)}."
    units = sorted({amount.unit.value for amount in mode.amounts} - {Unit.GPU_HOURS.value})
    if units and len(units) == len(mode.amounts):
        others = " and ".join(units)
        return f"Its amounts are in {others}: ask whether {quantity(need.gpu_hours)} GPU hours are within them."
    return f"{quantity(need.gpu_hours)} GPU hours over {need.months} months are within its limits."


def _smallest_gpu_hours(mode: AccessMode) -> list[int]:
    return [amount.at_least for amount in mode.amounts if amount.unit is Unit.GPU_HOURS and amount.at_least]


def _remarks(programme: Programme, mode: AccessMode) -> Iterator[str]:
    """Amounts and other facts of a mode; each says so if its source is not confirmed."""
    for text, name in facts(mode):
        yield f"{text} {programme.source(name).doubt}".strip()


def decision_by(programme: Programme, mode: AccessMode, status: CallStatus, moment: datetime) -> date:
    """Date by which an application submitted at ``moment`` is decided, counted from its cut-off if that is later."""
    submitted = day_in(programme.zone, moment)
    cut_off = day_in(programme.zone, status.next_cut_off) if mode.cut_offs and status.next_cut_off else submitted
    first = max(cut_off, submitted)
    if mode.decision_months is not None:
        return months_after(first, mode.decision_months, programme.holidays)
    return add_working_days(first, mode.decision_working_days or 0, programme.holidays)
