"""The audit trail: adds and reads events."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from hub.audit.models import Event
from hub.audit.tables import EventRow
from hub.db.base import now

WORKER = "worker"
ROWS_AT_ONCE = 500


def record(
    session: Session,
    *,
    who: str,
    what: str,
    on: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Add an event to the caller's transaction, so that it is stored only together with the change.

    ``before`` and ``after`` are JSON without secrets.
    """
    session.add(EventRow(at=now(), who=who, what=what, on=on, before=dict(before or {}), after=dict(after or {})))


def values_after(session: Session, *, who: str, what: str, on: str) -> list[dict[str, Any]]:
    """``after`` of every event of this kind by an account on a thing."""
    events = select(EventRow.after).where(EventRow.who == who, EventRow.on == on, EventRow.what == what)
    return list(session.scalars(events))


def remove_before(session: Session, moment: datetime) -> int:
    """Remove events older than ``moment``, :data:`ROWS_AT_ONCE` at most, and return their number."""
    numbers = session.scalars(select(EventRow.id).where(EventRow.at < moment).limit(ROWS_AT_ONCE)).all()
    session.execute(delete(EventRow).where(EventRow.id.in_(numbers)))
    session.commit()
    return len(numbers)


def events(
    session: Session, *, on: str | None = None, who: str | None = None, before: int | None = None, limit: int = 100
) -> tuple[Event, ...]:
    """Events, newest first; ``before``: only those with a smaller number."""
    query = select(EventRow).order_by(EventRow.id.desc()).limit(limit)
    if on is not None:
        query = query.where(EventRow.on == on)
    if who is not None:
        query = query.where(EventRow.who == who)
    if before is not None:
        query = query.where(EventRow.id < before)
    return tuple(Event.model_validate(row) for row in session.scalars(query))
