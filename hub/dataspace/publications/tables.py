"""Publications in the database. Long values are JSON of the models."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from hub.dataspace.tables import RecordRow
from hub.db.base import Base, UtcDateTime


class PublicationRow(Base):
    __tablename__ = "dataspace_publications"

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(80), unique=True)
    record_id: Mapped[int] = mapped_column(ForeignKey(RecordRow.id, ondelete="CASCADE"), unique=True)
    project: Mapped[str] = mapped_column(String(40), index=True)
    form: Mapped[str] = mapped_column(Text)
    author: Mapped[str] = mapped_column(String(32))
    created: Mapped[datetime] = mapped_column(UtcDateTime)
    modified: Mapped[datetime] = mapped_column(UtcDateTime)
