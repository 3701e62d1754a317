"""Objects, uploads and references in the database."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from hub.db.base import Base, UtcDateTime, Word
from hub.store.models import UploadState


class ObjectRow(Base):
    """A file in the store. The row exists before the file, and is deleted after it."""

    __tablename__ = "store_objects"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    bytes: Mapped[int] = mapped_column(BigInteger)
    created: Mapped[datetime] = mapped_column(UtcDateTime)


class UploadRow(Base):
    """A person's upload. A stored upload is deleted a day after it, or what used it, is gone.

    ``touched``: time of its last part, of its end, or of the last change of what refers to it.
    """

    __tablename__ = "store_uploads"
    __table_args__ = (
        Index("ix_store_uploads_sha256_project", "sha256", "project"),
        # The number is the name of a file and in the hands of a client: no other upload gets it.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    person: Mapped[str] = mapped_column(String(32), index=True)
    project: Mapped[str] = mapped_column(String(40), index=True)
    name: Mapped[str] = mapped_column(String(150))
    bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    state: Mapped[UploadState] = mapped_column(Word(UploadState), index=True)
    reason: Mapped[str] = mapped_column(String(500))
    created: Mapped[datetime] = mapped_column(UtcDateTime)
    touched: Mapped[datetime] = mapped_column(UtcDateTime)


class ReferenceRow(Base):
    """Something that uses an object, such as ``publication/clean-air-1a2b3c4d``."""

    __tablename__ = "store_references"

    owner: Mapped[str] = mapped_column(String(120), primary_key=True)
    sha256: Mapped[str] = mapped_column(ForeignKey(ObjectRow.sha256), primary_key=True, index=True)
    project: Mapped[str] = mapped_column(String(40), index=True)
