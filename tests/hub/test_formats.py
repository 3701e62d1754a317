"""Numbers and times as each reader's language writes them."""

from __future__ import annotations

from contextvars import copy_context
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from hub import formats, language

MOMENT = datetime(2026, 1, 5, 15, 2, tzinfo=timezone(timedelta(hours=1)))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3100, "3\u202f100"),
        (4.5, "4.5"),
        (5.0, "5"),
        (9.96, "10"),
        (0, "0"),
        (0.04, "0.04"),  # a little use is not none
        (0.996, "1"),
        (-3.25, "-3.2"),
        (1234567.8, "1\u202f234\u202f568"),
    ],
)
def test_quantities_are_for_reading(value: float, text: str) -> None:
    assert formats.quantity(value) == text


def test_hours_and_days_are_written_in_one_way() -> None:
    assert formats.hours(50_000) == "50\u202f000\u00a0h"
    assert formats.day(date(2026, 1, 5)) == "5 January 2026"
    assert formats.short_day(date(2026, 1, 5)) == "5 Jan 2026"
    assert formats.moment(MOMENT) == "5 January 2026, 14:02 UTC"


def test_times_are_in_utc_until_a_script_knows_the_zone() -> None:
    assert formats.clock(MOMENT) == "14:02 UTC"
    assert formats.day_and_clock(MOMENT) == "5 Jan 14:02 UTC"
    assert formats.day_and_clock(MOMENT.astimezone(UTC)) == "5 Jan 14:02 UTC"


@pytest.mark.parametrize(
    ("tag", "thousands", "decimal", "day"),
    [
        ("de", "1.234", "4,5", "5. Jan. 14:02 UTC"),
        ("fr", "1\u202f234", "4,5", "5 janv. 14:02 UTC"),
        ("xx", "1\u202f234", "4.5", "5 Jan 14:02 UTC"),  # a catalogue for a language that nobody has rules for
    ],
)
def test_other_languages_write_them_in_their_own_way(tag: str, thousands: str, decimal: str, day: str) -> None:
    def as_a_reader() -> tuple[str, str, str]:
        language.use(tag)
        return formats.quantity(1234), formats.quantity(4.5), formats.day_and_clock(MOMENT)

    assert copy_context().run(as_a_reader) == (thousands, decimal, day)
