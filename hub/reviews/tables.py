"""Table of declarations and reviews."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hub.applications.tables import ApplicationRow
from hub.db.base import Base, UtcDateTime


class ReviewRow(Base):
    """A reviewer's declaration and review: one row for each reviewer and application."""

    __tablename__ = "reviews"
    __table_args__ = (UniqueConstraint("application_id", "reviewer"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    application_id: Mapped[int] = mapped_column(ForeignKey(ApplicationRow.id), index=True)
    reviewer: Mapped[str] = mapped_column(String(32), index=True)
    conflict: Mapped[bool]
    remarks: Mapped[str] = mapped_column(String(200))
    declared: Mapped[datetime] = mapped_column(UtcDateTime)
    version: Mapped[int]
    """Reviewed version of the application; 0: declared, not yet reviewed."""
    scores: Mapped[dict[str, int]] = mapped_column(JSON)
    comment: Mapped[str] = mapped_column(Text)
    cpu_hours: Mapped[int]
    gpu_hours: Mapped[int]
    approve: Mapped[bool]
    at: Mapped[datetime | None] = mapped_column(UtcDateTime)
