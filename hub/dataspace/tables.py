"""Sources, runs, records, publications, saved searches and transfers, as stored. Long values are JSON of the models."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from hub.dataspace.models import RunState, TransferState, Visibility
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
    removed: Mapped[int] = mapped_column(default=0)
    refused: Mapped[int] = mapped_column(default=0)
    refusals: Mapped[str] = mapped_column(Text, default="[]")
    reason: Mapped[str] = mapped_column(String(500), default="")


class RecordRow(Base):
    """The last good version of a record. ``removed`` is a tombstone: the content stays, search forgets it.

    ``indexed`` is false from a change until the worker has told the index, ``checked`` until it has judged the quality.
    ``version`` grows with every change of the row, so that neither marks what has changed meanwhile.
    """

    __tablename__ = "dataspace_records"
    __table_args__ = (
        UniqueConstraint("source_id", "uri"),
        Index("ix_dataspace_records_indexed_id", "indexed", "id"),
        Index("ix_dataspace_records_checked_id", "checked", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    source_id: Mapped[int | None] = mapped_column(ForeignKey("dataspace_sources.id", ondelete="CASCADE"))
    """None for what a project of the factory published."""
    uri: Mapped[str] = mapped_column(String(2000))
    space: Mapped[str] = mapped_column(String(60))
    content: Mapped[str] = mapped_column(Text)
    hash: Mapped[str] = mapped_column(String(64))
    visibility: Mapped[Visibility] = mapped_column(Word(Visibility))
    project: Mapped[str | None] = mapped_column(String(40), index=True)
    """Slug of the project that published it."""
    first_seen: Mapped[datetime] = mapped_column(UtcDateTime)
    changed: Mapped[datetime] = mapped_column(UtcDateTime)
    removed: Mapped[datetime | None] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(default=1)
    indexed: Mapped[bool] = mapped_column(default=False)
    quality: Mapped[str | None] = mapped_column(Text)
    checked: Mapped[bool] = mapped_column(default=False)


class PublicationRow(Base):
    __tablename__ = "dataspace_publications"

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(80), unique=True)
    record_id: Mapped[int] = mapped_column(ForeignKey("dataspace_records.id", ondelete="CASCADE"), unique=True)
    project: Mapped[str] = mapped_column(String(40), index=True)
    form: Mapped[str] = mapped_column(Text)
    author: Mapped[str] = mapped_column(String(32))
    created: Mapped[datetime] = mapped_column(UtcDateTime)
    modified: Mapped[datetime] = mapped_column(UtcDateTime)


class SavedSearchRow(Base):
    """``seen``: records that were there at this moment are not news any more. ``mailed``: when it was written about."""

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


class TransferRow(Base):
    """A file on its way into a project. The row is there before the job, and says what the job is told.

    ``touched``: when the worker last did something about it.
    """

    __tablename__ = "dataspace_transfers"

    id: Mapped[int] = mapped_column(primary_key=True)
    project: Mapped[str] = mapped_column(String(40), index=True)
    account: Mapped[str] = mapped_column(String(40))
    person: Mapped[str] = mapped_column(String(32), index=True)
    record_id: Mapped[int]
    """No key of the database: what was brought stays when its record is gone."""
    title: Mapped[str] = mapped_column(String(300))
    address: Mapped[str] = mapped_column(String(2000))
    order: Mapped[str] = mapped_column("job_order", Text)
    state: Mapped[TransferState] = mapped_column(Word(TransferState), index=True)
    job_id: Mapped[int | None]
    progress: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(String(500))
    created: Mapped[datetime] = mapped_column(UtcDateTime)
    touched: Mapped[datetime] = mapped_column(UtcDateTime)
    ended: Mapped[datetime | None] = mapped_column(UtcDateTime)
