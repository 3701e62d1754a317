"""Making projects real: each step is recorded, retried until it is done, and safe to repeat.

A row first, then the deed, then the word that it is done. A process killed anywhere in between leaves a step that is
not done, and the next run does it again.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from hub.audit import service as audit
from hub.db.base import now
from hub.errors import AtriumError, SlurmUnavailable
from hub.mail import service as mail
from hub.projects.models import MemberRole, Phase, ProjectState, Step
from hub.projects.tables import Project, StepRow
from hub.settings import Settings

logger = logging.getLogger(__name__)


class Accounts(Protocol):
    """What of Slurm is needed here; :class:`hub.slurm.client.SlurmClient` has it. Every call is safe to repeat."""

    async def ensure_account(
        self,
        account: str,
        *,
        description: str,
        cpu_minutes: int,
        gpu_minutes: int,
        parent: str = "",
        qos: Sequence[str] = (),
        closed: bool = False,
    ) -> None: ...

    async def ensure_members(self, account: str, users: Sequence[str], partitions: Sequence[str] = ()) -> None: ...

    async def revoke(self, account: str, user: str) -> None: ...


class Storage(Protocol):
    async def ensure(self, slug: str, members: Sequence[str], *, storage_gb: int, closed: bool) -> str: ...


class Groups(Protocol):
    async def ensure(self, project: str, members: Sequence[str]) -> str: ...


@dataclass(frozen=True)
class World:
    """What a project is made real in."""

    slurm: Accounts
    storage: Storage
    groups: Groups
    settings: Settings


@dataclass(frozen=True)
class Wanted:
    """A project as it shall be, read once: nothing is read from the database while somebody is asked."""

    id: int
    revision: int
    slug: str
    title: str
    account: str
    call: str
    cpu_hours: int
    gpu_hours: int
    storage_gb: int
    partitions: tuple[str, ...]
    qos: tuple[str, ...]
    phase: Phase
    leads: tuple[str, ...]
    members: tuple[str, ...]
    """Leads included."""
    leaving: tuple[str, ...]


Deed = Callable[[Session, World, Wanted], Awaitable[str]]
"""Does one step; a remark, mostly empty."""


async def resume(session: Session, world: World) -> None:
    """Finish every project that is not yet as it shall be. One that fails does not hold up the others.

    :raises SlurmUnavailable: Slurm could not be asked, so there is no use in trying the next one.
    """
    waiting = select(Project.id).where(Project.state == ProjectState.PROVISIONING).order_by(Project.id)
    for number in session.scalars(waiting).all():
        try:
            await provision(session, world, session.get_one(Project, number))
        except SlurmUnavailable:
            raise
        except AtriumError:
            continue  # said and recorded where it happened


async def provision(session: Session, world: World, project: Project) -> None:
    """Do every step that is not done for the project as it is now.

    :raises hub.errors.AtriumError: a step failed; its row says why, and the next run begins there.
    """
    wanted = _wanted(project)
    for step, deed in _DEEDS.items():
        row = _step(session, wanted.id, step)
        if row.revision < wanted.revision:
            await _do(session, world, wanted, row, deed)
    _finish(session, wanted)


async def _do(session: Session, world: World, wanted: Wanted, row: StepRow, deed: Deed) -> None:
    row.attempts += 1
    session.commit()  # no transaction stays open while somebody is asked
    try:
        remark = await deed(session, world, wanted)
    except AtriumError as error:
        if row.remark != error.message[:500]:
            logger.warning("project %s, %s: %s", wanted.slug, row.step, error.message)
        row.remark = error.message[:500]
        session.commit()
        raise
    audit.record(
        session,
        who=audit.WORKER,
        what=f"made real: {row.step}",
        on=f"project/{wanted.slug}",
        before={"revision": row.revision},
        after={"revision": wanted.revision, **({"remark": remark} if remark else {})},
    )
    row.revision, row.remark, row.done = wanted.revision, remark, now()
    session.commit()


def _finish(session: Session, wanted: Wanted) -> None:
    """Active, unless the project was changed in the meantime; those who left are forgotten."""
    session.execute(
        update(Project)
        .where(Project.id == wanted.id, Project.revision == wanted.revision)
        .values(state=ProjectState.ACTIVE)
        .execution_options(synchronize_session=False)
    )
    project = session.get_one(Project, wanted.id, populate_existing=True)
    for member in [one for one in project.members if one.leaving and one.person in wanted.leaving]:
        project.members.remove(member)
    session.commit()


# -- the steps --------------------------------------------------------------------------------------------------------


async def _account(_session: Session, world: World, wanted: Wanted) -> str:
    await world.slurm.ensure_account(
        wanted.account,
        # The title is free text of a person: it stays out of sacctmgr's command line.
        description=f"Atrium project {wanted.slug}",
        cpu_minutes=wanted.cpu_hours * 60,
        gpu_minutes=wanted.gpu_hours * 60,
        parent=f"call-{wanted.call}" if wanted.call else "",
        qos=wanted.qos,
        closed=wanted.phase is not Phase.OPEN,
    )
    return ""


async def _members(_session: Session, world: World, wanted: Wanted) -> str:
    for person in wanted.leaving:
        await world.slurm.revoke(wanted.account, person)
    await world.slurm.ensure_members(wanted.account, wanted.members, wanted.partitions)
    return ""


async def _directory(_session: Session, world: World, wanted: Wanted) -> str:
    closed = wanted.phase is Phase.CLOSED
    return await world.storage.ensure(
        wanted.slug, () if closed else wanted.members, storage_gb=wanted.storage_gb, closed=closed
    )


async def _group(_session: Session, world: World, wanted: Wanted) -> str:
    return await world.groups.ensure(wanted.slug, () if wanted.phase is Phase.CLOSED else wanted.members)


async def _mail(session: Session, world: World, wanted: Wanted) -> str:
    """One letter to each member when their project is ready; of those that an admin made, everybody knows."""
    if not wanted.call or wanted.phase in (Phase.ENDED, Phase.CLOSED):
        return ""
    for person in wanted.members:
        mail.enqueue(
            session,
            to=mail.address_of(person, world.settings),
            subject=f"Your project {wanted.slug} is ready",
            text=_welcome(world.settings, wanted, lead=person in wanted.leads),
            key=f"project-{wanted.id}-ready-{person}",
        )
    return ""


_DEEDS: dict[Step, Deed] = {
    Step.ACCOUNT: _account,
    Step.MEMBERS: _members,
    Step.DIRECTORY: _directory,
    Step.GROUP: _group,
    Step.MAIL: _mail,
}


def _welcome(settings: Settings, wanted: Wanted, *, lead: bool) -> str:
    invite = "\n4. Invite your colleagues; they use the same hours and the same directory." if lead else ""
    return (
        f"{wanted.title}\n\n"
        f"You have {wanted.gpu_hours:,} GPU hours and {wanted.cpu_hours:,} core hours, shared by the project.\n\n"
        "What to do first:\n"
        f"1. Sign in at {settings.site.public_url} and start a notebook; choose the project {wanted.slug}.\n"
        f"2. Put data and results into {settings.paths.projects / wanted.slug}, which all members see.\n"
        f"3. Stop the notebook when you are done: hours count while it runs.{invite}\n"
    )


# -- inside -----------------------------------------------------------------------------------------------------------


def _wanted(project: Project) -> Wanted:
    staying = [member for member in project.members if not member.leaving]
    return Wanted(
        id=project.id,
        revision=project.revision,
        slug=project.slug,
        title=project.title,
        account=project.account,
        call=project.call,
        cpu_hours=project.cpu_hours,
        gpu_hours=project.gpu_hours,
        storage_gb=project.storage_gb,
        partitions=tuple(project.partitions),
        qos=tuple(project.qos),
        phase=project.phase,
        leads=tuple(member.person for member in staying if member.role is MemberRole.LEAD),
        members=tuple(member.person for member in staying),
        leaving=tuple(member.person for member in project.members if member.leaving),
    )


def _step(session: Session, project: int, step: Step) -> StepRow:
    row = session.get(StepRow, (project, step))
    if row is None:
        row = StepRow(project_id=project, step=step, revision=0, attempts=0, remark="", done=None)
        session.add(row)
    return row
