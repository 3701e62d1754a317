"""Tables of applications, versions and messages."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from hub.applications.models import ApplicationState, MessageKind
from hub.db.base import Base, UtcDateTime, Word
from hub.organisations.tables import OrganisationRow
from hub.projects.tables import Project


class ApplicationRow(Base):
    """The draft and the state of an application. ``version`` is the number of submitted versions."""

    __tablename__ = "applications"
    # For counting, and for reading the queue in either order without sorting it.
    __table_args__ = (
        Index("ix_applications_state_due", "state", "due"),
        Index("ix_applications_due", "due", "id"),
        Index("ix_applications_submitted", "submitted"),
        Index("ix_applications_owner_begun_after", "owner", "begun_after", unique=True),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(String(32), index=True)
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey(OrganisationRow.id), index=True)
    """The organisation whose members may read it; set when it is submitted."""
    state: Mapped[ApplicationState] = mapped_column(Word(ApplicationState))
    begun_after: Mapped[int | None]
    """The newest application that the page knew that began this one: a second page that knew no other begins none."""
    revision: Mapped[int]
    form: Mapped[dict[str, Any]] = mapped_column(JSON)
    version: Mapped[int]
    created: Mapped[datetime] = mapped_column(UtcDateTime)
    changed: Mapped[datetime] = mapped_column(UtcDateTime)

    # Filters and order of the queue, as of the last submission.
    title: Mapped[str] = mapped_column(String(200))
    call: Mapped[str | None] = mapped_column(String(40))
    mode: Mapped[str | None] = mapped_column(String(40))
    sector: Mapped[str | None] = mapped_column(String(40))
    submitted: Mapped[datetime | None] = mapped_column(UtcDateTime)
    due: Mapped[date | None]
    reviews_needed: Mapped[int]

    # The decision.
    decided: Mapped[datetime | None] = mapped_column(UtcDateTime)
    decided_by: Mapped[str | None] = mapped_column(String(32))
    reason: Mapped[str] = mapped_column(Text)
    cpu_hours: Mapped[int]
    gpu_hours: Mapped[int]
    storage_gb: Mapped[int]
    project_id: Mapped[int | None] = mapped_column(ForeignKey(Project.id), unique=True)

    organisation: Mapped[OrganisationRow | None] = relationship()


class VersionRow(Base):
    """An application as submitted. The database refuses changes of it (migration 0020)."""

    __tablename__ = "application_versions"
    __table_args__ = (UniqueConstraint("application_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    application_id: Mapped[int] = mapped_column(ForeignKey("applications.id"))
    number: Mapped[int]
    submitted: Mapped[datetime] = mapped_column(UtcDateTime)
    by: Mapped[str] = mapped_column(String(32))
    content: Mapped[dict[str, Any]] = mapped_column(JSON)
    """All of a :class:`hub.applications.models.Version`: what it was judged by does not change with the programme."""


class MessageRow(Base):
    __tablename__ = "application_messages"

    id: Mapped[int] = mapped_column(primary_key=True)
    application_id: Mapped[int] = mapped_column(ForeignKey("applications.id"), index=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    author: Mapped[str] = mapped_column(String(32))
    kind: Mapped[MessageKind] = mapped_column(Word(MessageKind))
    text: Mapped[str] = mapped_column(Text)
