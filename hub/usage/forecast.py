"""When hours run out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil

from hub.usage.models import Outlook

WINDOW_DAYS = 14
DAYS_OF_USE = 3
"""A forecast needs use on that many days of the window: one first try says nothing of the pace."""
FARTHEST_DAYS = 730


@dataclass(frozen=True)
class Forecast:
    """``day`` is the first day without hours, known for :attr:`Outlook.USED_UP` and :attr:`Outlook.RUNS_OUT`."""

    outlook: Outlook
    day: date | None = None


def with_today(used: Mapping[date, float], total: float, today: date) -> dict[date, float]:
    """Hours by day; today has what of the ``total`` is on no earlier day.

    Slurm's total includes running jobs, its accounting by day does not. Tables and forecasts use the same days.
    """
    earlier = {day: hours for day, hours in used.items() if day < today}
    rest = max(total - sum(earlier.values()), used.get(today, 0.0), 0.0)
    return {**earlier, today: rest} if rest > 0 else earlier


def forecast(used: Mapping[date, float], left: float, *, starts: date, today: date) -> Forecast:
    """When ``left`` hours are gone if they go as they did since the first use within the last two weeks."""
    if left <= 0:
        return Forecast(Outlook.USED_UP, today)
    first = max(starts, today - timedelta(days=WINDOW_DAYS - 1))
    recent = {day: hours for day, hours in used.items() if first <= day <= today and hours > 0}
    if not recent:
        return Forecast(Outlook.UNUSED)
    if len(recent) < DAYS_OF_USE:
        return Forecast(Outlook.TOO_EARLY)
    pace = sum(recent.values()) / ((today - min(recent)).days + 1)
    days = ceil(left / pace)
    return Forecast(Outlook.RUNS_OUT, today + timedelta(days=days)) if days <= FARTHEST_DAYS else Forecast(Outlook.FAR)


def first_end(forecasts: Iterable[Forecast]) -> Forecast | None:
    """Of several budgets the one that ends first, as far as that is known. None without a budget."""
    ranks = list(Outlook)
    return min(forecasts, key=lambda entry: (ranks.index(entry.outlook), entry.day or date.max), default=None)
