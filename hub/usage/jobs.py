"""Background job of the worker: read used hours from Slurm and check that Slurm answers."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from typing import Protocol

from sqlalchemy.orm import Session, sessionmaker

from hub.db.base import now
from hub.errors import SlurmError, SlurmUnavailable
from hub.health import service as health
from hub.slurm.client import Controller, require_controller
from hub.usage import service

logger = logging.getLogger(__name__)


class Slurm(service.Meter, Controller, Protocol):
    """The part of :class:`hub.slurm.client.SlurmClient` that is used here."""


async def collect_usage(sessions: sessionmaker[Session], slurm: Slurm) -> None:
    """Store the usage of all projects, then a sign of life of Slurm if a controller answers.

    What Slurm refuses of one of the three stops no others; if it does not answer, all three wait.
    """
    try:
        with sessions() as session:
            await _unless_refused(service.refresh(session, slurm))
            await _unless_refused(service.collect(session, slurm, now()))
            await require_controller(slurm)
            health.seen(session, health.SLURM)
    except SlurmUnavailable as error:
        logger.warning("cannot read usage from Slurm: %s", error.message)


async def _unless_refused(work: Awaitable[None]) -> None:
    try:
        await work
    except SlurmUnavailable:
        raise
    except SlurmError as error:
        logger.warning("cannot read usage from Slurm: %s", error.message)
