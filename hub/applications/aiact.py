"""The AI Act self-check: answers in, advice out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from hub import formats
from hub.applications.models import Finding, Form, SelfCheck
from hub.calls.calculator import about_training, exceeded
from hub.calls.models import AiAct, Outcome, Programme, Question

PROHIBITED = frozenset({Outcome.PROHIBITED, Outcome.BECOMES_PROHIBITED})
"""Outcomes with which nobody gets access, from whatever day the prohibition applies."""
_STRICTEST_FIRST = tuple(Outcome)
_SUMMARIES = {
    Outcome.PROHIBITED: "At least one answer describes a prohibited practice.",
    Outcome.HIGH_RISK: "This looks like a high-risk system.",
    Outcome.GPAI: "This looks like a general-purpose AI model.",
    Outcome.TRANSPARENCY: "Transparency duties apply.",
}


def check(programme: Programme, form: Form, day: date) -> SelfCheck:
    """The strictest outcome of all answers on a day, what each yes means, and which questions are open.

    Duties that apply from a later day count as they do then; a practice that is prohibited later has an outcome of
    its own until that day.
    """
    data, answers = programme.ai_act, form.ai_act
    findings = tuple(_finding(programme, question, day) for question in data.questions if answers.get(question.id))
    open_questions = tuple(question.id for question in data.questions if question.id not in answers)
    outcomes = {finding.outcome for finding in findings}
    strictest = next((outcome for outcome in _STRICTEST_FIRST if outcome in outcomes), Outcome.MINIMAL)
    is_final = strictest in PROHIBITED or not open_questions
    return SelfCheck(
        outcome=strictest if is_final else None,
        findings=findings,
        open_questions=open_questions,
        remarks=_about_model(programme, form),
        summary=_summary(data, strictest, findings) if is_final else f"{len(open_questions)} questions are open.",
        advice=data.advice,
        checked_on=day,
    )


def _finding(programme: Programme, question: Question, day: date) -> Finding:
    applies_from, outcome = question.applies_from, question.outcome
    applies = ""
    if applies_from is not None:
        applies = f" Applies {'since' if applies_from <= day else 'from'} {formats.day(applies_from)}."
        if outcome is Outcome.PROHIBITED and day < applies_from:
            outcome = Outcome.BECOMES_PROHIBITED
    return Finding(
        question=question.text,
        article=question.article,
        outcome=outcome,
        consequence=question.consequence + applies,
        applies_from=applies_from,
        source=programme.source(question.source or programme.ai_act.source),
    )


def _summary(data: AiAct, outcome: Outcome, findings: Sequence[Finding]) -> str:
    if outcome is Outcome.BECOMES_PROHIBITED:
        days = [finding.applies_from for finding in findings if finding.outcome is outcome and finding.applies_from]
        return f"At least one answer describes a practice that is prohibited from {formats.day(min(days))}."
    return _SUMMARIES.get(outcome, data.minimal)


def _about_model(programme: Programme, form: Form) -> tuple[str, ...]:
    """How the training that the applicant calculated compares with the thresholds for general-purpose models."""
    workload = form.resources.workload
    if workload is None:
        return ()
    remarks = about_training(programme, workload)
    denied = any(
        question.outcome is Outcome.GPAI and form.ai_act.get(question.id) is False
        for question in programme.ai_act.questions
    )
    if denied and exceeded(programme, workload):
        contradiction = "You answered No to the question about general-purpose models. Check that answer."
        return (*remarks, contradiction)
    return remarks
