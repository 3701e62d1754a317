from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import text
from sqlalchemy.exc import StatementError

from hub.announcements.models import Severity
from hub.announcements.tables import AnnouncementRow
from hub.health.tables import SignOfLife


def test_moments_come_back_in_utc(sessions):
    here = datetime(2026, 7, 1, 14, 30, tzinfo=timezone(timedelta(hours=2)))
    with sessions.begin() as session:
        session.add(SignOfLife(part="worker", at=here))
    with sessions() as session:
        stored_at = session.get(SignOfLife, "worker").at
    assert stored_at == here
    assert stored_at.tzinfo is UTC


def test_a_moment_without_a_zone_is_refused(session):
    session.add(SignOfLife(part="worker", at=datetime(2026, 7, 1)))
    with pytest.raises(StatementError, match="without a zone"):
        session.flush()


def test_words_are_stored_as_they_are_read(session, engine):
    session.add(AnnouncementRow(text="x", severity=Severity.WARN, starts=datetime.now(UTC)))
    session.commit()
    assert session.execute(text("SELECT severity FROM announcements")).scalar() == "warn"
    assert session.query(AnnouncementRow).one().severity is Severity.WARN
