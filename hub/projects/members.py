"""Members of projects: their roles, their removal, and mail to all of them."""

from __future__ import annotations

from sqlalchemy.orm import Session

from hub.audit import service as audit
from hub.db.base import now
from hub.errors import Conflict, NotFound
from hub.identity.models import Person
from hub.mail import service as mail
from hub.projects.models import MemberRole
from hub.projects.service import audit_name, expire_invitations, led_project, mark_changed, save, visible_project
from hub.projects.tables import FormerMember, Member, Project
from hub.settings import Settings


def change_role(session: Session, person: Person, slug: str, member_name: str, role: MemberRole) -> None:
    """Make a member a lead, or a lead a member, whose open invitations end.

    :raises Conflict: it is the only lead, or somebody else changed the project at the same time.
    """
    project = led_project(session, person, slug)
    member = _member(project, member_name)
    if role is not MemberRole.LEAD:
        _check_other_lead(project, member_name)
    previous_role, member.role = member.role, role
    mark_changed(project)  # of two leads who change each other's role at once, the second is refused
    save(session)
    audit.record(
        session,
        who=person.name,
        what="role changed",
        on=audit_name(project),
        before={member_name: previous_role},
        after={member_name: role},
    )
    if role is not previous_role and role is not MemberRole.LEAD:
        expire_invitations(session, project, [member_name])
    session.commit()


def remove(session: Session, person: Person, slug: str, member_name: str) -> None:
    """End a member's access and their open invitations, or leave oneself. The worker cancels their jobs; files stay.

    :raises Conflict: it is the only lead, or somebody else changed the project at the same time.
    """
    find_project = visible_project if member_name == person.name else led_project
    project = find_project(session, person, slug)
    member = _member(project, member_name)
    _check_other_lead(project, member_name)
    member.leaving = True
    mark_changed(project)
    save(session)
    session.merge(FormerMember(project_id=project.id, person=member_name, until=now()))
    audit.record(
        session, who=person.name, what="member removed", on=audit_name(project), before={member_name: member.role}
    )
    expire_invitations(session, project, [member_name])
    session.commit()


def notify(session: Session, settings: Settings, project: Project, *, subject: str, text: str, key: str) -> None:
    """Write a mail to every member, once for each ``key``."""
    for member in (member for member in project.members if not member.leaving):
        mail.write_to(
            session,
            member.person,
            settings,
            subject=f"Project {project.slug} {subject}",
            text=f"{project.title}\n\n{text}\n{settings.site.public_url}\n",
            key=f"project-{project.id}-{key}-{member.person}",
        )


def _member(project: Project, name: str) -> Member:
    for member in project.members:
        if member.person == name and not member.leaving:
            return member
    raise NotFound(f"{name} is not a member of this project.", field="person")


def _check_other_lead(project: Project, name: str) -> None:
    others = (member for member in project.members if member.person != name and not member.leaving)
    if not any(member.role is MemberRole.LEAD for member in others):
        raise Conflict("A project needs at least one lead.", hint="Make another member a lead first.")
