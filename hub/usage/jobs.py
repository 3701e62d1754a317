"""What the worker learns of Slurm: hours used, and whether it is there."""

from __future__ import annotations

import logging
from typing import Protocol

from sqlalchemy.orm import Session, sessionmaker

from hub.db.base import now
from hub.errors import SlurmError, SlurmUnavailable
from hub.health import service as health
from hub.usage import service

logger = logging.getLogger(__name__)


class Slurm(service.Meter, Protocol):
    """What of Slurm the rhythm of questions needs; :class:`hub.slurm.client.SlurmClient` has it."""

    async def ping(self) -> bool: ...


async def ask_slurm(sessions: sessionmaker[Session], slurm: Slurm) -> None:
    """Learn what projects have used."""
    try:
        with sessions() as session:
            await service.refresh(session, slurm)
            await service.collect(session, slurm, now())
            if not await slurm.ping():
                raise SlurmUnavailable("No controller of Slurm is up.")
            health.seen(session, health.SLURM)
    except SlurmError as error:
        logger.warning("Slurm: %s", error.message)
