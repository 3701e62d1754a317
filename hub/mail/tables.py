"""Table of mails."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from hub.db.base import Base, UtcDateTime, Word
from hub.mail.models import EmailState


class AddressRow(Base):
    """The mail address that a person has given; without a row, their account's own address counts."""

    __tablename__ = "mail_addresses"

    person: Mapped[str] = mapped_column(String(32), primary_key=True)
    address: Mapped[str] = mapped_column(String(254))


class LetterRow(Base):
    """One mail to one address: outbox and mailbox are the same row in another state."""

    __tablename__ = "letters"
    __table_args__ = (Index("ix_letters_state_due", "state", "due"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(200), unique=True)
    """Unique name of the mail's occasion, so that each mail is written once."""
    to: Mapped[str] = mapped_column(String(254))
    subject: Mapped[str] = mapped_column(String(200))
    text: Mapped[str] = mapped_column(Text)
    state: Mapped[EmailState] = mapped_column(Word(EmailState))
    written: Mapped[datetime] = mapped_column(UtcDateTime)
    due: Mapped[datetime] = mapped_column(UtcDateTime)
    """Time of the next attempt."""
    delivered: Mapped[datetime | None] = mapped_column(UtcDateTime)
    attempts: Mapped[int]
    reason: Mapped[str] = mapped_column(String(500))
    """Why the last attempt failed; empty if it did not."""
