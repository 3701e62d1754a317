"""Hours of projects for all views: as a bar, and with the time of counting."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from markupsafe import Markup

from hub.formats import day, day_and_clock, hours
from hub.home.models import Me
from hub.projects.models import MemberRole
from hub.usage.models import Hours, ProjectHours
from hub.usage.summary import hours_left

LOW = 0.1
"""Below this part of what was granted a budget is marked as running out."""

ROLES = {MemberRole.LEAD: "a lead", MemberRole.MEMBER: "a member"}


def greeting(me: Me) -> Markup:
    """Greeting; its data attributes give the frame (``theme.js``) the visitor's name, hours and roles."""
    return Markup(
        '<p class="words" data-frame-person="{name}" data-frame-hours="{hours}" data-frame-roles="{roles}">'
        "Welcome, {name}.</p>"
    ).format(name=me.display_name, hours=hours_left(me.projects), roles=" ".join(me.roles))


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
    warning = _low(amount)
    return Markup(
        '<div><p class="amount-words"><span>{kind}</span>'
        "<span><strong>{left}</strong> of {granted} left{word}</span></p>"
        '<progress class="{low}" max="{max}" value="{value}" aria-label="{kind} hours left"></progress></div>'
    ).format(
        kind=kind,
        left=hours(amount.left),
        granted=hours(amount.granted),
        max=amount.granted,
        value=max(amount.left, 0),
        word=f" · {warning}" if warning else "",
        low="low" if warning else "",
    )


def _low(amount: Hours) -> str:
    if amount.left <= 0:
        return "used up"
    return "nearly used up" if amount.left < LOW * amount.granted else ""


def _note(project: ProjectHours) -> Markup:
    return Markup("You are {role} of {slug}; {ends}{counted}.").format(
        role=ROLES[project.role],
        slug=project.slug,
        ends=f"until {day(project.until)}, " if project.until else "",
        counted=Markup("updated {}").format(_ago(project.as_of)) if project.as_of else "not updated yet",
    )


def _ago(moment: datetime) -> Markup:
    """A time element that the theme's script shows as "5 minutes ago"; without the script, the time itself."""
    moment = moment.astimezone(UTC)
    return Markup('<time datetime="{}" data-show="ago">{}</time>').format(moment.isoformat(), day_and_clock(moment))
