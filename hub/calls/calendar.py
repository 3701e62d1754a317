"""Days of the calendar: working days, days of a time zone, periods of months. Pure.

Working days are counted by Regulation (EEC, Euratom) No 1182/71: the day of the event itself does not count.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta

DAY = timedelta(days=1)
SATURDAY = 5


def day_in(zone: str, moment: datetime) -> date:
    """The day that a moment belongs to in a time zone (``Europe/Brussels``).

    :raises zoneinfo.ZoneInfoNotFoundError: there is no such zone.
    """
    return moment.astimezone(ZoneInfo(zone)).date()


def last_day(first: date, months: int) -> date:
    """The last day of a period of calendar months; a period from the 31st ends with each shorter month.

    :raises ValueError: it ends after the calendar (year 9999).
    """
    end = first + relativedelta(months=months)
    return end - DAY if end.day == first.day else end


def extended(last: date, months: int, today: date) -> date:
    """The new last day of a period that ends on ``last`` and gets more months: they begin on the day after it.

    The months of a period that is over begin today.

    :raises ValueError: it ends after the calendar (year 9999).
    """
    return last_day(max(last + DAY, today), months)


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


def months_after(day: date, count: int, holidays: Collection[date]) -> date:
    """Last day of a period of months after ``day``, or the next working day (Article 3(4) of the Regulation)."""
    end = day + relativedelta(months=count)
    return end if is_working_day(end, holidays) else add_working_days(end, 1, holidays)


def working_days_between(first: date, last: date, holidays: Collection[date]) -> int:
    """Number of working days after ``first`` up to and including ``last``; negative if ``last`` is earlier."""
    if last < first:
        return -working_days_between(last, first, holidays)
    days = (first + DAY * number for number in range(1, (last - first).days + 1))
    return sum(is_working_day(day, holidays) for day in days)
