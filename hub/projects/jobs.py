"""Background job of the worker: update phases and provision projects."""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy.orm import Session, sessionmaker
from tenacity import AsyncRetrying, RetryError, retry_if_exception_type, stop_after_delay, wait_fixed

from hub.calls import programme as policy
from hub.errors import Conflict
from hub.hub_client import hub_client
from hub.identity.groups import HubGroups
from hub.loops import by_itself
from hub.projects import phases, provisioning
from hub.projects.storage import Directories
from hub.settings import Settings
from hub.slurm.client import SlurmClient

LOCK_SECONDS = 120.0
"""How long a process waits until another one has provisioned its projects."""


async def update_projects(sessions: sessionmaker[Session], settings: Settings) -> None:
    """Update the phase of every project, then provision those that changed.

    Without phases, as with a programme that cannot be read, projects are provisioned nevertheless: who leaves a project
    loses access.
    """
    with by_itself("update of the projects' phases"), sessions() as session:
        phases.update_phases(session, settings, policy.today(settings))
    with by_itself("provisioning of projects"):
        async with backends(settings) as opened:
            with sessions() as session:
                await provisioning.resume(session, opened)


@asynccontextmanager
async def backends(settings: Settings) -> AsyncIterator[provisioning.Backends]:
    """Open Slurm, project storage and the Hub of this deployment for provisioning, for one process at a time.

    :raises Conflict: another process provisions for longer than :data:`LOCK_SECONDS`.
    """
    async with _locked(settings.paths.state / "provisioning.lock"), hub_client(settings) as http:
        yield provisioning.Backends(
            slurm=SlurmClient(settings.slurm),
            storage=Directories(settings.projects),
            groups=HubGroups(http, settings.secret("worker")),
            settings=settings,
        )


@asynccontextmanager
async def _locked(path: Path) -> AsyncIterator[None]:
    """Hold a file lock. Two processes that add the same association make slurmdbd's database refuse one of them."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)) as lock:  # also one that root has made
        waiting = AsyncRetrying(
            retry=retry_if_exception_type(BlockingIOError), wait=wait_fixed(0.1), stop=stop_after_delay(LOCK_SECONDS)
        )
        try:
            async for attempt in waiting:
                with attempt:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except RetryError:
            raise Conflict(
                "Another process provisions projects at the moment.", hint="Try again in a minute."
            ) from None
        yield
