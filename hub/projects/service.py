"""Projects: what was granted to whom. Every change is a row with a new revision; provisioning makes it real."""

from __future__ import annotations

import secrets
from datetime import date, timedelta
from hashlib import sha256

from sqlalchemy import and_, or_, select, update
from sqlalchemy.orm import Session, selectinload

from hub.audit import service as audit
from hub.calls import programme as policy
from hub.calls.models import Programme, Terms
from hub.db.base import now
from hub.errors import Conflict, InvalidInput, NotAllowed, NotFound
from hub.identity.models import Person, Role
from hub.mail import service as mail
from hub.organisations import service as organisations
from hub.projects import lifecycle
from hub.projects.models import (
    Award,
    Extension,
    ExtensionDecision,
    ExtensionForm,
    ExtensionState,
    Invitation,
    InvitationForm,
    InvitationOffer,
    MemberRole,
    MemberView,
    Phase,
    ProjectSpec,
    ProjectState,
    ProjectView,
    Step,
    StepView,
)
from hub.projects.tables import ExtensionRow, InvitationRow, Member, Project
from hub.settings import Settings
from hub.slugs import slug_of

LONGEST_WORD = 16
"""Of a title, in the slug made from it: an OS group is named after the slug, and may have 32 characters."""
INVITATIONS_A_DAY = 50
"""Of a project: nobody sends mail to the world in our name."""
_ORDER = {step: place for place, step in enumerate(Step)}
MEMBERS = 500


# -- making projects --------------------------------------------------------------------------------------------------


def record(session: Session, spec: ProjectSpec, *, who: str) -> Project:
    """The row as ``spec`` says, committed. Members who are not in ``spec`` stay.

    :raises InvalidInput: the project exists with another account, or the account belongs to another project.
    """
    project = session.scalar(select(Project).where(Project.slug == spec.slug))
    holder = session.scalar(select(Project.slug).where(Project.account == spec.account, Project.slug != spec.slug))
    if holder is not None:
        raise InvalidInput(f"The Slurm account {spec.account} belongs to the project {holder}.", field="account")
    if project is None:
        project = _new(spec.slug, spec.account)
        session.add(project)
    elif project.account != spec.account:
        raise InvalidInput(f"The project {spec.slug} is charged to {project.account}.", field="account")
    project.title, project.until = spec.title, spec.until
    project.starts = spec.starts or project.starts or now().date()
    project.cpu_hours, project.gpu_hours, project.storage_gb = spec.cpu_hours, spec.gpu_hours, spec.storage_gb
    enlisted = _enlist(project, spec.members)
    if enlisted or session.is_modified(project):
        _changed(project)
        audit.record(session, who=who, what="project recorded", on=_on(project), after=spec.model_dump(mode="json"))
    session.commit()
    return project


def award(session: Session, granted: Award, *, who: str) -> Project:
    """A project out of a decision, as part of the caller's transaction."""
    slug = _slug(session, granted.title, granted.reference)
    project = _new(slug, slug)
    project.title, project.call, project.organisation_id = granted.title, granted.call, granted.organisation_id
    project.cpu_hours, project.gpu_hours = granted.cpu_hours, granted.gpu_hours
    project.storage_gb = granted.storage_gb
    project.partitions, project.qos = list(granted.partitions), list(granted.qos)
    project.starts, project.until = granted.starts, lifecycle.last_day(granted.starts, granted.months)
    project.phase = Phase.WAITING if granted.starts > now().date() else Phase.OPEN
    project.members.append(Member(person=granted.lead, role=MemberRole.LEAD))
    _changed(project)
    session.add(project)
    session.flush()
    audit.record(session, who=who, what="project awarded", on=_on(project), after=granted.model_dump(mode="json"))
    return project


def _new(slug: str, account: str) -> Project:
    return Project(
        slug=slug,
        account=account,
        call="",
        storage_gb=0,
        partitions=[],
        qos=[],
        phase=Phase.OPEN,
        state=ProjectState.PROVISIONING,
        revision=0,
    )


def _slug(session: Session, title: str, reference: int) -> str:
    word = slug_of(title).strip("-0123456789")[:LONGEST_WORD].strip("-") or "project"
    name = f"{word}-{reference}"
    taken = set(session.scalars(select(Project.slug).where(Project.slug.startswith(name))))
    while name in taken:
        name += "x"
    return name


def _enlist(project: Project, members: dict[str, MemberRole]) -> bool:
    """Whether anybody is new or has another role."""
    known = {member.person: member for member in project.members}
    changed = False
    for person, role in members.items():
        member = known.get(person)
        if member is None:
            project.members.append(Member(person=person, role=role, leaving=False))
            changed = True
        elif member.role != role or member.leaving:
            member.role, member.leaving = role, False
            changed = True
    return changed


def _changed(project: Project) -> None:
    project.revision += 1
    project.state = ProjectState.PROVISIONING


# -- reading ----------------------------------------------------------------------------------------------------------


def projects_of(session: Session, settings: Settings, person: str) -> tuple[ProjectView, ...]:
    """Projects somebody is a member of, by slug."""
    query = (
        select(Project)
        .join(Member)
        .where(Member.person == person, Member.leaving.is_(False))
        .options(selectinload(Project.members), selectinload(Project.steps))
        .order_by(Project.slug)
    )
    data = policy.current(settings).terms
    return tuple(_view(settings, data, one, person) for one in session.scalars(query))


def every_project(session: Session, settings: Settings, admin: str, *, after: str) -> tuple[ProjectView, ...]:
    """A hundred projects of all, by slug, those behind ``after``."""
    query = (
        select(Project)
        .where(Project.slug > after)
        .options(selectinload(Project.members), selectinload(Project.steps))
        .order_by(Project.slug)
        .limit(100)
    )
    data = policy.current(settings).terms
    return tuple(_view(settings, data, one, admin) for one in session.scalars(query))


def one(session: Session, settings: Settings, person: Person, slug: str) -> ProjectView:
    return _view(settings, policy.current(settings).terms, seen_by(session, person, slug), person.name)


def seen_by(session: Session, person: Person, slug: str) -> Project:
    """A project, for its members and for admins; raises :class:`NotFound` for anybody else."""
    project = session.scalar(select(Project).where(Project.slug == slug))
    if project is None or (Role.ADMIN not in person.roles and _role(project, person.name) is None):
        raise NotFound("You have no such project.")
    return project


def led_by(session: Session, person: Person, slug: str) -> Project:
    """A project, for its leads and for admins; raises :class:`NotAllowed` for other members."""
    project = seen_by(session, person, slug)
    if Role.ADMIN not in person.roles and _role(project, person.name) is not MemberRole.LEAD:
        raise NotAllowed("Only leads of the project may do this.")
    return project


def is_lead(project: Project, person: Person) -> bool:
    return Role.ADMIN in person.roles or _role(project, person.name) is MemberRole.LEAD


def _role(project: Project, person: str) -> MemberRole | None:
    return next((one.role for one in project.members if one.person == person and not one.leaving), None)


def _view(settings: Settings, data: Terms, project: Project, person: str) -> ProjectView:
    return ProjectView(
        slug=project.slug,
        title=project.title,
        account=project.account,
        call=project.call,
        role=_role(project, person),
        state=project.state,
        phase=project.phase,
        cpu_hours=project.cpu_hours,
        gpu_hours=project.gpu_hours,
        storage_gb=project.storage_gb,
        starts=project.starts,
        until=project.until,
        files_until=lifecycle.files_until(project.until, data),
        directory=str(settings.paths.projects / project.slug),
        members=tuple(MemberView(person=one.person, role=one.role, leaving=one.leaving) for one in project.members),
        steps=tuple(
            StepView(step=row.step, done=row.revision >= project.revision, attempts=row.attempts, remark=row.remark)
            for row in sorted(project.steps, key=lambda row: _ORDER[row.step])
        ),
    )


# -- members ----------------------------------------------------------------------------------------------------------


def change_role(session: Session, person: Person, slug: str, member: str, role: MemberRole) -> Project:
    project = led_by(session, person, slug)
    found = _member(project, member)
    if role is not MemberRole.LEAD:
        _keep_a_lead(project, member)
    before, found.role = found.role, role
    audit.record(
        session,
        who=person.name,
        what="role changed",
        on=_on(project),
        before={member: before},
        after={member: role},
    )
    session.commit()
    return project


def remove(session: Session, person: Person, slug: str, member: str) -> Project:
    """End somebody's access: from now on they are no member; their jobs are cancelled, their files stay."""
    project = seen_by(session, person, slug) if member == person.name else led_by(session, person, slug)
    found = _member(project, member)
    _keep_a_lead(project, member)
    found.leaving = True
    _changed(project)
    audit.record(session, who=person.name, what="member removed", on=_on(project), before={member: found.role})
    session.commit()
    return project


def _member(project: Project, name: str) -> Member:
    found = next((one for one in project.members if one.person == name and not one.leaving), None)
    if found is None:
        raise NotFound("There is no such member.", field="person")
    return found


def _keep_a_lead(project: Project, name: str) -> None:
    others = [one for one in project.members if one.role is MemberRole.LEAD and not one.leaving and one.person != name]
    if not others:
        raise Conflict("A project keeps at least one lead.", hint="Make somebody else a lead first.")


# -- invitations ------------------------------------------------------------------------------------------------------


def invite(session: Session, settings: Settings, person: Person, slug: str, form: InvitationForm) -> Invitation:
    """Invite by mail. Whoever opens the link and signs in may join, once, for some days."""
    days = policy.current(settings).terms.invitation_days
    project = led_by(session, person, slug)
    if project.phase in (Phase.ENDED, Phase.CLOSED):
        raise Conflict("The project has ended.")
    since = now() - timedelta(days=1)
    if len([one for one in _invitations(session, project) if one.created > since]) >= INVITATIONS_A_DAY:
        raise Conflict(f"A project invites at most {INVITATIONS_A_DAY} people a day.", hint="Try again tomorrow.")
    token, moment = secrets.token_urlsafe(32), now()
    row = InvitationRow(
        project_id=project.id,
        address=form.address,
        role=form.role,
        token_hash=_hash(token),
        by=person.name,
        created=moment,
        expires=moment + timedelta(days=days),
        accepted_by=None,
    )
    session.add(row)
    session.flush()
    mail.enqueue(
        session,
        to=form.address,
        subject=f"Invitation to the project {project.slug}",
        text=(
            f"{person.name} invites you to the project “{project.title}” at {settings.site.name}.\n\n"
            f"Sign in at {settings.site.public_url} and open this link, which works once and until "
            f"{row.expires:%-d %B %Y}:\n\n"
            f"{settings.service_url('dashboards')}voila/render/onboarding.ipynb#/invitation/{token}\n\n"
            f"Or enter this code on the Onboarding page: {token}\n"
        ),
        key=f"invitation-{row.id}",
    )
    audit.record(
        session,
        who=person.name,
        what="invited",
        on=_on(project),
        after={"address": form.address, "role": form.role},
    )
    session.commit()
    return Invitation.model_validate(row)


def invitations(session: Session, person: Person, slug: str) -> tuple[Invitation, ...]:
    """Invitations to a project, for its leads."""
    project = led_by(session, person, slug)
    return tuple(Invitation.model_validate(row) for row in _invitations(session, project))


def take_back(session: Session, person: Person, slug: str, number: int) -> None:
    """Make an invitation that nobody accepted yet worthless."""
    project = led_by(session, person, slug)
    row = session.get(InvitationRow, number)
    if row is None or row.project_id != project.id or row.accepted_by is not None:
        raise NotFound("There is no such open invitation.")
    row.expires = now()
    audit.record(
        session, who=person.name, what="invitation taken back", on=_on(project), before={"address": row.address}
    )
    session.commit()


def offer(session: Session, token: str) -> InvitationOffer:
    """What an invitation is to; raises :class:`NotFound` when the link is used, over or made up."""
    row = _open_invitation(session, token)
    return InvitationOffer(
        project=row.project.slug, title=row.project.title, role=row.role, by=row.by, expires=row.expires
    )


def accept(session: Session, person: str, token: str) -> Project:
    """Join the project. Of two who open the same link at once, one does."""
    row = _open_invitation(session, token)
    claimed = session.execute(
        update(InvitationRow)
        .where(InvitationRow.id == row.id, InvitationRow.accepted_by.is_(None), InvitationRow.expires > now())
        .values(accepted_by=person)
        .execution_options(synchronize_session=False)
    )
    if claimed.rowcount != 1:  # type: ignore[attr-defined]
        session.rollback()
        raise _no_invitation()
    project = session.get_one(Project, row.project_id)
    if project.phase in (Phase.ENDED, Phase.CLOSED):
        session.rollback()
        raise Conflict("The project has ended.")
    if len(project.members) >= MEMBERS:
        session.rollback()
        raise Conflict("The project is full.")
    role = MemberRole.LEAD if _role(project, person) is MemberRole.LEAD else row.role
    if _enlist(project, {person: role}):
        _changed(project)
    audit.record(session, who=person, what="joined", on=_on(project), after={"role": row.role, "invited by": row.by})
    session.commit()
    return project


def _invitations(session: Session, project: Project) -> list[InvitationRow]:
    query = select(InvitationRow).where(InvitationRow.project_id == project.id).order_by(InvitationRow.id.desc())
    return list(session.scalars(query.limit(200)))


def _open_invitation(session: Session, token: str) -> InvitationRow:
    row = session.scalar(select(InvitationRow).where(InvitationRow.token_hash == _hash(token)))
    if row is None or row.accepted_by is not None or row.expires <= now():
        raise _no_invitation()
    return row


def _no_invitation() -> NotFound:
    return NotFound("This invitation is used, over, or never was.", field="token", hint="Ask the lead for a new one.")


def _hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()


# -- time -------------------------------------------------------------------------------------------------------------


def turn(session: Session, settings: Settings, today: date) -> None:
    """What a day brings: projects open, are warned of their end, end, and close. Safe to run any number of times."""
    programme = policy.current(settings)
    soon = today + timedelta(days=max(programme.terms.warning_days, default=0))
    # What is open and far from its end, and what is closed for good, needs no look.
    near = or_(
        and_(Project.phase == Phase.OPEN, Project.until <= soon),
        Project.phase.in_((Phase.WAITING, Phase.ENDED)),
        and_(Project.phase == Phase.CLOSED, Project.until >= today),
    )
    for project in session.scalars(select(Project).where(near)).all():
        wanted = lifecycle.phase(project.starts, project.until, programme.terms, today)
        if wanted is not project.phase:
            before, project.phase = project.phase, wanted
            _changed(project)
            audit.record(
                session,
                who=audit.WORKER,
                what="phase changed",
                on=_on(project),
                before={"phase": before},
                after={"phase": wanted},
            )
            if wanted in (Phase.ENDED, Phase.CLOSED):
                _tell(session, settings, project, _farewell(programme, project), f"{wanted}-{project.until}")
        days = lifecycle.warning(project.until, programme.terms, today) if wanted is Phase.OPEN else None
        if days is not None:
            _tell(session, settings, project, _warning(project, today), f"warning-{project.until}-{days}")
        session.commit()


def _tell(session: Session, settings: Settings, project: Project, told: tuple[str, str], key: str) -> None:
    subject, text = told
    for member in project.members:
        mail.enqueue(
            session,
            to=mail.address_of(member.person, settings),
            subject=f"Project {project.slug} {subject}",
            text=f"{project.title}\n\n{text}\n{settings.site.public_url}\n",
            key=f"project-{project.id}-{key}-{member.person}",
        )


def _warning(project: Project, today: date) -> tuple[str, str]:
    assert project.until is not None  # noqa: S101
    days = (project.until - today).days
    when = "today" if days == 0 else "tomorrow" if days == 1 else f"in {days} days"
    return (
        f"ends {when}",
        f"Its last day is {project.until:%-d %B %Y}. After it no job starts; a lead can ask for an extension now.\n",
    )


def _farewell(programme: Programme, project: Project) -> tuple[str, str]:
    files = lifecycle.files_until(project.until, programme.terms)
    if project.phase is Phase.CLOSED:
        return "is closed", "Its files are out of reach now; ask the factory's admins if you still need them.\n"
    return "has ended", f"No job starts any more. Files stay until {files:%-d %B %Y}: copy what you need.\n"


# -- extensions -------------------------------------------------------------------------------------------------------


def ask_for_extension(
    session: Session, programme: Programme, person: Person, slug: str, form: ExtensionForm
) -> Extension:
    project = led_by(session, person, slug)
    if project.phase is Phase.CLOSED:
        raise Conflict("The project is closed.")
    if form.months > programme.terms.extension_months_up_to:
        raise InvalidInput(
            f"An extension is for at most {programme.terms.extension_months_up_to} months.", field="months"
        )
    pending = select(ExtensionRow.id).where(
        ExtensionRow.project_id == project.id, ExtensionRow.state == ExtensionState.OPEN
    )
    if session.scalar(pending) is not None:
        raise Conflict("An extension is asked for already.")
    row = ExtensionRow(
        project_id=project.id,
        by=person.name,
        months=form.months,
        cpu_hours=form.cpu_hours,
        gpu_hours=form.gpu_hours,
        reason=form.reason,
        state=ExtensionState.OPEN,
        answer="",
        created=now(),
    )
    session.add(row)
    audit.record(
        session, who=person.name, what="extension asked for", on=_on(project), after=form.model_dump(mode="json")
    )
    session.commit()
    return _extension(row)


def extensions(session: Session, *, project: Project | None = None) -> tuple[Extension, ...]:
    """Those of one project, or for reviewers all that wait for an answer; the oldest first."""
    query = select(ExtensionRow).options(selectinload(ExtensionRow.project)).order_by(ExtensionRow.id).limit(200)
    if project is None:
        query = query.where(ExtensionRow.state == ExtensionState.OPEN)
    else:
        query = query.where(ExtensionRow.project_id == project.id)
    return tuple(_extension(row) for row in session.scalars(query))


def decide_extension(
    session: Session, settings: Settings, person: str, number: int, said: ExtensionDecision
) -> Extension:
    """Grant or refuse; of two reviewers at once, the second is told what the first said."""
    row = session.get(ExtensionRow, number)
    if row is None:
        raise NotFound("There is no such request.")
    project = row.project
    organisation = organisations.organisation_of(session, person)
    own = organisation is not None and organisation == project.organisation_id
    if own or _role(project, person) is not None:
        raise NotAllowed("Nobody decides on a project of their own.")
    state = ExtensionState.GRANTED if said.grant else ExtensionState.REFUSED
    decided = session.execute(
        update(ExtensionRow)
        .where(ExtensionRow.id == number, ExtensionRow.state == ExtensionState.OPEN)
        .values(state=state, answer=said.answer)
        .execution_options(synchronize_session=False)
    )
    if decided.rowcount != 1:  # type: ignore[attr-defined]
        session.rollback()
        session.refresh(row)
        raise Conflict(f"It is {row.state} already.", field="state")
    if said.grant:
        _extend(project, row)
    _tell(session, settings, project, (f"extension {state}", said.answer + "\n"), f"extension-{number}")
    audit.record(
        session,
        who=person,
        what=f"extension {state}",
        on=_on(project),
        after={"until": str(project.until), "cpu_hours": project.cpu_hours, "gpu_hours": project.gpu_hours},
    )
    session.commit()
    session.refresh(row)
    return _extension(row)


def _extend(project: Project, row: ExtensionRow) -> None:
    """Time is added to the last day, or to today if that is over; the phase follows with the next turn."""
    if row.months and project.until is not None:
        project.until = lifecycle.add_months(max(project.until, now().date()), row.months)
    project.cpu_hours += row.cpu_hours
    project.gpu_hours += row.gpu_hours
    _changed(project)


def _extension(row: ExtensionRow) -> Extension:
    return Extension(
        id=row.id,
        project=row.project.slug,
        by=row.by,
        months=row.months,
        cpu_hours=row.cpu_hours,
        gpu_hours=row.gpu_hours,
        reason=row.reason,
        state=row.state,
        answer=row.answer,
        created=row.created,
    )


def _on(project: Project) -> str:
    return f"project/{project.slug}"
