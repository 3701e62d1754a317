"""Projects: recording, awarding and reading them. Each change is a new revision, which provisioning carries out.

Used by the routes of projects, usage and reports, by the review desk (awards) and by ``atrium project``.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from hub.audit import service as audit
from hub.calls import programme as policy
from hub.calls.models import Terms
from hub.db.base import now
from hub.errors import InvalidInput, NotAllowed, NotFound
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
from hub.projects.tables import Member, Project
from hub.settings import Settings
from hub.slugs import slug_of

SLUG_TITLE_LENGTH = 16
"""Characters of the title in a slug: an OS group is named after the slug, and its name has at most 32."""
PAGE = 100
"""Projects on a page of all projects."""
_STEP_ORDER = {step: position for position, step in enumerate(Step)}


# -- recording --------------------------------------------------------------------------------------------------------


def record(session: Session, spec: ProjectSpec, *, who: str) -> Project:
    """Create or change the project that ``spec`` describes, and commit. Members who are not in ``spec`` stay.

    :raises InvalidInput: the project exists with another account, or the account belongs to another project.
    """
    project = session.scalar(select(Project).where(Project.slug == spec.slug))
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
    project.starts = spec.starts or project.starts or now().date()
    project.cpu_hours, project.gpu_hours, project.storage_gb = spec.cpu_hours, spec.gpu_hours, spec.storage_gb
    members_changed = set_roles(project, spec.members)
    if members_changed or session.is_modified(project):
        mark_changed(project)
        audit.record(
            session, who=who, what="project recorded", on=audit_name(project), after=spec.model_dump(mode="json")
        )
    session.commit()
    return project


def award(session: Session, grant: Award, *, who: str) -> Project:
    """Create the project that a decision grants, in the caller's transaction."""
    slug = _slug(session, grant.title, grant.reference)
    project = _new(slug, slug)
    project.title, project.call, project.organisation_id = grant.title, grant.call, grant.organisation_id
    project.cpu_hours, project.gpu_hours = grant.cpu_hours, grant.gpu_hours
    project.storage_gb = grant.storage_gb
    project.partitions, project.qos = list(grant.partitions), list(grant.qos)
    project.starts, project.until = grant.starts, lifecycle.last_day(grant.starts, grant.months)
    project.phase = Phase.WAITING if grant.starts > now().date() else Phase.OPEN
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
    """Count a new revision, which the worker provisions."""
    project.revision += 1
    project.state = ProjectState.PROVISIONING


def audit_name(project: Project) -> str:
    """The project's name in the audit trail."""
    return f"project/{project.slug}"


# -- reading ----------------------------------------------------------------------------------------------------------


def projects_of(session: Session, settings: Settings, person: str) -> tuple[ProjectView, ...]:
    """Projects that a person is a member of, ordered by slug."""
    query = (
        select(Project)
        .join(Member)
        .where(Member.person == person, Member.leaving.is_(False))
        .options(selectinload(Project.members), selectinload(Project.steps))
        .order_by(Project.slug)
    )
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


def role_of(project: Project, person: str) -> MemberRole | None:
    """The person's role in the project; None for somebody who is not a member."""
    return next((member.role for member in project.members if member.person == person and not member.leaving), None)


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
