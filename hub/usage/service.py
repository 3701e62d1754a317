"""Hours: asked from Slurm by the worker, read by everybody from the last answer."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from hub.access.models import ProjectState
from hub.access.tables import Member, Project
from hub.db.base import now
from hub.slurm.client import AccountUsage
from hub.usage.models import Hours, ProjectHours
from hub.usage.tables import UsageSnapshot

logger = logging.getLogger(__name__)


class Meter(Protocol):
    """What of Slurm is needed here; :class:`hub.slurm.client.SlurmClient` has it."""

    async def usage(self, accounts: Sequence[str]) -> Mapping[str, AccountUsage]: ...


async def refresh(session: Session, slurm: Meter) -> None:
    """Replace the snapshot of every project by what Slurm says now, in one question for all.

    :raises hub.errors.SlurmError: nothing was learnt, and the old snapshots stay with their old ``as_of``.
    """
    projects = session.scalars(select(Project).order_by(Project.account)).all()
    session.commit()  # no transaction stays open while Slurm is asked
    found = await slurm.usage([project.account for project in projects])
    moment = now()
    for project in projects:
        if project.account in found:
            session.merge(_snapshot(project, found[project.account], moment))
        elif project.state == ProjectState.ACTIVE:
            logger.warning("Slurm does not know the account %s of project %s", project.account, project.slug)
    session.commit()


def hours_of(session: Session, person: str) -> tuple[ProjectHours, ...]:
    """What is left of each project of a person, by slug. One that Slurm has never known is not there yet."""
    rows = session.execute(
        select(Project, Member.role, UsageSnapshot)
        .join(Member, Member.project_id == Project.id)
        .outerjoin(UsageSnapshot, UsageSnapshot.project_id == Project.id)
        .where(
            Member.person == person, or_(Project.state == ProjectState.ACTIVE, UsageSnapshot.project_id.is_not(None))
        )
        .order_by(Project.slug)
    )
    return tuple(
        ProjectHours(
            slug=project.slug,
            title=project.title,
            role=role,
            cpu=_hours(project.cpu_hours, snapshot.cpu_minutes if snapshot else 0),
            gpu=_hours(project.gpu_hours, snapshot.gpu_minutes if snapshot else 0),
            until=project.until,
            as_of=snapshot.as_of if snapshot else None,
        )
        for project, role, snapshot in rows
    )


def _snapshot(project: Project, usage: AccountUsage, moment: datetime) -> UsageSnapshot:
    return UsageSnapshot(project_id=project.id, cpu_minutes=usage.cpu.used, gpu_minutes=usage.gpu.used, as_of=moment)


def _hours(granted: int, used_minutes: int) -> Hours:
    """Jobs that run when the budget ends may overdraw it a little: what is left is never below nothing."""
    used = round(used_minutes / 60, 2)
    return Hours(granted=granted, used=used, left=max(0.0, round(granted - used, 2)))
