"""Dates in the spellings of catalogues."""

from datetime import date

import pytest

from hub.dataspace.metadata.dates import day
from hub.dataspace.metadata.namespaces import DCT
from tests.hub.dataspace.metadata.test_dcat import record_with

JULY = [
    *("2019-07-01", "2019/07/01", "2019.07.01", "2019-7-1", "2019/7/1", "20190701", "201907", "2019-07", "2019/07"),
    *("2019-07-01T10:00:00Z", "2019-07-01 10:00:00", "2019/07/01 10:00", "20190701T100000Z", "20190701100000"),
    *("2019-07-01+02:00", "2019-07-01T10:00:00.000+0000", "1.7.2019", "01.07.2019", "1. 7. 2019", "2019. 7. 1."),
    *("Mon, 01 Jul 2019 10:00:00 GMT", "Mon, 1 Jul 19 10:00 +0200", "Mon, 01 Jul 2019", "Mon Jul  1 10:00:00 2019"),
    *("1 July 2019", "July 1, 2019", "July 1st, 2019", "01-Jul-2019", "Monday, 1 July 2019", "July 2019"),
    *("2019年7月1日", "2019年07月01日", "2019年7月", "２０１９年７月１日", "2019년 7월 1일"),
]


@pytest.mark.parametrize("text", JULY)
def test_the_spellings_of_catalogues_are_read(text):
    assert day(text) == date(2019, 7, 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("31/12/2020", date(2020, 12, 31)), ("12/31/2020", date(2020, 12, 31)), ("31-12-2020", date(2020, 12, 31))),
        *(("31/12/2020 23:59", date(2020, 12, 31)), ("05/05/2020", date(2020, 5, 5)), ("2019", date(2019, 1, 1))),
    ],
)
def test_day_and_month_are_read_where_they_cannot_be_mixed_up(text, expected):
    assert day(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("1/2/2020", "01-02-2020", "1/2/2020 10:00", "32/12/2020", "2020-02-30", "2019-13-01", "99/99/9999", "0000"),
        *("311219", "101112", "2019 was a good year", "2019-Q1", "2019-07/2020-01", "last summer", "", "may be 2019"),
        *("2019年13月1日", "31.12.20", "10:00", "a:b"),
    ],
)
def test_what_could_be_two_days_or_none_is_no_date(text):
    assert day(text) is None


@pytest.mark.parametrize(("text", "is_shown"), [("1/2/2020", True), ("31/12/2020", False)])
def test_a_date_that_cannot_be_read_is_shown_as_its_source_has_it(text, is_shown):
    record = record_with("dct:modified", f'"{text}"')
    assert (record.modified is None, DCT + "modified" in record.extra) == (is_shown, is_shown)
