"""What projects are made real in, with a memory and without a machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from hub.access import provisioning, service
from hub.access.models import ProjectSpec
from hub.access.provisioning import World
from hub.access.tables import Project
from hub.settings import Settings


class FakeStorage:
    """Directories by slug: who is in the group, and whether it is closed. ``error`` is raised when set."""

    def __init__(self) -> None:
        self.directories: dict[str, tuple[tuple[str, ...], bool]] = {}
        self.made = 0
        self.error: BaseException | None = None

    async def ensure(self, slug: str, members: Sequence[str], *, storage_gb: int, closed: bool) -> str:
        if self.error:
            raise self.error
        self.made += slug not in self.directories
        self.directories[slug] = (tuple(members), closed)
        return ""


class FakeGroups:
    """Groups of the Hub, which knows everybody but ``strangers``."""

    def __init__(self) -> None:
        self.groups: dict[str, set[str]] = {}
        self.strangers: set[str] = set()
        self.error: BaseException | None = None

    async def ensure(self, project: str, members: Sequence[str]) -> str:
        if self.error:
            raise self.error
        self.groups[project] = set(members) - self.strangers
        return ", ".join(sorted(self.strangers & set(members)))


def world(slurm: Any, settings: Settings | None = None) -> World:
    return World(slurm=slurm, storage=FakeStorage(), groups=FakeGroups(), settings=settings or Settings())


async def provision(session: Session, slurm: Any, spec: ProjectSpec) -> Project:
    """A project as ``atrium project create`` makes it."""
    project = service.record(session, spec, who="admin")
    await provisioning.provision(session, world(slurm), project)
    return project
