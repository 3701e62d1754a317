"""Table of attempts to start a server."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from hub.db.base import Base, UtcDateTime, Word
from hub.servers.models import AttemptState, Ending


class ServerAttempt(Base):
    """The row is stored before ``sbatch`` runs, ``job_id`` right after it (see :class:`hub.servers.models.Attempt`)."""

    __tablename__ = "server_attempts"
    __table_args__ = (Index("ix_server_attempts_person_server", "person", "server"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    gateway: Mapped[str] = mapped_column(String(20))
    """The deployment that started it; several may share one Slurm."""
    person: Mapped[str] = mapped_column(String(32))
    """Name of the Hub user."""
    os_account: Mapped[str] = mapped_column(String(32))
    """The account that the job and its Slurm commands run as."""
    nonce: Mapped[str] = mapped_column(String(8), index=True)
    """The random part of the job's comment (hub/slurm/naming.py); empty in rows of versions that had none."""
    server: Mapped[str] = mapped_column(String(32))
    request: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[AttemptState] = mapped_column(Word(AttemptState), index=True)
    job_id: Mapped[int | None] = mapped_column(BigInteger, index=True)
    node: Mapped[str] = mapped_column(String(255), default="")
    port: Mapped[int | None]
    requeues: Mapped[int] = mapped_column(default=0)
    created: Mapped[datetime] = mapped_column(UtcDateTime)
    submitted: Mapped[datetime | None] = mapped_column(UtcDateTime)
    started: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ready: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ends: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ending: Mapped[Ending | None] = mapped_column(Word(Ending))
    message: Mapped[str] = mapped_column(String(1000), default="")
    hint: Mapped[str] = mapped_column(String(1000), default="")
    slurm_state: Mapped[str] = mapped_column(String(40), default="")
    exit_code: Mapped[str] = mapped_column(String(20), default="")
    reason: Mapped[str] = mapped_column(String(200), default="")
    log_tail: Mapped[str] = mapped_column(Text, default="")
    tell: Mapped[bool] = mapped_column(default=False)
