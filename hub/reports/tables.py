"""Table of final reports."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from hub.db.base import Base, UtcDateTime
from hub.projects.tables import Project


class ReportRow(Base):
    __tablename__ = "reports"

    project_id: Mapped[int] = mapped_column(ForeignKey(Project.id, ondelete="CASCADE"), primary_key=True)
    revision: Mapped[int] = mapped_column()
    form: Mapped[dict[str, Any]] = mapped_column(JSON)
    usage: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """Frozen with the submission."""
    submitted: Mapped[datetime | None] = mapped_column(UtcDateTime)

    __mapper_args__ = {"version_id_col": revision}  # noqa: RUF012  the second of two writers gets StaleDataError
