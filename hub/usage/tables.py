"""Hours used, as stored."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from hub.db.base import Base, UtcDateTime


class UsageSnapshot(Base):
    """What Slurm last said about a project's account: one row a project, replaced each time."""

    __tablename__ = "usage_snapshots"

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    cpu_minutes: Mapped[int] = mapped_column(BigInteger)
    gpu_minutes: Mapped[int] = mapped_column(BigInteger)
    as_of: Mapped[datetime] = mapped_column(UtcDateTime)
