"""When a project begins, ends and closes. Pure."""

from __future__ import annotations

from datetime import date, timedelta

from hub.calls.models import Terms
from hub.projects.models import Phase


def files_until(until: date | None, terms: Terms) -> date | None:
    """The last day on which members read the files; None for a project without an end."""
    if until is None:
        return None
    return until + min(timedelta(days=terms.grace_days), date.max - until)


def phase(starts: date, until: date | None, terms: Terms, today: date) -> Phase:
    """Where a project is today; its last day is still its own."""
    if today < starts:
        return Phase.WAITING
    if until is None or today <= until:
        return Phase.OPEN
    grace = files_until(until, terms)
    return Phase.ENDED if grace is None or today <= grace else Phase.CLOSED


def warning(until: date | None, terms: Terms, today: date) -> int | None:
    """Which of the warnings is due: the smallest number of days that still covers what is left."""
    if until is None or today > until:
        return None
    return min((days for days in terms.warning_days if (until - today).days <= days), default=None)
