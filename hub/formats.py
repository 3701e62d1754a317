"""Numbers, hours, days and times as the reader's language writes them, by Babel; texts are in :mod:`hub.language`.

The Hub's pages, dashboards, mails and PDFs write them in this way alone. ``pages.templating`` offers all of it to
templates as filters.
"""

from __future__ import annotations

from datetime import UTC, date, datetime

from babel.core import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton, format_time
from babel.numbers import format_decimal

from hub.language import ENGLISH, current

_ENGLISH = Locale("en", "GB")
"""Atrium's English writes the day before the month, and 24 hours."""


def quantity(value: float) -> str:
    """``3 100``, ``4.5``, ``0.04``: decimals only where they say something."""
    decimals = ".##" if abs(value) < 1 else ".#" if abs(value) < 10 else ""
    return _grouped(format_decimal(value, f"#,##0{decimals}", _locale()))


def exactly(value: float) -> str:
    """``3 100.25``: all decimals, as records need them."""
    return _grouped(format_decimal(value, "#,##0.####################", _locale()))


def hours(value: float) -> str:
    """``3 100 h``."""
    return f"{quantity(value)}\N{NO-BREAK SPACE}h"


def day(value: date) -> str:
    """``5 January 2026``; of a moment, its day in the moment's own zone."""
    return format_date(value, "d MMMM y" if _locale() is _ENGLISH else "long", _locale())


def short_day(value: date) -> str:
    """``5 Jan 2026``."""
    return format_date(value, "d MMM y" if _locale() is _ENGLISH else "medium", _locale())


def clock(moment: datetime) -> str:
    """``14:02 UTC``, until the page's script shows the reader's own zone."""
    return f"{format_time(moment, 'short', tzinfo=UTC, locale=_locale())} UTC"


def moment(value: datetime) -> str:
    """``5 January 2026, 14:02 UTC``."""
    return f"{day(value.astimezone(UTC))}, {clock(value)}"


def day_and_clock(moment: datetime) -> str:
    """``5 Jan 14:02 UTC``."""
    return f"{format_skeleton('MMMd', moment, tzinfo=UTC, locale=_locale())} {clock(moment)}"


def _grouped(number: str) -> str:
    """English with a narrow space, as in JupyterLab's status bar: many readers know the comma as the decimal sign."""
    return number.replace(",", "\N{NARROW NO-BREAK SPACE}") if _locale() is _ENGLISH else number


def _locale() -> Locale:
    """Babel's locale of the reader's language; English for one that Babel does not know."""
    language = current()
    if language == ENGLISH:
        return _ENGLISH
    try:
        return Locale.parse(language)
    except (UnknownLocaleError, ValueError):
        return _ENGLISH
