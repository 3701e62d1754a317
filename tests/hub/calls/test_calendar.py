from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfoNotFoundError

import pytest

from hub.calls.calendar import add_working_days, day_in, extended, is_working_day, last_day, working_days_between

HOLIDAYS = {date(2026, 12, 24), date(2026, 12, 25), date(2027, 1, 1)}


@pytest.mark.parametrize(
    ("day", "count", "due"),
    [
        (date(2026, 11, 23), 2, date(2026, 11, 25)),  # Monday: the day itself is not counted
        (date(2026, 11, 26), 2, date(2026, 11, 30)),  # over a weekend
        (date(2026, 11, 28), 2, date(2026, 12, 1)),  # from a Saturday
        (date(2026, 12, 23), 2, date(2026, 12, 29)),  # over holidays and a weekend
        (date(2026, 12, 31), 1, date(2027, 1, 4)),
        (date(2026, 11, 23), 0, date(2026, 11, 23)),
    ],
)
def test_due_dates(day, count, due):
    assert add_working_days(day, count, HOLIDAYS) == due
    if count:
        assert working_days_between(day, due, HOLIDAYS) == count


def test_what_is_overdue_counts_below_nothing():
    assert working_days_between(date(2026, 11, 30), date(2026, 11, 26), HOLIDAYS) == -2
    assert working_days_between(date(2026, 11, 30), date(2026, 11, 30), HOLIDAYS) == 0


def test_nobody_counts_backwards():
    with pytest.raises(ValueError, match="forwards"):
        add_working_days(date(2026, 11, 30), -1, ())


YEAR = [date(2027, 7, 1) + timedelta(days=number) for number in range(366)]  # with 29 February 2028


@pytest.mark.parametrize(
    ("starts", "months", "last"),
    [
        (date(2026, 11, 24), 1, date(2026, 12, 23)),
        (date(2026, 11, 30), 3, date(2027, 2, 28)),
        (date(2027, 1, 31), 1, date(2027, 2, 28)),
        (date(2028, 1, 30), 1, date(2028, 2, 29)),
        (date(2026, 12, 1), 12, date(2027, 11, 30)),
    ],
)
def test_months_are_those_of_the_calendar(starts, months, last):
    assert last_day(starts, months) == last


def test_an_extension_begins_on_the_day_after_the_last_one():
    assert extended(date(2027, 2, 28), 3, date(2027, 2, 1)) == date(2027, 5, 31)
    assert extended(date(2027, 2, 28), 3, date(2027, 4, 10)) == date(2027, 7, 9), "a period that is over"


def test_two_extensions_are_no_shorter_than_a_long_one_on_any_day_of_a_year():
    for last in YEAR:
        for first, second in ((1, 1), (1, 2), (3, 3), (6, 6)):
            in_steps = extended(extended(last, first, last), second, last)
            assert in_steps >= extended(last, first + second, last), (last, first, second)


def test_working_days_are_counted_back_from_any_day_of_a_year():
    for day in YEAR:
        for count in (1, 2, 10):
            due = add_working_days(day, count, HOLIDAYS)
            assert is_working_day(due, HOLIDAYS)
            assert working_days_between(day, due, HOLIDAYS) == count


def test_a_day_of_a_zone_has_all_its_hours_on_any_day_of_a_year():
    moments = [datetime(2027, 7, 1, tzinfo=UTC) + timedelta(minutes=30 * number) for number in range(366 * 48)]
    days = [day_in("Europe/Brussels", moment) for moment in moments]
    hours = {day: days.count(day) / 2 for day in (date(2027, 10, 31), date(2027, 12, 1), date(2028, 3, 26))}
    assert hours == {date(2027, 10, 31): 25, date(2027, 12, 1): 24, date(2028, 3, 26): 23}
    assert days == sorted(days)
    with pytest.raises(ZoneInfoNotFoundError):
        day_in("Europe/Atlantis", moments[0])
