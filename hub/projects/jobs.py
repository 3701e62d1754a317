"""Background job of the worker: update phases and provision projects."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.orm import Session, sessionmaker

from hub.db.base import now
from hub.errors import AtriumError
from hub.hub_client import hub_client
from hub.identity.groups import HubGroups
from hub.projects import phases, provisioning
from hub.projects.storage import Directories
from hub.settings import Settings
from hub.slurm.client import SlurmClient

logger = logging.getLogger(__name__)


async def update_projects(sessions: sessionmaker[Session], settings: Settings) -> None:
    """Update the phase of every project, then provision those that changed."""
    try:
        with sessions() as session:
            phases.update_phases(session, settings, now().date())
        async with backends(settings) as opened:
            with sessions() as session:
                await provisioning.resume(session, opened)
    except AtriumError as error:
        logger.warning("cannot provision projects: %s", error.message)


@asynccontextmanager
async def backends(settings: Settings) -> AsyncIterator[provisioning.Backends]:
    """Open Slurm, project storage and the Hub of this deployment for provisioning."""
    async with hub_client(settings) as http:
        yield provisioning.Backends(
            slurm=SlurmClient(settings.slurm),
            storage=Directories(settings.projects),
            groups=HubGroups(http, settings.secret("worker")),
            settings=settings,
        )
