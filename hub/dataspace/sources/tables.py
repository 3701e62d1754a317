"""Sources and runs, as stored. Long values are JSON of the models."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from hub.dataspace.sources.models import RunState
from hub.db.base import Base, UtcDateTime, Word


class SourceRow(Base):
    """Where records come from. ``due``: when it is harvested next; None while it is off.

    One that is ``removed`` is deleted by the worker when the index has forgotten its records.
    """

    __tablename__ = "dataspace_sources"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40), unique=True)
    form: Mapped[str] = mapped_column(Text)
    from_settings: Mapped[bool] = mapped_column(default=False)
    due: Mapped[datetime | None] = mapped_column(UtcDateTime)
    removed: Mapped[bool] = mapped_column(default=False)

    runs: Mapped[list[RunRow]] = relationship(cascade="all, delete-orphan", passive_deletes=True)


class RunRow(Base):
    """One harvest of a source; its pages so far are in the source's staging file, so that it can go on."""

    __tablename__ = "dataspace_runs"
    # A staging file has the ids of runs in it, also when they are deleted.
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    source_id: Mapped[int] = mapped_column(ForeignKey("dataspace_sources.id", ondelete="CASCADE"), index=True)
    state: Mapped[RunState] = mapped_column(Word(RunState))
    started: Mapped[datetime] = mapped_column(UtcDateTime)
    ended: Mapped[datetime | None] = mapped_column(UtcDateTime)
    attempts: Mapped[int] = mapped_column(default=0)
    pages: Mapped[int] = mapped_column(default=0)
    read: Mapped[int] = mapped_column(default=0)
    new: Mapped[int] = mapped_column(default=0)
    changed: Mapped[int] = mapped_column(default=0)
    same: Mapped[int] = mapped_column(default=0)
    listed_only: Mapped[int] = mapped_column(default=0)
    removed: Mapped[int] = mapped_column(default=0)
    refused: Mapped[int] = mapped_column(default=0)
    refusals: Mapped[str] = mapped_column(Text, default="[]")
    reason: Mapped[str] = mapped_column(String(500), default="")
