from datetime import date

import pytest

from hub.calls.calendar import add_working_days, working_days_between

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
