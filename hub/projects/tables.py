"""Tables of projects, members and former members, provisioning steps, invitations and extensions."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import JSON, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from hub.db.base import Base, UtcDateTime, Word
from hub.organisations.tables import OrganisationRow
from hub.projects.models import ExtensionState, MemberRole, Phase, ProjectState, Step


class Project(Base):
    """A grant of hours. ``revision`` counts its changes; steps hold the revision they have provisioned."""

    __tablename__ = "projects"

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(40), unique=True)
    title: Mapped[str] = mapped_column(String(200))
    account: Mapped[str] = mapped_column(String(40), unique=True)
    call: Mapped[str] = mapped_column(String(40))
    """The call it was awarded in; empty for a project created by an admin."""
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey(OrganisationRow.id))
    cpu_hours: Mapped[int]
    gpu_hours: Mapped[int]
    storage_gb: Mapped[int]
    partitions: Mapped[list[str]] = mapped_column(JSON)
    """Partitions that its jobs may use; empty: all, which only an admin's own project may have."""
    qos: Mapped[list[str]] = mapped_column(JSON)
    starts: Mapped[date]
    until: Mapped[date | None]
    phase: Mapped[Phase] = mapped_column(Word(Phase))
    state: Mapped[ProjectState] = mapped_column(Word(ProjectState), index=True)
    revision: Mapped[int] = mapped_column()

    members: Mapped[list[Member]] = relationship(
        back_populates="project", cascade="all, delete-orphan", order_by="Member.id"
    )
    steps: Mapped[list[StepRow]] = relationship(cascade="all, delete-orphan")

    # The second of two writers gets StaleDataError. ``mark_changed`` counts, so that the worker's own notes do not.
    __mapper_args__ = {"version_id_col": revision, "version_id_generator": False}  # noqa: RUF012


class Member(Base):
    """A person in a project; ``person`` is their name at the Hub, as OS user and in Slurm."""

    __tablename__ = "members"
    __table_args__ = (UniqueConstraint("project_id", "person"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    person: Mapped[str] = mapped_column(String(32), index=True)
    role: Mapped[MemberRole] = mapped_column(Word(MemberRole))
    leaving: Mapped[bool] = mapped_column(default=False)
    """Removed; the row is deleted when Slurm, storage and Hub have removed them."""

    project: Mapped[Project] = relationship(back_populates="members")


class FormerMember(Base):
    """A person who was a member; kept, because they never decide about the project."""

    __tablename__ = "former_members"

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    person: Mapped[str] = mapped_column(String(32), primary_key=True)
    until: Mapped[datetime] = mapped_column(UtcDateTime)


class StepRow(Base):
    """The state of one provisioning step of a project."""

    __tablename__ = "provisioning_steps"

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    step: Mapped[Step] = mapped_column(Word(Step), primary_key=True)
    revision: Mapped[int] = mapped_column(default=0)
    """Revision of the project that was provisioned last; 0: none."""
    attempts: Mapped[int] = mapped_column(default=0)
    remark: Mapped[str] = mapped_column(String(500), default="")
    done: Mapped[datetime | None] = mapped_column(UtcDateTime)
    retry: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    """When it is repeated, because it left somebody out; None: it left nobody out."""
    retries: Mapped[int] = mapped_column(default=0)
    """Repetitions since it left somebody out; pauses grow with them."""


class InvitationRow(Base):
    """An invitation to the holder of its link, of which only a hash is stored."""

    __tablename__ = "invitations"

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), index=True)
    address: Mapped[str] = mapped_column(String(254))
    role: Mapped[MemberRole] = mapped_column(Word(MemberRole))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    by: Mapped[str] = mapped_column(String(32))
    created: Mapped[datetime] = mapped_column(UtcDateTime)
    expires: Mapped[datetime] = mapped_column(UtcDateTime)
    accepted_by: Mapped[str | None] = mapped_column(String(32))

    project: Mapped[Project] = relationship()


class ExtensionRow(Base):
    """A lead's request for more time or hours."""

    __tablename__ = "extensions"

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), index=True)
    by: Mapped[str] = mapped_column(String(32))
    months: Mapped[int]
    cpu_hours: Mapped[int]
    gpu_hours: Mapped[int]
    reason: Mapped[str] = mapped_column(Text)
    state: Mapped[ExtensionState] = mapped_column(Word(ExtensionState), index=True)
    answer: Mapped[str] = mapped_column(Text)
    created: Mapped[datetime] = mapped_column(UtcDateTime)

    project: Mapped[Project] = relationship()
