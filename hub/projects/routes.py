"""``/projects`` and ``/invitations``: for members, leads and admins; ``/extensions`` for reviewers too."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from hub.calls import programme
from hub.context import AskingAdmin, AskingPerson, AskingReviewer, AskingWithCode, Context, ProjectSlug, RowId
from hub.projects import extensions, invitations, members, service
from hub.projects.models import (
    Extension,
    ExtensionDecision,
    ExtensionForm,
    Invitation,
    InvitationForm,
    InvitationOffer,
    InvitationToken,
    ProjectView,
    RoleChange,
)

router = APIRouter(tags=["access"])

MemberName = Annotated[str, Path(description="User name of the member")]
InvitationId = Annotated[RowId, Path(description="Number of the invitation")]
ExtensionId = Annotated[RowId, Path(description="Number of the extension request")]
After = Annotated[str, Query(max_length=40, description="Last slug of the previous page")]


@router.get("/projects")
def projects(asking: AskingPerson) -> tuple[ProjectView, ...]:
    """List your projects, ordered by slug, each with the state of its provisioning."""
    return service.projects_of(asking.session, asking.settings, asking.person.name)


@router.get("/projects/all")
def every_project(asking: AskingAdmin, after: After = "") -> tuple[ProjectView, ...]:
    """List all projects, 100 per page, ordered by slug.

    For admins.
    """
    return service.every_project(asking.session, asking.settings, asking.person.name, after=after)


@router.get("/projects/{slug}")
def project(asking: AskingPerson, slug: ProjectSlug) -> ProjectView:
    """Read a project with its members and the state of its provisioning.

    For members and admins.
    """
    return _view(asking, slug)


@router.put("/projects/{slug}/members/{person}")
def change_role(asking: AskingPerson, slug: ProjectSlug, person: MemberName, change: RoleChange) -> ProjectView:
    """Change the role of a member: lead or member.

    For leads and admins. A project needs at least one lead.
    """
    members.change_role(asking.session, asking.person, slug, person, change.role)
    return _view(asking, slug)


@router.delete("/projects/{slug}/members/{person}", status_code=204)
def remove_member(asking: AskingPerson, slug: ProjectSlug, person: MemberName) -> None:
    """Remove a member, or leave the project yourself.

    For leads and admins; for members themselves. Access ends at once and the member's jobs are cancelled; their files
    stay. A project needs at least one lead.
    """
    members.remove(asking.session, asking.person, slug, person)


@router.get("/projects/{slug}/invitations")
def list_invitations(asking: AskingPerson, slug: ProjectSlug) -> tuple[Invitation, ...]:
    """List the invitations to a project, newest first.

    For leads and admins.
    """
    return invitations.listed(asking.session, asking.person, slug)


@router.post("/projects/{slug}/invitations")
def invite(asking: AskingPerson, slug: ProjectSlug, form: InvitationForm) -> Invitation:
    """Invite somebody to a project by mail.

    For leads and admins. The link in the mail works once and expires after some days.
    """
    return invitations.invite(asking.session, asking.settings, asking.person, slug, form)


@router.delete("/projects/{slug}/invitations/{number}", status_code=204)
def withdraw_invitation(asking: AskingPerson, slug: ProjectSlug, number: InvitationId) -> None:
    """Withdraw an invitation that nobody has accepted.

    For leads and admins.
    """
    invitations.withdraw(asking.session, asking.person, slug, number)


@router.post("/invitations/offer")
def offer(asking: AskingWithCode, invitation: InvitationToken) -> InvitationOffer:
    """Show the project and role that an invitation offers.

    404 if the invitation is used, expired or invalid. 429 after several of these, with the seconds to wait.
    """
    return invitations.offer(asking.session, invitation.token)


@router.post("/invitations/accept")
def accept(asking: AskingWithCode, invitation: InvitationToken) -> ProjectView:
    """Accept an invitation and join its project.

    404 if the invitation is used, expired or invalid. 429 after several of these, with the seconds to wait.
    """
    slug = invitations.accept(asking.session, asking.person.name, invitation.token).slug
    return _view(asking, slug)


@router.get("/projects/{slug}/extensions")
def list_extensions(asking: AskingPerson, slug: ProjectSlug) -> tuple[Extension, ...]:
    """List the extension requests of a project, oldest first.

    For members and admins.
    """
    return extensions.listed(asking.session, project=service.visible_project(asking.session, asking.person, slug))


@router.post("/projects/{slug}/extensions")
def request_extension(asking: AskingPerson, slug: ProjectSlug, form: ExtensionForm) -> Extension:
    """Request more time or more hours for a project.

    For leads and admins. 409 while another request of the project waits for a decision.
    """
    return extensions.request(asking.session, programme.current(asking.settings), asking.person, slug, form)


@router.get("/extensions")
def list_open_extensions(asking: AskingReviewer) -> tuple[Extension, ...]:
    """List all extension requests that wait for a decision, oldest first.

    For reviewers.
    """
    return extensions.listed(asking.session)


@router.post("/extensions/{number}/decision")
def decide_extension(asking: AskingReviewer, number: ExtensionId, decision: ExtensionDecision) -> Extension:
    """Grant or refuse an extension request.

    For reviewers of other projects and organisations. 409 if another reviewer has decided.
    """
    return extensions.decide(asking.session, asking.settings, asking.person.name, number, decision)


def _view(asking: Context, slug: str) -> ProjectView:
    return service.project_view(asking.session, asking.settings, asking.person, slug)
