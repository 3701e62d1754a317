"""Table of call states set by admins; all other data of calls is in the programme's file."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, String
from sqlalchemy.orm import Mapped, mapped_column

from hub.calls.models import CallState
from hub.db.base import Base, UtcDateTime, Word


class CallRow(Base):
    """The state of a call; one without a row is open."""

    __tablename__ = "calls"

    slug: Mapped[str] = mapped_column(String(40), primary_key=True)
    state: Mapped[CallState] = mapped_column(Word(CallState))
    full_systems: Mapped[list[str]] = mapped_column(JSON)
    note: Mapped[str] = mapped_column(String(500))
    changed: Mapped[datetime] = mapped_column(UtcDateTime)
