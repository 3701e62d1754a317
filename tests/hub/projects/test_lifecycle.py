from datetime import date

import pytest

from hub.calls import programme
from hub.projects import lifecycle
from hub.projects.models import Phase
from hub.settings import Settings

DATA = programme.current(Settings()).terms


@pytest.mark.parametrize(
    ("today", "phase"),
    [
        (date(2026, 11, 30), Phase.WAITING),
        (date(2026, 12, 1), Phase.OPEN),
        (date(2026, 12, 31), Phase.OPEN),
        (date(2027, 1, 1), Phase.ENDED),
        (date(2027, 3, 31), Phase.ENDED),
        (date(2027, 4, 1), Phase.CLOSED),
    ],
)
def test_a_project_s_phases(today, phase):
    assert lifecycle.phase(date(2026, 12, 1), date(2026, 12, 31), DATA, today) is phase


def test_a_project_without_an_end_stays_open():
    assert lifecycle.phase(date(2026, 12, 1), None, DATA, date(2099, 1, 1)) is Phase.OPEN


@pytest.mark.parametrize(("left", "days"), [(31, None), (30, 30), (8, 30), (7, 7), (2, 7), (1, 1), (0, 1), (-1, None)])
def test_which_warning_is_due(left, days):
    today = date(2026, 12, 1)
    assert lifecycle.warning(date.fromordinal(today.toordinal() + left), DATA, today) == days
