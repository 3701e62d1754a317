"""Saved searches in the database."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hub.db.base import Base, UtcDateTime


class SavedSearchRow(Base):
    """``seen``: records changed up to this moment are no news. ``mailed``: time of the last mail about it."""

    __tablename__ = "dataspace_saved_searches"
    __table_args__ = (UniqueConstraint("person", "title"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    person: Mapped[str] = mapped_column(String(32), index=True)
    title: Mapped[str] = mapped_column(String(120))
    query: Mapped[str] = mapped_column(Text)
    mail: Mapped[bool]
    created: Mapped[datetime] = mapped_column(UtcDateTime)
    seen: Mapped[datetime] = mapped_column(UtcDateTime)
    mailed: Mapped[datetime | None] = mapped_column(UtcDateTime)
