"""Burn-down of a project's hours: a chart, the same as a table, and a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import NamedTuple

from markupsafe import Markup

from hub.formats import day as day_words
from hub.formats import hours, quantity, short_day
from hub.usage.models import Hours, Outlook, ProjectUsage
from widgets.base import table

WIDTH, HEIGHT = 400, 190
LEFT, BOTTOM, TOP = 52, 28, 12
ROWS = 31
"""Of the table: the last month, day by day."""


WITHOUT_DAY = {
    Outlook.TOO_EARLY: "It is too early to say how long they last: a forecast needs use on three days.",
    Outlook.FAR: "At this pace they last for more than two years.",
    Outlook.UNUSED: "Nothing was used in the last two weeks, so there is no forecast.",
}


class Left(NamedTuple):
    """Hours left at the end of a day."""

    day: date
    used: float
    left: float


def course(usage: ProjectUsage, kind: str, today: date) -> list[Left]:
    """Hours left on the project's first day, on every day with use, and today; ``kind`` is ``cpu`` or ``gpu``.

    Accounting's daily values lack running jobs, so the value for today is Slurm's total.
    """
    amount: Hours = getattr(usage, kind)
    left, points = amount.granted, [Left(usage.starts - timedelta(days=1), 0.0, amount.granted)]
    for use in usage.days:
        if usage.starts <= use.day < today:
            left -= getattr(use, kind)
            points.append(Left(use.day, getattr(use, kind), max(left, 0.0)))
    if today >= usage.starts:
        points.append(Left(today, max(left - amount.left, 0.0), amount.left))
    return points


def sentence(usage: ProjectUsage, kind: str, today: date) -> str:
    """The chart in a sentence, with the forecast."""
    amount: Hours = getattr(usage, kind)
    ends: date | None = getattr(usage, f"{kind}_runs_out")
    outlook: Outlook = getattr(usage, f"{kind}_outlook")
    balance = f"{hours(amount.left)} of {hours(amount.granted)} {kind.upper()} left"
    if amount.left <= 0:
        return f"{balance}: they are used up, and Slurm refuses new jobs that need them."
    if ends is None:
        return f"{balance}. {WITHOUT_DAY[outlook]}"
    if usage.until is not None and ends > usage.until:
        return f"{balance}. At this pace they last beyond the project's end on {day_words(usage.until)}."
    return f"{balance}. At this pace they are enough until {day_words(ends)}."


def burn_down(usage: ProjectUsage, kind: str, today: date) -> Markup:
    """Sentence, picture and table for one kind of hours; nothing if none were granted."""
    amount: Hours = getattr(usage, kind)
    if amount.granted <= 0:
        return Markup("")
    points = course(usage, kind, today)
    summary = sentence(usage, kind, today)
    rows = [(day_words(point.day), hours(point.used), hours(point.left)) for point in reversed(points[1:][-ROWS:])]
    return Markup(
        '<section class="part"><h3>{kind} hours</h3><p>{summary}</p>{picture}'
        "<details><summary>Show as a table</summary>{table}</details></section>"
    ).format(
        kind=kind.upper(),
        summary=summary,
        picture=_picture(usage, kind, points, summary),
        table=table(("Day", "Used", "Left"), rows, f"{kind.upper()} hours, newest day first"),
    )


def _picture(usage: ProjectUsage, kind: str, points: list[Left], summary: str) -> Markup:
    """Hours left as a step line, the forecast as a dashed line, the project's end as a vertical line."""
    amount: Hours = getattr(usage, kind)
    ends: date | None = getattr(usage, f"{kind}_runs_out")
    first, now = points[0], points[-1]
    last = max(now.day, usage.until or now.day, min(ends, now.day + timedelta(days=400)) if ends else now.day)
    days = max((last - first.day).days, 1)

    def x(day: date) -> float:
        return LEFT + (WIDTH - LEFT - 8) * (day - first.day).days / days

    def y(remaining: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - remaining / amount.granted)

    line = " ".join(f"{x(point.day):.1f},{y(point.left):.1f}" for point in points)
    parts = [
        *_grid(amount.granted, y),
        Markup('<polyline class="burn" points="{}"/>').format(line),
    ]
    if ends and ends > now.day:
        way = f"{x(now.day):.1f},{y(now.left):.1f} {x(ends):.1f},{y(0):.1f}"
        parts.append(Markup('<polyline class="forecast" points="{}"/>').format(way))
    if usage.until:
        at = f"{x(usage.until):.1f}"
        upright = Markup('<line class="until" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>')
        parts.append(upright.format(at, TOP, HEIGHT - BOTTOM))
    for day, anchor in ((first.day, "start"), (last, "end")):
        place = x(day) if anchor == "start" else WIDTH - 4
        parts.append(
            Markup('<text x="{:.1f}" y="{}" text-anchor="{}">{}</text>').format(
                place, HEIGHT - 8, anchor, short_day(day)
            )
        )
    return Markup('<svg class="burndown" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, HEIGHT, summary, Markup("").join(parts)
    )


def _grid(granted: float, y: Callable[[float], float]) -> Iterator[Markup]:
    for share in (0.0, 0.5, 1.0):
        at = y(granted * share)
        yield Markup('<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(LEFT, WIDTH - 8, at, at)
        yield Markup('<text x="{}" y="{:.1f}" text-anchor="end">{}</text>').format(
            LEFT - 8, at + 4, quantity(granted * share)
        )


def shares(usage: ProjectUsage) -> Markup:
    """Usage by person and by partition."""
    people = [(person.name, hours(person.cpu), hours(person.gpu)) for person in usage.people]
    partitions = [(partition.name, hours(partition.cpu), hours(partition.gpu)) for partition in usage.partitions]
    if not people:
        return Markup(
            '<p class="quiet">No job has been counted by person and by partition yet. '
            "That is updated every few minutes.</p>"
        )
    part = Markup('<section class="part"><h3>{}</h3>{}</section>')
    return part.format("By person", table(("Person", "CPU", "GPU"), people)) + part.format(
        "By partition", table(("Partition", "CPU", "GPU"), partitions)
    )
