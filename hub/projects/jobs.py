"""What the worker does for projects."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.orm import Session, sessionmaker

from hub.db.base import now
from hub.errors import AtriumError
from hub.hub_client import hub_client
from hub.identity.groups import HubGroups
from hub.projects import provisioning, service
from hub.projects.storage import Directories
from hub.settings import Settings
from hub.slurm.client import SlurmClient

logger = logging.getLogger(__name__)


async def tend_projects(sessions: sessionmaker[Session], settings: Settings) -> None:
    """Turn a day's page, then finish every project that is not as it shall be."""
    try:
        with sessions() as session:
            service.turn(session, settings, now().date())
        async with backends(settings) as found:
            with sessions() as session:
                await provisioning.resume(session, found)
    except AtriumError as error:
        logger.warning("projects: %s", error.message)


@asynccontextmanager
async def backends(settings: Settings) -> AsyncIterator[provisioning.Backends]:
    """Slurm, project storage and the Hub of a deployment."""
    async with hub_client(settings) as http:
        yield provisioning.Backends(
            slurm=SlurmClient(settings.slurm),
            storage=Directories(settings.projects),
            groups=HubGroups(http, settings.secret("worker")),
            settings=settings,
        )
