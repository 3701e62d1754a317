"""Invitations to projects: a link by mail that works once and for some days."""

from __future__ import annotations

import secrets
from datetime import timedelta
from hashlib import sha256

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from hub.audit import service as audit
from hub.calls import programme as policy
from hub.db.base import now
from hub.errors import Conflict, NotFound
from hub.formats import day
from hub.identity.models import Person
from hub.mail import service as mail
from hub.projects.models import Invitation, InvitationForm, InvitationOffer, MemberRole, Phase
from hub.projects.service import audit_name, hold, led_project, mark_changed, role_of, save, set_roles
from hub.projects.tables import InvitationRow, Project
from hub.settings import Settings

INVITATIONS_A_DAY = 50
"""Of one project, so that nobody can send mail in bulk in the site's name."""
MEMBERS = 500
"""The most members a project has."""


def invite(session: Session, settings: Settings, person: Person, slug: str, form: InvitationForm) -> Invitation:
    """Send an invitation by mail. One person who opens its link and signs in may join before it expires.

    :raises Conflict: the project has ended, has sent :data:`INVITATIONS_A_DAY` invitations within a day, or was changed
        by somebody else at the same time: they may have removed the lead.
    """
    days = policy.current(settings).terms.invitation_days
    project = led_project(session, person, slug)
    _check_not_ended(project)
    hold(session, project)
    token, moment = secrets.token_urlsafe(32), now()
    recent = [row for row in _invitations(session, project) if row.created > moment - timedelta(days=1)]
    if len(recent) >= INVITATIONS_A_DAY:
        raise Conflict(f"A project sends at most {INVITATIONS_A_DAY} invitations a day.", hint="Try again tomorrow.")
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
    _send_mail(session, settings, project, row, token)
    audit.record(
        session,
        who=person.name,
        what="invited",
        on=audit_name(project),
        after={"address": form.address, "role": form.role},
    )
    session.commit()
    return Invitation.model_validate(row)


def listed(session: Session, person: Person, slug: str) -> tuple[Invitation, ...]:
    """Invitations to a project, for its leads."""
    project = led_project(session, person, slug)
    return tuple(Invitation.model_validate(row) for row in _invitations(session, project))


def withdraw(session: Session, person: Person, slug: str, number: int) -> None:
    """Withdraw an invitation that nobody has accepted; raises :class:`NotFound` if there is no such one."""
    project = led_project(session, person, slug)
    row = session.get(InvitationRow, number)
    if row is None or row.project_id != project.id or row.accepted_by is not None:
        raise NotFound("The project has no such open invitation.")
    row.expires = now()
    audit.record(
        session, who=person.name, what="invitation withdrawn", on=audit_name(project), before={"address": row.address}
    )
    session.commit()


def offer(session: Session, token: str) -> InvitationOffer:
    """The project and role that an invitation offers; raises :class:`NotFound` if it is used, expired or invalid."""
    row = _open_invitation(session, token)
    return InvitationOffer(
        project=row.project.slug, title=row.project.title, role=row.role, by=row.by, expires=row.expires
    )


def accept(session: Session, person: str, token: str) -> Project:
    """Join the project. Of two people who accept the same invitation at once, one joins.

    :raises NotFound: the invitation is used, expired or invalid.
    :raises Conflict: the project has ended or is full, or somebody else changed it at the same time.
    """
    row = _open_invitation(session, token)
    # The project is locked before the invitation, in the order of a removal: neither waits for the other.
    session.execute(select(Project.id).where(Project.id == row.project_id).with_for_update())
    claimed = session.execute(
        update(InvitationRow)
        .where(InvitationRow.id == row.id, InvitationRow.accepted_by.is_(None), InvitationRow.expires > now())
        .values(accepted_by=person)
        .execution_options(synchronize_session=False)
    )
    if claimed.rowcount != 1:  # type: ignore[attr-defined]
        session.rollback()
        raise _invalid_invitation()
    project = session.get_one(Project, row.project_id, populate_existing=True)
    try:
        _check_not_ended(project)
        if len(project.members) >= MEMBERS:
            raise Conflict(f"The project already has {MEMBERS} members.")
    except Conflict:
        session.rollback()
        raise
    role = MemberRole.LEAD if role_of(project, person) is MemberRole.LEAD else row.role
    if set_roles(project, {person: role}):
        mark_changed(project)
        save(session)
    audit.record(
        session, who=person, what="joined", on=audit_name(project), after={"role": row.role, "invited by": row.by}
    )
    session.commit()
    return project


def _send_mail(session: Session, settings: Settings, project: Project, row: InvitationRow, token: str) -> None:
    mail.enqueue(
        session,
        to=row.address,
        subject=f"Invitation to the project {project.slug}",
        text=(
            f"{row.by} invites you to the project “{project.title}” at {settings.site.name}.\n\n"
            f"Sign in at {settings.site.public_url} and open this link. It works once and expires on "
            f"{day(row.expires)}:\n\n"
            f"{settings.service_url('dashboards')}voila/render/onboarding.ipynb#/invitation/{token}\n\n"
            f"Or enter this code on the Onboarding page: {token}\n"
        ),
        key=f"invitation-{row.id}",
    )


def _check_not_ended(project: Project) -> None:
    if project.phase in (Phase.ENDED, Phase.CLOSED):
        raise Conflict("The project has ended.")


def _invitations(session: Session, project: Project) -> list[InvitationRow]:
    query = select(InvitationRow).where(InvitationRow.project_id == project.id).order_by(InvitationRow.id.desc())
    return list(session.scalars(query.limit(200)))


def _open_invitation(session: Session, token: str) -> InvitationRow:
    row = session.scalar(select(InvitationRow).where(InvitationRow.token_hash == _hash(token)))
    if row is None or row.accepted_by is not None or row.expires <= now():
        raise _invalid_invitation()
    return row


def _invalid_invitation() -> NotFound:
    return NotFound("This invitation is used, expired or invalid.", field="token", hint="Ask the lead for a new one.")


def _hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()
