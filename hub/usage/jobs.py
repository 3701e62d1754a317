"""Background job of the worker: read used hours from Slurm and check that Slurm answers."""

from __future__ import annotations

import logging
from typing import Protocol

from sqlalchemy.orm import Session, sessionmaker

from hub.db.base import now
from hub.errors import SlurmError
from hub.health import service as health
from hub.slurm.client import Controller, require_controller
from hub.usage import service

logger = logging.getLogger(__name__)


class Slurm(service.Meter, Controller, Protocol):
    """The part of :class:`hub.slurm.client.SlurmClient` that is used here."""


async def collect_usage(sessions: sessionmaker[Session], slurm: Slurm) -> None:
    """Store the usage of all projects, then a sign of life of Slurm if a controller answers."""
    try:
        with sessions() as session:
            await service.refresh(session, slurm)
            await service.collect(session, slurm, now())
            await require_controller(slurm)
            health.seen(session, health.SLURM)
    except SlurmError as error:
        logger.warning("cannot read usage from Slurm: %s", error.message)
