"""Making a project real: a row first, then Slurm, then the word that it is done."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.access.models import ProjectSpec, ProjectState
from hub.access.tables import Member, Project
from hub.db.base import now
from hub.errors import InvalidInput, SlurmError, SlurmUnavailable

logger = logging.getLogger(__name__)


class Accounts(Protocol):
    """What of Slurm is needed here; :class:`hub.slurm.client.SlurmClient` has it. Both calls are safe to repeat."""

    async def ensure_account(self, account: str, *, description: str, cpu_minutes: int, gpu_minutes: int) -> None: ...

    async def ensure_members(self, account: str, users: Sequence[str]) -> None: ...


async def provision(session: Session, slurm: Accounts, spec: ProjectSpec) -> Project:
    """Make a project as ``spec`` says. Safe to run twice, and again after it was interrupted at any point.

    :raises InvalidInput: the project exists with another account, or the account belongs to another project.
    :raises hub.errors.SlurmError: Slurm refused or could not be asked; the row stays, and the worker tries again.
    """
    project = _record(session, spec)
    await _tell_slurm(session, slurm, project)
    return project


async def resume(session: Session, slurm: Accounts) -> None:
    """Finish every project that was left half-made. One that Slurm refuses does not hold up the others.

    :raises SlurmUnavailable: Slurm could not be asked, so there is no use in trying the next one.
    """
    for project in session.scalars(select(Project).where(Project.state == ProjectState.PROVISIONING)).all():
        try:
            await _tell_slurm(session, slurm, project)
        except SlurmUnavailable:
            raise
        except SlurmError as error:
            logger.warning("project %s is not ready: %s", project.slug, error.message)


def _record(session: Session, spec: ProjectSpec) -> Project:
    """The row as ``spec`` says, committed before Slurm hears of it. Members who are not in ``spec`` stay."""
    project = session.scalar(select(Project).where(Project.slug == spec.slug))
    holder = session.scalar(select(Project.slug).where(Project.account == spec.account, Project.slug != spec.slug))
    if holder is not None:
        raise InvalidInput(f"The Slurm account {spec.account} belongs to the project {holder}.", field="account")
    if project is None:
        project = Project(slug=spec.slug, account=spec.account)
        session.add(project)
    elif project.account != spec.account:
        raise InvalidInput(f"The project {spec.slug} is charged to {project.account}.", field="account")
    project.title, project.until = spec.title, spec.until
    project.starts = spec.starts or project.starts or now().date()
    project.cpu_hours, project.gpu_hours = spec.cpu_hours, spec.gpu_hours
    _enlist(project, spec)
    if session.is_modified(project):
        project.state = ProjectState.PROVISIONING
    session.commit()
    return project


def _enlist(project: Project, spec: ProjectSpec) -> None:
    known = {member.person: member for member in project.members}
    for person, role in spec.members.items():
        if person in known:
            known[person].role = role
        else:
            project.members.append(Member(person=person, role=role))


async def _tell_slurm(session: Session, slurm: Accounts, project: Project) -> None:
    people = [member.person for member in project.members]
    project.attempts += 1
    session.commit()  # no transaction stays open while Slurm is asked
    try:
        await slurm.ensure_account(
            project.account,
            # The title is free text of a person: it stays out of sacctmgr's command line.
            description=f"Atrium project {project.slug}",
            cpu_minutes=project.cpu_hours * 60,
            gpu_minutes=project.gpu_hours * 60,
        )
        await slurm.ensure_members(project.account, people)
    except SlurmError as error:
        project.reason = error.message[:500]
        session.commit()
        raise
    project.state, project.reason = ProjectState.ACTIVE, ""
    session.commit()
