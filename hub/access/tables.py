"""Projects and members, as stored."""

from __future__ import annotations

from datetime import date

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from hub.access.models import MemberRole, ProjectState
from hub.db.base import Base, Word


class Project(Base):
    """A grant of hours. ``state``, ``attempts`` and ``reason`` tell how far Slurm has been told about it."""

    __tablename__ = "projects"

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(40), unique=True)
    title: Mapped[str] = mapped_column(String(120))
    account: Mapped[str] = mapped_column(String(40), unique=True)
    cpu_hours: Mapped[int]
    gpu_hours: Mapped[int]
    starts: Mapped[date]
    until: Mapped[date | None]
    state: Mapped[ProjectState] = mapped_column(Word(ProjectState))
    attempts: Mapped[int] = mapped_column(default=0)
    reason: Mapped[str] = mapped_column(String(500), default="")
    """Why the last attempt failed, empty when none did."""

    members: Mapped[list[Member]] = relationship(
        back_populates="project", cascade="all, delete-orphan", order_by="Member.id"
    )


class Member(Base):
    """A person in a project; ``person`` is their name at the Hub, as OS user and in Slurm."""

    __tablename__ = "members"
    __table_args__ = (UniqueConstraint("project_id", "person"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    person: Mapped[str] = mapped_column(String(32), index=True)
    role: Mapped[MemberRole] = mapped_column(Word(MemberRole))

    project: Mapped[Project] = relationship(back_populates="members")
