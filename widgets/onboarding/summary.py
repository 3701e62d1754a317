"""Summary of an application, for its author before submission and for reviewers."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from hub.applications.models import Form, Version
from hub.calls.eligibility import answered
from hub.calls.models import GOAL_WORDS, KIND_WORDS, Programme
from hub.formats import quantity
from widgets.base import facts, notice
from widgets.fields import date_words
from widgets.onboarding.declarations import self_check
from widgets.onboarding.form import cited, items

Rows = list[tuple[str, Markup | str]]


def application(programme: Programme, version: Version) -> Markup:
    """The whole application; user input is escaped."""
    cards = Markup("").join(
        Markup('<section class="card part"><h3>{}</h3>{}</section>').format(title, facts(rows))
        for title, rows in sections(programme, version)
    )
    source = next((source for source in programme.sources if source.id == programme.ai_act.source), None)
    return cards + Markup('<section class="card part"><h3>AI Act self-check</h3>{}{}</section>').format(
        self_check(version.self_check, source), _unanswered(programme, version)
    )


def _unanswered(programme: Programme, version: Version) -> Markup:
    """Questions that a submitted version does not answer, because the programme got them later."""
    if not version.number:
        return Markup("")
    questions = [question.text for question in programme.ai_act.questions if question.id not in version.form.ai_act]
    if not questions:
        return Markup("")
    return notice("warn", "This version does not answer questions that were added after it was submitted:") + items(
        tuple(questions)
    )


def sections(programme: Programme, version: Version) -> Iterator[tuple[str, Rows]]:
    """Every section with its rows: label and text."""
    form = version.form
    yield "Applicant", _people(programme, version)
    call = programme.call(form.call) if form.call else None
    yield (
        "Purpose",
        [
            ("Title", form.title or "not given yet"),
            ("Call", call.title if call else "not chosen yet"),
            ("Price", Markup("{} {}").format(version.price.text, cited(version.price.source)) if version.price else ""),
            *answered(programme, form.conditions),
            ("Sector", next((sector.title for sector in programme.sectors if sector.id == form.sector), "")),
            ("Goal", GOAL_WORDS[form.goal] if form.goal else ""),
            ("Use case", form.use_case),
        ],
    )
    yield "Resources", _resources(programme, form)
    datasets = "\n".join(f"{dataset.title} {dataset.url}".strip() for dataset in form.data.datasets)
    yield (
        "Data",
        [
            ("Data sets", datasets),
            ("Personal data", {True: "yes", False: "no", None: "not answered"}[form.data.personal_data]),
            ("Remarks", form.data.remarks),
        ],
    )
    yield (
        "Declaration",
        [
            ("Ethics", form.declaration.issues),
            ("Civilian use only", "confirmed" if form.declaration.civilian_use else "not confirmed"),
            ("Information is true", "confirmed" if form.declaration.truthful else "not confirmed"),
        ],
    )


def _people(programme: Programme, version: Version) -> Rows:
    profile, organisation, sme = version.profile, version.organisation, version.sme
    return [
        ("Name", profile.full_name),
        ("Position", profile.position),
        ("Contact", profile.contact or ""),
        ("ORCID", profile.orcid),
        ("Organisation", organisation.name),
        ("Kind", KIND_WORDS[organisation.kind]),
        ("Country", programme.country(organisation.country)),
        ("Registration", organisation.registration),
        ("Website", organisation.website),
        ("SME test", f"{sme.title}: {' '.join(sme.reasons)}" if sme else ""),
    ]


def _resources(programme: Programme, form: Form) -> Rows:
    resources = form.resources
    titles = {system.id: system.title for system in programme.systems}
    return [
        ("GPU hours", quantity(resources.gpu_hours)),
        ("Core hours", quantity(resources.cpu_hours)),
        ("Storage", f"{quantity(resources.storage_gb)} GB"),
        ("Duration", f"{resources.months} months" if resources.months else "not chosen yet"),
        ("Preferred start", date_words(resources.starts) if resources.starts else ""),
        ("Systems", ", ".join(titles.get(system, system) for system in resources.systems)),
        ("Justification", resources.justification),
    ]
