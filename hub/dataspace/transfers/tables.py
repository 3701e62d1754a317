"""Transfers in the database. Long values are JSON of the models."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from hub.dataspace.transfers.models import TransferKind, TransferState
from hub.db.base import Base, UtcDateTime, Word


class TransferRow(Base):
    """A transfer of a file into a project, or of one of its files into the store.

    The row exists before the job; ``order`` is the input of the job.

    ``touched``: time of the last change by the worker or the person.
    """

    __tablename__ = "dataspace_transfers"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[TransferKind] = mapped_column(Word(TransferKind), default=TransferKind.BRING)
    project: Mapped[str] = mapped_column(String(40), index=True)
    account: Mapped[str] = mapped_column(String(40))
    person: Mapped[str] = mapped_column(String(32), index=True)
    record_id: Mapped[int]
    """No key of the database: what was brought stays when its record is gone. 0 for an upload, which has none."""
    title: Mapped[str] = mapped_column(String(300))
    address: Mapped[str] = mapped_column(String(2000))
    order: Mapped[str] = mapped_column("job_order", Text)
    state: Mapped[TransferState] = mapped_column(Word(TransferState), index=True)
    job_id: Mapped[int | None]
    nonce: Mapped[str] = mapped_column(String(8))
    """The random part of the job's comment (hub/slurm/naming.py); empty in rows of versions that had none."""
    progress: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(String(500))
    created: Mapped[datetime] = mapped_column(UtcDateTime)
    touched: Mapped[datetime] = mapped_column(UtcDateTime)
    ended: Mapped[datetime | None] = mapped_column(UtcDateTime)
