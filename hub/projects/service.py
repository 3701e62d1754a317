"""Projects: recording, awarding and reading them. Each change is a new revision, which provisioning carries out.

Used by the routes of projects, usage and reports, by the review desk (awards) and by ``atrium project``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date

from sqlalchemy import ColumnElement, Select, SQLColumnExpression, case, exists, select, update
from sqlalchemy.orm import Session, selectinload
from sqlalchemy.orm.exc import StaleDataError

from hub.audit import service as audit
from hub.calls import calendar
from hub.calls import programme as policy
from hub.calls.models import Terms
from hub.db.base import now
from hub.errors import Conflict, InvalidInput, NotAllowed, NotFound
from hub.identity.models import Person, Role
from hub.projects import lifecycle
from hub.projects.models import (
    Award,
    MemberRole,
    MemberView,
    Phase,
    ProjectSpec,
    ProjectState,
    ProjectView,
    Step,
    StepView,
)
from hub.projects.tables import FormerMember, InvitationRow, Member, Project
from hub.settings import Settings
from hub.slugs import slug_of

SLUG_TITLE_LENGTH = 16
"""Characters of the title in a slug: an OS group is named after the slug, and its name has at most 32."""
PAGE = 100
"""Projects on a page of all projects."""
_STEP_ORDER = {step: position for position, step in enumerate(Step)}


# -- recording --------------------------------------------------------------------------------------------------------


def record(session: Session, spec: ProjectSpec, *, who: str, today: date) -> Project:
    """Create or change the project that ``spec`` describes, and commit. Members who are not in ``spec`` stay.

    :param today: in the programme's time zone; a new project without a first day starts then.
    :raises InvalidInput: the project exists with another account, or the account belongs to another project.
    """
    with_members = selectinload(Project.members)  # loaded later, they would write the changes before they are compared
    project = session.scalar(select(Project).where(Project.slug == spec.slug).options(with_members))
    other_project = session.scalar(
        select(Project.slug).where(Project.account == spec.account, Project.slug != spec.slug)
    )
    if other_project is not None:
        raise InvalidInput(f"The Slurm account {spec.account} belongs to the project {other_project}.", field="account")
    if project is None:
        project = _new(spec.slug, spec.account)
        session.add(project)
    elif project.account != spec.account:
        raise InvalidInput(f"The project {spec.slug} has the Slurm account {project.account}.", field="account")
    project.title, project.until = spec.title, spec.until
    project.starts = spec.starts or project.starts or today
    if project.starts > today:
        project.phase = Phase.WAITING  # the worker updates all other phases
    project.cpu_hours, project.gpu_hours, project.storage_gb = spec.cpu_hours, spec.gpu_hours, spec.storage_gb
    leads = {person for person in spec.members if role_of(project, person) is MemberRole.LEAD}
    former_leads = {person for person in leads if spec.members[person] is not MemberRole.LEAD}
    members_changed = set_roles(project, spec.members)
    if members_changed or session.is_modified(project):
        mark_changed(project)
        audit.record(
            session, who=who, what="project recorded", on=audit_name(project), after=spec.model_dump(mode="json")
        )
    save(session)
    expire_invitations(session, project, former_leads)
    session.commit()
    return project


def award(session: Session, grant: Award, *, who: str, today: date) -> Project:
    """Create the project that a decision grants, in the caller's transaction."""
    slug = _slug(session, grant.title, grant.reference)
    project = _new(slug, slug)
    project.title, project.call, project.organisation_id = grant.title, grant.call, grant.organisation_id
    project.cpu_hours, project.gpu_hours = grant.cpu_hours, grant.gpu_hours
    project.storage_gb = grant.storage_gb
    project.partitions, project.qos = list(grant.partitions), list(grant.qos)
    project.starts, project.until = grant.starts, calendar.last_day(grant.starts, grant.months)
    project.phase = Phase.WAITING if grant.starts > today else Phase.OPEN
    project.members.append(Member(person=grant.lead, role=MemberRole.LEAD))
    mark_changed(project)
    session.add(project)
    session.flush()
    audit.record(session, who=who, what="project awarded", on=audit_name(project), after=grant.model_dump(mode="json"))
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
    """A slug that no project has: the title's beginning and the number of its application."""
    title_part = slug_of(title).strip("-0123456789")[:SLUG_TITLE_LENGTH].strip("-") or "project"
    slug = f"{title_part}-{reference}"
    existing_slugs = set(session.scalars(select(Project.slug).where(Project.slug.startswith(slug))))
    while slug in existing_slugs:
        slug += "x"
    return slug


def set_roles(project: Project, roles: Mapping[str, MemberRole]) -> bool:
    """Add members or change their roles; returns whether anything changed. Others stay as they are."""
    members = {member.person: member for member in project.members}
    changed = False
    for person, role in roles.items():
        member = members.get(person)
        if member is None:
            project.members.append(Member(person=person, role=role, leaving=False))
            changed = True
        elif member.role != role or member.leaving:
            member.role, member.leaving = role, False
            changed = True
    return changed


def mark_changed(project: Project) -> None:
    """Count a new revision, which the worker provisions; the database refuses it if the project has changed since."""
    project.revision += 1
    project.state = ProjectState.PROVISIONING


def is_known(session: Session, slug: str) -> bool:
    """Whether there is a project with this slug."""
    return session.scalar(select(Project.id).where(Project.slug == slug)) is not None


def provision_all(session: Session) -> int:
    """Let the worker provision every project again, and return their number.

    Slurm, storage and the Hub may have lost what the database says that they have.
    """
    projects = session.scalars(select(Project)).all()
    for project in projects:
        mark_changed(project)
    session.commit()
    return len(projects)


def save(session: Session) -> None:
    """Write the caller's changes into its transaction, which holds their projects from then on.

    :raises Conflict: somebody else changed one of them after it was read; nothing is stored.
    """
    try:
        session.flush()
    except StaleDataError as error:
        session.rollback()
        raise changed_meanwhile() from error


def hold(session: Session, project: Project) -> None:
    """Keep others from changing the project until the caller's transaction ends.

    :raises Conflict: somebody else changed it after it was read.
    """
    result = session.execute(
        update(Project)
        .where(Project.id == project.id, Project.revision == project.revision)
        .values(revision=Project.revision)
        .execution_options(synchronize_session=False)
    )
    if result.rowcount != 1:  # type: ignore[attr-defined]
        session.rollback()
        raise changed_meanwhile()


def changed_meanwhile() -> Conflict:
    """The refusal of a change that is based on an older revision."""
    return Conflict("Somebody else changed the project in the meantime.", field="revision")


def expire_invitations(session: Session, project: Project, people: Collection[str]) -> None:
    """End the open invitations that these people sent; the caller has saved that they are no leads any more."""
    if not people:
        return
    moment = now()
    session.execute(
        update(InvitationRow)
        .where(
            InvitationRow.project_id == project.id,
            InvitationRow.by.in_(people),
            InvitationRow.accepted_by.is_(None),
            InvitationRow.expires > moment,
        )
        .values(expires=moment)
        .execution_options(synchronize_session="fetch")
    )


def audit_name(project: Project) -> str:
    """The project's name in the audit trail."""
    return f"project/{project.slug}"


# -- membership: the one place that knows who is a member -------------------------------------------------------------


def memberships(person: str) -> Select[Project, MemberRole]:
    """Projects of a person with their role in each; somebody who is leaving is no member any more."""
    return (
        select(Project, Member.role)
        .select_from(Project)
        .join(Member, Member.project_id == Project.id)
        .where(Member.person == person, Member.leaving.is_(False))
    )


def own_first() -> tuple[SQLColumnExpression[object], ...]:
    """Order of :func:`memberships`: open projects first, those that the person leads before others', then by slug.

    Pages choose the first one where the person has not chosen.
    """
    return (
        case((Project.phase == Phase.OPEN, 0), else_=1),
        case((Member.role == MemberRole.LEAD, 0), else_=1),
        Project.slug,
    )


def slugs_of(session: Session, person: str) -> frozenset[str]:
    """Slugs of the projects that a person is a member of."""
    return frozenset(session.scalars(memberships(person).with_only_columns(Project.slug)))


def role_in(session: Session, person: str, slug: str) -> MemberRole | None:
    """The person's role in a project; None for somebody who is not a member, and if there is no such project."""
    return session.scalar(memberships(person).with_only_columns(Member.role).where(Project.slug == slug))


def is_member(person: SQLColumnExpression[str], slug: SQLColumnExpression[str]) -> ColumnElement[bool]:
    """The condition that a row's person is a member of the row's project."""
    return exists().where(
        Member.project_id == Project.id, Project.slug == slug, Member.person == person, Member.leaving.is_(False)
    )


def role_of(project: Project, person: str) -> MemberRole | None:
    """The person's role in a project that is loaded; None for somebody who is not a member."""
    return next((member.role for member in project.members if member.person == person and not member.leaving), None)


def was_member(session: Session, project: Project, person: str) -> bool:
    """Whether the person is or has been a member of the project."""
    return role_of(project, person) is not None or session.get(FormerMember, (project.id, person)) is not None


# -- reading ----------------------------------------------------------------------------------------------------------


def projects_of(session: Session, settings: Settings, person: str) -> tuple[ProjectView, ...]:
    """Projects that a person is a member of, their own first (:func:`own_first`)."""
    loaded = (selectinload(Project.members), selectinload(Project.steps))
    query = memberships(person).options(*loaded).order_by(*own_first())
    terms = policy.current(settings).terms
    return tuple(_view(settings, terms, project, person) for project in session.scalars(query))


def every_project(session: Session, settings: Settings, admin: str, *, after: str) -> tuple[ProjectView, ...]:
    """The next :data:`PAGE` of all projects, ordered by slug; ``after`` is the last slug of the previous page."""
    query = (
        select(Project)
        .where(Project.slug > after)
        .options(selectinload(Project.members), selectinload(Project.steps))
        .order_by(Project.slug)
        .limit(PAGE)
    )
    terms = policy.current(settings).terms
    return tuple(_view(settings, terms, project, admin) for project in session.scalars(query))


def project_view(session: Session, settings: Settings, person: Person, slug: str) -> ProjectView:
    """A project as the API shows it to ``person``; raises :class:`NotFound` unless they may see it."""
    return _view(settings, policy.current(settings).terms, visible_project(session, person, slug), person.name)


def visible_project(session: Session, person: Person, slug: str) -> Project:
    """A project, for its members and for admins; raises :class:`NotFound` for anybody else."""
    project = session.scalar(select(Project).where(Project.slug == slug))
    if project is None or (Role.ADMIN not in person.roles and role_of(project, person.name) is None):
        raise no_project(slug)
    return project


def no_project(slug: str) -> NotFound:
    """The error for a project that does not exist or that the person may not see."""
    return NotFound(f"You have no project called {slug}.")


def led_project(session: Session, person: Person, slug: str) -> Project:
    """A project, for its leads and for admins; raises :class:`NotAllowed` for other members."""
    project = visible_project(session, person, slug)
    if not is_lead(project, person):
        raise NotAllowed("Only leads of the project may do this.")
    return project


def is_lead(project: Project, person: Person) -> bool:
    """Whether ``person`` may do what leads may do; admins may."""
    return Role.ADMIN in person.roles or role_of(project, person.name) is MemberRole.LEAD


def _view(settings: Settings, terms: Terms, project: Project, person: str) -> ProjectView:
    return ProjectView(
        slug=project.slug,
        title=project.title,
        account=project.account,
        call=project.call,
        role=role_of(project, person),
        state=project.state,
        phase=project.phase,
        cpu_hours=project.cpu_hours,
        gpu_hours=project.gpu_hours,
        storage_gb=project.storage_gb,
        starts=project.starts,
        until=project.until,
        files_until=lifecycle.files_until(project.until, terms),
        directory=str(settings.paths.projects / project.slug),
        members=tuple(
            MemberView(person=member.person, role=member.role, leaving=member.leaving) for member in project.members
        ),
        steps=tuple(
            StepView(step=row.step, done=row.revision >= project.revision, attempts=row.attempts, remark=row.remark)
            for row in sorted(project.steps, key=lambda row: _STEP_ORDER[row.step])
        ),
    )
