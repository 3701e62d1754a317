"""The AI Act self-check: answers in, advice out. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from hub.applications.models import Finding, SelfCheck
from hub.calls.models import AiAct, Outcome

_STRICTEST_FIRST = tuple(Outcome)
_SUMMARIES = {
    Outcome.PROHIBITED: "At least one answer describes a prohibited practice.",
    Outcome.HIGH_RISK: "This looks like a high-risk system.",
    Outcome.GPAI: "This looks like a general-purpose AI model.",
    Outcome.TRANSPARENCY: "Transparency duties apply.",
}


def check(data: AiAct, answers: Mapping[str, bool]) -> SelfCheck:
    """The strictest outcome of all answers, what each yes means, and which questions are open."""
    findings = tuple(
        Finding(
            question=question.text,
            article=question.article,
            outcome=question.outcome,
            consequence=question.consequence,
        )
        for question in data.questions
        if answers.get(question.id)
    )
    open_questions = tuple(question.id for question in data.questions if question.id not in answers)
    outcomes = {finding.outcome for finding in findings}
    strictest = next((outcome for outcome in _STRICTEST_FIRST if outcome in outcomes), Outcome.MINIMAL)
    is_final = strictest is Outcome.PROHIBITED or not open_questions
    return SelfCheck(
        outcome=strictest if is_final else None,
        findings=findings,
        open_questions=open_questions,
        summary=_SUMMARIES.get(strictest, data.minimal) if is_final else f"{len(open_questions)} questions are open.",
        advice=data.advice,
    )
