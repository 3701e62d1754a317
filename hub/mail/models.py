"""Mails as the API sends them, and the format of addresses."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

MailAddress = Annotated[
    str,
    StringConstraints(
        max_length=254,
        # What browsers take for an address (HTML's input type=email): no space, no quote, no second line.
        pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
        r"(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$",
    ),
]


class EmailState(StrEnum):
    WAITING = "waiting"
    """Not delivered yet; tried again when it is due."""
    SENT = "sent"
    """The mail server has accepted it; its text is deleted here."""
    KEPT = "kept"
    """No mail server is configured: it is in the local mailbox."""
    FAILED = "failed"
    """Refused permanently, or not accepted within the deadline."""


class Email(BaseModel):
    """A mail as admins and its recipient see it.

    ``text`` is empty once a mail server has it: links in it are for its reader alone.
    """

    model_config = ConfigDict(frozen=True, from_attributes=True)

    id: int
    to: str
    subject: str
    text: str
    state: EmailState
    written: datetime
    delivered: datetime | None
    attempts: int
    reason: str


class Mailbox(BaseModel):
    """Mail to one person."""

    model_config = ConfigDict(frozen=True)

    address: str
    """Where mail to the person goes."""
    is_sent: bool
    """Whether the deployment has a mail server. Without one, mails stay in ``mails``."""
    mails: tuple[Email, ...]
    """Mails that were not sent and stay here, the newest first."""
