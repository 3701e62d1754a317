"""When a project begins, ends and closes. Pure."""

from __future__ import annotations

from datetime import date, timedelta

from dateutil.relativedelta import relativedelta

from hub.calls.models import Terms
from hub.projects.models import Phase


def add_months(day: date, months: int) -> date:
    """The same day ``months`` later, or the last of that month if it has no such day."""
    return day + relativedelta(months=months)


def last_day(starts: date, months: int) -> date:
    """The last day of a project of so many months."""
    return add_months(starts, months) - timedelta(days=1)


def files_until(until: date | None, terms: Terms) -> date | None:
    return until + timedelta(days=terms.grace_days) if until else None


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
