"""Provisioning of projects in Slurm, storage and the Hub, in steps that are recorded, retried and safe to repeat.

A step's row is stored before its handler runs and marked as done after it. A process killed in between leaves a step
that is not done, and the next run repeats it. Used by the worker and by ``atrium project create``.

A step that leaves members out, because the Hub or the site does not know them yet, is repeated, after growing pauses.

The steps end the access of somebody who leaves, and none of them waits for another to do so. Their association in Slurm
is removed after all steps, and as often as it takes: their jobs may need long to end.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from sqlalchemy import delete, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session, selectinload

from hub.audit import service as audit
from hub.db.base import now
from hub.errors import AtriumError, Conflict, SlurmError, SlurmUnavailable
from hub.formats import quantity
from hub.loops import by_itself
from hub.mail import service as mail
from hub.projects.models import MemberRole, Phase, ProjectState, Step, StepResult
from hub.projects.tables import Member, Project, StepRow
from hub.settings import Settings

logger = logging.getLogger(__name__)

FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(minutes=15)
"""A newcomer gets the project's files and group this long after their first sign-in, at the latest."""


class Accounts(Protocol):
    """The part of :class:`hub.slurm.client.SlurmClient` that provisioning uses. Every call is safe to repeat."""

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

    async def bar(self, account: str, user: str) -> bool: ...

    async def revoke(self, account: str, user: str) -> None: ...


class Storage(Protocol):
    async def ensure(self, slug: str, members: Sequence[str], *, storage_gb: int, closed: bool) -> StepResult: ...


class Groups(Protocol):
    async def ensure(self, project: str, members: Sequence[str]) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Backends:
    """External systems that a project is provisioned in."""

    slurm: Accounts
    storage: Storage
    groups: Groups
    settings: Settings


@dataclass(frozen=True)
class DesiredState:
    """The desired state of a project, read once: no transaction stays open during calls to external systems."""

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


StepHandler = Callable[[Session, Backends, DesiredState], Awaitable[StepResult]]


async def resume(session: Session, backends: Backends) -> None:
    """Provision every project that has changed or left somebody out, first those that somebody leaves.

    One that fails stops no others.

    :raises SlurmUnavailable: Slurm does not answer, so the other projects would fail too. Those that somebody leaves
        are tried nevertheless: their storage and group do not need Slurm.
    """
    is_left = Project.members.any(Member.leaving)
    is_due = Project.steps.any(StepRow.retry <= now())
    waiting = select(Project.id, is_left).where((Project.state == ProjectState.PROVISIONING) | is_left | is_due)
    unavailable: SlurmUnavailable | None = None
    for number, somebody_leaves in session.execute(waiting.order_by(is_left.desc(), Project.id)).all():
        if unavailable is not None and not somebody_leaves:
            break
        try:
            with by_itself(f"provisioning of project {number}", session=session, of_all=(AtriumError,)):
                await provision(session, backends, session.get_one(Project, number))
        except SlurmUnavailable as error:
            unavailable = error
        except AtriumError:
            continue  # logged and recorded by the step
    if unavailable is not None:
        raise unavailable


async def provision(session: Session, backends: Backends, project: Project) -> None:
    """Do every step that is not done for the project's current revision, and repeat those that left somebody out.

    A step that fails stops the later ones, except those that end the access of somebody who leaves.

    :raises hub.errors.AtriumError: a step failed; its row says why, and the next run begins there.
    """
    desired = _desired_state(session, project.id)
    errors: list[AtriumError] = []
    for step, handler in _HANDLERS.items():
        if errors and not (desired.leaving and step in _ENDS_ACCESS):
            continue
        row = _step(session, desired.id, step)
        if row.revision >= desired.revision and (row.retry is None or row.retry > now()):
            continue
        try:
            await _do(session, backends, desired, row, handler)
        except AtriumError as error:
            errors.append(error)
    if errors:
        # That Slurm is silent is what the caller has to know first.
        raise next((error for error in errors if isinstance(error, SlurmUnavailable)), errors[0])
    if _finish(session, desired):
        await _remove_associations(session, backends, desired)


async def _do(session: Session, backends: Backends, desired: DesiredState, row: StepRow, handler: StepHandler) -> None:
    row.attempts += 1
    _plan_repetition(row, desired)
    session.commit()  # no transaction stays open during the call
    try:
        result = await _result(session, backends, desired, row, handler)
    except AtriumError as error:
        if row.remark != error.message[:500]:
            logger.warning("project %s, %s: %s", desired.slug, row.step, error.message)
        row.remark = error.message[:500]
        session.commit()
        raise
    if (row.revision, row.remark) != (desired.revision, result.remark):
        audit.record(
            session,
            who=audit.WORKER,
            what=f"{row.step} {'updated' if row.revision else 'created'}",
            on=f"project/{desired.slug}",
            before={"revision": row.revision},
            after={"revision": desired.revision, **({"remark": result.remark} if result.remark else {})},
        )
    row.revision, row.remark, row.done = desired.revision, result.remark, now()
    if not result.left_out:
        row.retry, row.retries = None, 0
    session.commit()


async def _result(
    session: Session, backends: Backends, desired: DesiredState, row: StepRow, handler: StepHandler
) -> StepResult:
    """What the handler returns. Whatever it fails with is an error of this step, so that others go on.

    :raises AtriumError: the step failed.
    """
    name = row.step
    try:
        return await handler(session, backends, desired)
    except (AtriumError, DBAPIError):
        raise
    except Exception as error:
        session.rollback()
        logger.exception("project %s, %s failed", desired.slug, name)
        raise AtriumError(f"It failed unexpectedly ({type(error).__name__}); the log says more.") from error


def _plan_repetition(row: StepRow, desired: DesiredState) -> None:
    """Store when the step is repeated if this attempt leaves somebody out."""
    row.retries = 0 if row.revision < desired.revision else row.retries + 1
    row.retry = now() + min(FIRST_PAUSE * 2 ** min(row.retries, 16), LONGEST_PAUSE)


def _finish(session: Session, desired: DesiredState) -> bool:
    """Mark the project as active, unless it was changed in the meantime; returns whether it is."""
    result = session.execute(
        update(Project)
        .where(Project.id == desired.id, Project.revision == desired.revision)
        .values(state=ProjectState.ACTIVE)
        .execution_options(synchronize_session=False)
    )
    session.commit()
    session.refresh(session.get_one(Project, desired.id))
    return bool(result.rowcount)  # type: ignore[attr-defined]


async def _remove_associations(session: Session, backends: Backends, desired: DesiredState) -> None:
    """Remove from Slurm who has lost access, and then their rows; who still has jobs is tried again by the next run.

    :raises SlurmUnavailable: Slurm does not answer.
    """
    if not desired.leaving:
        return
    row, remarks = _step(session, desired.id, Step.MEMBERS), []
    for person in desired.leaving:
        try:
            await backends.slurm.revoke(desired.account, person)
        except SlurmUnavailable:
            raise
        except SlurmError as error:
            remarks.append(error.message)
        else:
            # Somebody who was invited again meanwhile is leaving no more, and keeps the row.
            has_left = (Member.project_id == desired.id, Member.person == person, Member.leaving.is_(True))
            session.execute(delete(Member).where(*has_left).execution_options(synchronize_session=False))
            session.commit()
    remark = " ".join(remarks)[:500]
    if remark and remark != row.remark:
        logger.warning("project %s: %s", desired.slug, remark)
    row.remark = remark
    session.commit()
    session.refresh(session.get_one(Project, desired.id), ["members"])


# -- the steps --------------------------------------------------------------------------------------------------------


async def _account(_session: Session, backends: Backends, desired: DesiredState) -> StepResult:
    await backends.slurm.ensure_account(
        desired.account,
        # The title is free text of a person: it stays out of sacctmgr's command line.
        description=f"Atrium project {desired.slug}",
        cpu_minutes=desired.cpu_hours * 60,
        gpu_minutes=desired.gpu_hours * 60,
        parent=f"call-{desired.call}" if desired.call else "",
        qos=desired.qos,
        closed=desired.phase is not Phase.OPEN,
    )
    return StepResult()


async def _members(_session: Session, backends: Backends, desired: DesiredState) -> StepResult:
    """Bar who leaves before anybody is added; who cannot be barred stops neither the others nor those who come.

    :raises Conflict: an award without partitions, with which Slurm would give its members all of them.
    """
    errors = []
    for person in desired.leaving:
        try:
            await backends.slurm.bar(desired.account, person)
        except SlurmError as error:
            errors.append(error)
    if silence := next((error for error in errors if isinstance(error, SlurmUnavailable)), None):
        raise silence
    if desired.call and not desired.partitions:
        raise Conflict("The award names no partition.")
    await backends.slurm.ensure_members(desired.account, desired.members, desired.partitions)
    if errors:
        raise errors[0]
    return StepResult()


async def _directory(_session: Session, backends: Backends, desired: DesiredState) -> StepResult:
    closed = desired.phase is Phase.CLOSED
    return await backends.storage.ensure(
        desired.slug, () if closed else desired.members, storage_gb=desired.storage_gb, closed=closed
    )


async def _group(_session: Session, backends: Backends, desired: DesiredState) -> StepResult:
    unknown = await backends.groups.ensure(desired.slug, () if desired.phase is Phase.CLOSED else desired.members)
    return StepResult(f"not signed in yet: {', '.join(unknown)}"[:500] if unknown else "", unknown)


async def _mail(session: Session, backends: Backends, desired: DesiredState) -> StepResult:
    """Mail each member once that the open project is ready; not for projects that an admin created by hand.

    The phase is a part of the project's revision: a project that opens later gets here again on that day.
    """
    if not desired.call or desired.phase is not Phase.OPEN:
        return StepResult()
    for person in desired.members:
        mail.write_to(
            session,
            person,
            backends.settings,
            subject=f"Your project {desired.slug} is ready",
            text=_welcome(backends.settings, desired, lead=person in desired.leads),
            key=f"project-{desired.id}-ready-{person}",
        )
    return StepResult()


_HANDLERS: dict[Step, StepHandler] = {
    Step.ACCOUNT: _account,
    Step.MEMBERS: _members,
    Step.DIRECTORY: _directory,
    Step.GROUP: _group,
    Step.MAIL: _mail,
}
_ENDS_ACCESS = frozenset({Step.MEMBERS, Step.DIRECTORY, Step.GROUP})


def _welcome(settings: Settings, desired: DesiredState, *, lead: bool) -> str:
    invite = "\n4. Invite your colleagues; they use the same hours and the same directory." if lead else ""
    return (
        f"{desired.title}\n\n"
        f"You have {quantity(desired.gpu_hours)} GPU hours and {quantity(desired.cpu_hours)} core hours, shared by the "
        "project.\n\n"
        "What to do first:\n"
        f"1. Sign in at {settings.site.public_url} and start a notebook; choose the project {desired.slug}.\n"
        f"2. Put data and results into {settings.paths.projects / desired.slug}, which all members see.\n"
        f"3. Stop the notebook when you are done: hours count while it runs.{invite}\n"
    )


# -- inside -----------------------------------------------------------------------------------------------------------


def _desired_state(session: Session, number: int) -> DesiredState:
    """The project as the database has it now: the session may have read it long ago."""
    current = select(Project).where(Project.id == number).options(selectinload(Project.members))
    project = session.scalars(current.execution_options(populate_existing=True)).one()
    staying = [member for member in project.members if not member.leaving]
    return DesiredState(
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
    if row is not None:
        return row
    session.add(StepRow(project_id=project, step=step, revision=0, attempts=0, remark="", done=None, retries=0))
    try:
        session.commit()
    except IntegrityError:  # the worker and ``atrium project`` provision the project at the same time
        session.rollback()
    return session.get_one(StepRow, (project, step))
