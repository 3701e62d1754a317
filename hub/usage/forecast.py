"""When hours run out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from math import ceil

WINDOW_DAYS = 14
FARTHEST_DAYS = 3650


def runs_out(used: Mapping[date, float], left: float, *, starts: date, today: date) -> date | None:
    """The day on which ``left`` hours are gone if each day goes as those of the last two weeks went on average.

    None when nothing was used lately, or the day is too far away to mean anything.
    """
    if left <= 0:
        return today
    first = max(starts, today - timedelta(days=WINDOW_DAYS - 1))
    window = (today - first).days + 1
    recent = sum(hours for day, hours in used.items() if first <= day <= today)
    if window < 1 or recent <= 0:
        return None
    days = ceil(left / (recent / window))
    return today + timedelta(days=days) if days <= FARTHEST_DAYS else None
