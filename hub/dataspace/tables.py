"""Records in the database. Long values are JSON of the models."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hub.dataspace.models import Visibility
from hub.db.base import Base, UtcDateTime, Word


class RecordRow(Base):
    """The last good version of a record. ``removed`` is a tombstone: the content stays, but search does not find it.

    ``indexed`` is false from a change until the record is indexed, ``checked`` until its quality is scored. ``version``
    grows with every change of the row, so that neither marks a record that changed meanwhile.
    """

    __tablename__ = "dataspace_records"
    __table_args__ = (
        UniqueConstraint("source_id", "uri"),
        Index("ix_dataspace_records_indexed_id", "indexed", "id"),
        Index("ix_dataspace_records_checked_id", "checked", "id"),
        # The id of a deleted record is in links and in the index: no other record gets it.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    source_id: Mapped[int | None] = mapped_column(ForeignKey("dataspace_sources.id", ondelete="CASCADE"))
    """None for publications of projects."""
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
