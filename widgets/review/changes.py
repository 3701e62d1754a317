"""What changed between two versions of an application, for a reviewer who has seen the earlier one."""

from __future__ import annotations

from markupsafe import Markup

from hub.applications.models import Version
from hub.calls.models import Programme
from widgets.base import notice, table
from widgets.onboarding import summary

NOTHING = "–"


def changes(programme: Programme, before: Version, after: Version) -> Markup:
    """A table of everything that differs, or a sentence that nothing does."""
    old, new = _texts(programme, before), _texts(programme, after)
    labels = dict.fromkeys((*new, *old))
    rows = [
        (section, label, _typed(old.get((section, label), "")), _typed(new.get((section, label), "")))
        for section, label in labels
        if old.get((section, label), "") != new.get((section, label), "")
    ]
    if not rows:
        return notice("info", f"Version {after.number} has the same content as version {before.number}.")
    heads = ("Part", "Field", f"Version {before.number}", f"Version {after.number}")
    return table(heads, rows, f"Changes since version {before.number}")


def _texts(programme: Programme, version: Version) -> dict[tuple[str, str], str]:
    """What is in a version: (section, label) -> text."""
    texts = {
        (section, label): str(text) for section, rows in summary.sections(programme, version) for label, text in rows
    }
    answers = version.form.ai_act
    questions = {question.id: question.text for question in programme.ai_act.questions}
    for name in dict.fromkeys((*questions, *answers)):
        texts["AI Act self-check", questions.get(name, name)] = {True: "yes", False: "no", None: ""}[answers.get(name)]
    texts["AI Act self-check", "Result"] = version.self_check.summary
    return texts


def _typed(text: str) -> Markup:
    return Markup('<span class="typed">{}</span>').format(text or NOTHING)
