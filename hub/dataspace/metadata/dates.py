"""Dates in the spellings of catalogues. Pure functions; a text that could be two dates gives none."""

from __future__ import annotations

import re
from datetime import date
from email.utils import parsedate

_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
           "november", "december")  # fmt: skip
_TIME = r"(?:[T ,]+\d{1,2}:\d\d.*|T\d.*|T)?"
"""What may follow a day: a time, which is not read."""
_YEAR_FIRST = re.compile(rf"(\d{{4}})(?:([-/.]) ?(\d\d?)(?:\2 ?(\d\d?))?)?\.?(?:Z|[+-]\d\d:\d\d)?{_TIME}")
_COMPACT = re.compile(r"((?:1[5-9]|20|21)\d\d)(\d\d)(\d\d)?(?:T?\d{4}(?:\d\d)?(?:\.\d+)?Z?)?")
_YEAR_LAST = re.compile(rf"(\d\d?)([-/.]) ?(\d\d?)\2 ?(\d{{4}})\.?{_TIME}")
_EAST_ASIAN = re.compile(r"(\d{4})\s*[年년](?:\s*(\d\d?)\s*[月월](?:\s*(\d\d?)\s*[日일])?)?.*")
_MONTH_BY_NAME = re.compile(
    r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?, )?(?:(\d\d?)(?:st|nd|rd|th|\.)?[ -])?"
    r"([a-z]{3,9})\.?[ ,-]+(?:(\d\d?)(?:st|nd|rd|th)?,? )?(\d{4})"
)


def day(text: str) -> date | None:
    """A day; of a month or a year the first day.

    31/12/2020 is read, and 1/2/2020 is not, as it could be two days. With dots the day comes first.
    """
    text = text.strip()
    for read in (_year_first, _compact, _year_last, _east_asian, _month_by_name, _mail_date):
        if (parts := read(text)) is not None:
            return _date(*parts)
    return None


Parts = tuple[str | int | None, str | int | None, str | int | None]
"""Year, month and day; the last two may be missing."""


def _date(year: str | int | None, month: str | int | None, number: str | int | None) -> date | None:
    try:
        return date(int(year or 0), int(month or 1), int(number or 1))
    except ValueError:
        return None


def _year_first(text: str) -> Parts | None:
    match = _YEAR_FIRST.fullmatch(text)
    return (match[1], match[3], match[4]) if match else None


def _compact(text: str) -> Parts | None:
    """``20190701`` and ``201907``, of the centuries in which six digits are no other date."""
    match = _COMPACT.fullmatch(text)
    return (match[1], match[2], match[3]) if match else None


def _year_last(text: str) -> Parts | None:
    match = _YEAR_LAST.fullmatch(text)
    if match is None:
        return None
    first, second, year = int(match[1]), int(match[3]), match[4]
    if match[2] == "." or first > 12 or first == second:
        return year, second, first
    return (year, first, second) if second > 12 else None


def _east_asian(text: str) -> Parts | None:
    """``2019年7月1日``, with months and days of Korean, too."""
    match = _EAST_ASIAN.fullmatch(text)
    return (match[1], match[2], match[3]) if match else None


def _month_by_name(text: str) -> Parts | None:
    """``1 July 2019``, ``July 1, 2019`` and ``July 2019``."""
    match = _MONTH_BY_NAME.fullmatch(text.lower())
    month = _month(match[2]) if match else None
    if match is None or month is None or (match[1] and match[3]):
        return None
    return match[4], month, match[1] or match[3]


def _month(name: str) -> int | None:
    return next((number for number, month in enumerate(_MONTHS, 1) if month.startswith(name)), None)


def _mail_date(text: str) -> Parts | None:
    """RFC 822 and what C's ``asctime`` writes: ``Mon, 01 Jul 2019 10:00:00 GMT``."""
    parts = parsedate(text) if re.search("[a-z]{3}.*:", text, re.I) else None
    return parts[:3] if parts else None
