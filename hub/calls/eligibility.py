"""Who may use an access mode: kind of organisation, conditions, country. Pure; used by the adviser and the checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hub.calls.models import AccessMode, Condition, Confidence, OrganisationKind, Programme

KINDS = {
    OrganisationKind.COMPANY: "companies",
    OrganisationKind.UNIVERSITY: "universities",
    OrganisationKind.RESEARCH: "research organisations",
    OrganisationKind.PUBLIC: "public bodies",
}


def kind_refusal(programme: Programme, mode: AccessMode, kind: OrganisationKind) -> str:
    """Why a mode is closed to a kind of organisation and which modes are not; empty if it is open."""
    if kind in mode.kinds:
        return ""
    others = [other.title for other in programme.modes if kind in other.kinds]
    hint = f"{KINDS[kind].capitalize()} can apply for {_listed(others, 'or')}." if others else ""
    return f"{mode.title} is for {_listed([KINDS[open_to] for open_to in mode.kinds], 'and')}. {hint}".strip()


def unmet(mode: AccessMode, kind: OrganisationKind, answers: Mapping[str, bool]) -> Iterator[Condition]:
    """Conditions of a mode for a kind of organisation that are not confirmed."""
    return (entry for entry in mode.conditions if entry.kind is kind and not answers.get(entry.id))


def answered(programme: Programme, answers: Mapping[str, bool]) -> list[tuple[str, str]]:
    """Question and answer of each condition that an applicant answered."""
    questions = {condition.id: condition.question for mode in programme.modes for condition in mode.conditions}
    return [(questions.get(name, name), "yes" if answer else "no") for name, answer in answers.items()]


def country_refusal(programme: Programme, code: str) -> str:
    """Why organisations of a country get no access; empty if they do."""
    country = next((country for country in programme.countries if country.code == code), None)
    if country is None:
        return (
            "The country of your organisation is not in the programme's list of those that take part. "
            "Ask the factory if you think that it does."
        )
    if country.eligible:
        return ""
    source = programme.source(country.source) if country.source else None
    if source is not None and source.confidence is Confidence.NOT_VERIFIED:
        return f"It is not verified whether {country.name} takes part. Ask the factory before you apply."
    return f"{country.name} does not take part in the programme."


def _listed(names: Sequence[str], joint: str) -> str:
    return f" {joint} ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
