"""Announcements of admins, shown for a limited time."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from hub.announcements.models import Announcement, Severity
from hub.announcements.tables import AnnouncementRow
from hub.db.base import now
from hub.errors import InvalidInput

LONGEST = 1000


def add(
    session: Session,
    text: str,
    severity: Severity = Severity.INFO,
    *,
    starts: datetime | None = None,
    ends: datetime | None = None,
) -> Announcement:
    """Add an announcement, shown from now or from ``starts``."""
    text, starts = text.strip(), starts or now()
    if not 0 < len(text) <= LONGEST:
        raise InvalidInput(f"An announcement has between 1 and {LONGEST} characters.", field="text")
    if ends is not None and ends <= starts:
        raise InvalidInput("An announcement must end after it starts.", field="ends")
    row = AnnouncementRow(text=text, severity=severity, starts=starts, ends=ends)
    session.add(row)
    session.commit()
    return Announcement.model_validate(row)


def active(session: Session, moment: datetime) -> tuple[Announcement, ...]:
    """Announcements shown at ``moment``, newest first."""
    table = AnnouncementRow
    rows = session.scalars(
        select(table)
        .where(table.starts <= moment, or_(table.ends.is_(None), table.ends > moment))
        .order_by(table.starts.desc(), table.id.desc())
    )
    return tuple(Announcement.model_validate(row) for row in rows)
