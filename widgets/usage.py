"""Hours of projects, as every view shows them: in words, as a bar, and with the time they were counted at."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

from hub.client import Hours, ProjectHours

LOW = 0.1
"""Below this part of what was granted a budget is marked as running out."""


def hours(value: float) -> str:
    """``3 100 h``: whole hours from ten on, a narrow space between thousands."""
    number = f"{value:,.0f}" if abs(value) >= 10 else f"{value:.3g}"
    return number.replace(",", "\N{NARROW NO-BREAK SPACE}") + "\N{NO-BREAK SPACE}h"


def project_cards(projects: Iterable[ProjectHours]) -> Markup:
    """A card per project."""
    return Markup('<div class="cards wide">{}</div>').format(Markup("").join(_card(project) for project in projects))


def _card(project: ProjectHours) -> Markup:
    return Markup(
        '<section class="card"><h3>{title}</h3><div class="amounts">{cpu}{gpu}</div>'
        '<p class="quiet">{note}</p></section>'
    ).format(
        title=project.title,
        cpu=_amount("CPU", project.cpu),
        gpu=_amount("GPU", project.gpu),
        note=_note(project),
    )


def _amount(kind: str, amount: Hours) -> Markup:
    if amount.granted <= 0:
        return Markup("")
    return Markup(
        '<div><p class="amount-words"><span>{kind}</span><span><strong>{left}</strong> of {granted} left</span></p>'
        '<progress class="{low}" max="{max}" value="{value}" aria-label="{kind} hours left"></progress></div>'
    ).format(
        kind=kind,
        left=hours(amount.left),
        granted=hours(amount.granted),
        max=amount.granted,
        value=max(amount.left, 0),
        low="low" if amount.left < LOW * amount.granted else "",
    )


def _note(project: ProjectHours) -> str:
    counted = f"counted {project.as_of:%d %b, %H:%M} UTC" if project.as_of else "not counted yet"
    ends = f"until {project.until:%d %b %Y}, " if project.until else ""
    return f"You are {project.role} of {project.slug}; {ends}{counted}."
