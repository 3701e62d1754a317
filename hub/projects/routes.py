"""``/projects`` and ``/invitations``: for members, leads and admins; ``/extensions`` for reviewers too."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from hub.calls import programme
from hub.context import AskingAdmin, AskingPerson, AskingReviewer, Context, RowId
from hub.projects import service
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


@router.get("/projects")
def projects(asking: AskingPerson) -> tuple[ProjectView, ...]:
    """Mine, and how far each is made real."""
    return service.projects_of(asking.session, asking.settings, asking.person.name)


@router.get("/projects/all")
def every_project(asking: AskingAdmin, after: Annotated[str, Query(max_length=40)] = "") -> tuple[ProjectView, ...]:
    """A hundred of all, by slug; ``after``: those behind this one."""
    return service.every_project(asking.session, asking.settings, asking.person.name, after=after)


@router.get("/projects/{slug}")
def project(asking: AskingPerson, slug: str) -> ProjectView:
    return _shown(asking, slug)


@router.put("/projects/{slug}/members/{person}")
def change_role(asking: AskingPerson, slug: str, person: str, change: RoleChange) -> ProjectView:
    """Make a member a lead, or a lead a member."""
    service.change_role(asking.session, asking.person, slug, person, change.role)
    return _shown(asking, slug)


@router.delete("/projects/{slug}/members/{person}", status_code=204)
def remove(asking: AskingPerson, slug: str, person: str) -> None:
    """End somebody's access at once, or leave oneself; files stay."""
    service.remove(asking.session, asking.person, slug, person)


@router.get("/projects/{slug}/invitations")
def invitations(asking: AskingPerson, slug: str) -> tuple[Invitation, ...]:
    return service.invitations(asking.session, asking.person, slug)


@router.post("/projects/{slug}/invitations")
def invite(asking: AskingPerson, slug: str, form: InvitationForm) -> Invitation:
    """Invite somebody by mail; the link works once and for some days."""
    return service.invite(asking.session, asking.settings, asking.person, slug, form)


@router.delete("/projects/{slug}/invitations/{number}", status_code=204)
def take_back(asking: AskingPerson, slug: str, number: RowId) -> None:
    service.take_back(asking.session, asking.person, slug, number)


@router.post("/invitations/offer")
def offer(asking: AskingPerson, said: InvitationToken) -> InvitationOffer:
    """What a link invites to."""
    return service.offer(asking.session, said.token)


@router.post("/invitations/accept")
def accept(asking: AskingPerson, said: InvitationToken) -> ProjectView:
    """Join the project that a link invites to."""
    slug = service.accept(asking.session, asking.person.name, said.token).slug
    return _shown(asking, slug)


@router.get("/projects/{slug}/extensions")
def extensions(asking: AskingPerson, slug: str) -> tuple[Extension, ...]:
    return service.extensions(asking.session, project=service.seen_by(asking.session, asking.person, slug))


@router.post("/projects/{slug}/extensions")
def ask_for_extension(asking: AskingPerson, slug: str, form: ExtensionForm) -> Extension:
    """Ask for more time or hours; for leads."""
    data = programme.current(asking.settings)
    return service.ask_for_extension(asking.session, data, asking.person, slug, form)


@router.get("/extensions")
def open_extensions(asking: AskingReviewer) -> tuple[Extension, ...]:
    """All that wait for an answer, the oldest first."""
    return service.extensions(asking.session)


@router.post("/extensions/{number}/decision")
def decide_extension(asking: AskingReviewer, number: RowId, said: ExtensionDecision) -> Extension:
    return service.decide_extension(asking.session, asking.settings, asking.person.name, number, said)


def _shown(asking: Context, slug: str) -> ProjectView:
    return service.one(asking.session, asking.settings, asking.person, slug)
