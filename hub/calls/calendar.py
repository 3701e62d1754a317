"""Working days. Pure.

Days are counted by Regulation (EEC, Euratom) No 1182/71: the day of the event itself does not count.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta

DAY = timedelta(days=1)
SATURDAY = 5


def is_working_day(day: date, holidays: Collection[date]) -> bool:
    return day.weekday() < SATURDAY and day not in holidays


def add_working_days(day: date, count: int, holidays: Collection[date]) -> date:
    """The ``count``-th working day after ``day``."""
    if count < 0:
        raise ValueError("working days are counted forwards")
    while count:
        day += DAY
        count -= is_working_day(day, holidays)
    return day


def working_days_between(first: date, last: date, holidays: Collection[date]) -> int:
    """Number of working days after ``first`` up to and including ``last``; negative if ``last`` is earlier."""
    if last < first:
        return -working_days_between(last, first, holidays)
    days = (first + DAY * number for number in range(1, (last - first).days + 1))
    return sum(is_working_day(day, holidays) for day in days)
