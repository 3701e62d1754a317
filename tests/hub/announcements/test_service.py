from datetime import UTC, datetime, timedelta

import pytest

from hub.announcements.models import Severity
from hub.announcements.service import active, add
from hub.errors import InvalidInput

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_shown_between_two_moments_newest_first(session):
    add(session, "always", starts=NOON - 2 * HOUR)
    add(session, "maintenance", Severity.WARN, starts=NOON - HOUR, ends=NOON + HOUR)
    add(session, "over", starts=NOON - 2 * HOUR, ends=NOON)
    add(session, "later", starts=NOON + HOUR)

    assert [announcement.text for announcement in active(session, NOON)] == ["maintenance", "always"]
    assert [announcement.text for announcement in active(session, NOON + HOUR)] == ["later", "always"]


@pytest.mark.parametrize("text", ["", "  ", "x" * 1001])
def test_text_has_a_length(session, text):
    with pytest.raises(InvalidInput) as refused:
        add(session, text)
    assert refused.value.field == "text"


def test_an_end_before_the_start_is_refused(session):
    with pytest.raises(InvalidInput):
        add(session, "x", starts=NOON, ends=NOON)
