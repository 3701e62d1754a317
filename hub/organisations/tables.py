"""Tables of organisations, profiles and former members of organisations."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from hub.db.base import Base, UtcDateTime


class OrganisationRow(Base):
    __tablename__ = "organisations"

    id: Mapped[int] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column()
    name: Mapped[str] = mapped_column(String(200))
    form: Mapped[dict[str, Any]] = mapped_column(JSON)
    join_code: Mapped[str] = mapped_column(String(64), unique=True)
    created: Mapped[datetime] = mapped_column(UtcDateTime)

    people: Mapped[list[ProfileRow]] = relationship(back_populates="organisation", order_by="ProfileRow.person")

    __mapper_args__ = {"version_id_col": revision}  # noqa: RUF012  a concurrent second write raises StaleDataError


class ProfileRow(Base):
    """A person's profile; a person is a member of at most one organisation."""

    __tablename__ = "profiles"

    person: Mapped[str] = mapped_column(String(32), primary_key=True)
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisations.id"), index=True)
    form: Mapped[dict[str, Any]] = mapped_column(JSON)
    changed: Mapped[datetime] = mapped_column(UtcDateTime)

    organisation: Mapped[OrganisationRow | None] = relationship(back_populates="people")


class FormerColleague(Base):
    """When a person last left an organisation: they stay barred from reviewing what it applied for before."""

    __tablename__ = "former_colleagues"

    person: Mapped[str] = mapped_column(String(32), primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"), primary_key=True)
    until: Mapped[datetime] = mapped_column(UtcDateTime)
