"""Tables of used hours."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from hub.db.base import Base, UtcDateTime
from hub.projects.tables import Project


class UsageSnapshot(Base):
    """Slurm's last answer about a project's account: one row for each project, replaced each time."""

    __tablename__ = "usage_snapshots"

    project_id: Mapped[int] = mapped_column(ForeignKey(Project.id, ondelete="CASCADE"), primary_key=True)
    cpu_minutes: Mapped[int] = mapped_column(BigInteger)
    gpu_minutes: Mapped[int] = mapped_column(BigInteger)
    as_of: Mapped[datetime] = mapped_column(UtcDateTime)


class UsageCollection(Base):
    """Progress of collecting the usage of a day (UTC); a day without a row was never collected."""

    __tablename__ = "usage_collections"

    day: Mapped[date] = mapped_column(primary_key=True)
    collected: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Time of the last collection that succeeded."""
    due: Mapped[datetime] = mapped_column(UtcDateTime)
    """Time of the next attempt, unless the day was collected after its end."""
    failures: Mapped[int]
    """Since the last collection that succeeded; pauses grow with them."""
    reason: Mapped[str] = mapped_column(String(500))
    """Why the last attempt failed; empty if it did not."""


class UsageDay(Base):
    """Usage of a person in a partition on a day (UTC), from accounting."""

    __tablename__ = "usage_days"

    project_id: Mapped[int] = mapped_column(ForeignKey(Project.id, ondelete="CASCADE"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    person: Mapped[str] = mapped_column(String(32), primary_key=True)
    partition: Mapped[str] = mapped_column(String(64), primary_key=True)
    cpu_seconds: Mapped[int] = mapped_column(BigInteger)
    gpu_seconds: Mapped[int] = mapped_column(BigInteger)
