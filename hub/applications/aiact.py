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
        Finding(question=one.text, article=one.article, outcome=one.outcome, consequence=one.consequence)
        for one in data.questions
        if answers.get(one.id)
    )
    open_questions = tuple(one.id for one in data.questions if one.id not in answers)
    found = {finding.outcome for finding in findings}
    strictest = next((outcome for outcome in _STRICTEST_FIRST if outcome in found), Outcome.MINIMAL)
    known = strictest is Outcome.PROHIBITED or not open_questions
    return SelfCheck(
        outcome=strictest if known else None,
        findings=findings,
        open_questions=open_questions,
        summary=_SUMMARIES.get(strictest, data.minimal) if known else f"{len(open_questions)} questions are open.",
        advice=data.advice,
    )
