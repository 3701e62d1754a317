"""Table of first steps."""

from __future__ import annotations

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from hub.db.base import Base, Word
from hub.home.models import Step


class FirstStepRow(Base):
    """A first step that a person has taken and that no other table shows."""

    __tablename__ = "first_steps"

    person: Mapped[str] = mapped_column(String(32), primary_key=True)
    step: Mapped[Step] = mapped_column(Word(Step), primary_key=True)
