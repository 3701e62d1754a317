"""Projects in :class:`hub.client.Api`."""

from __future__ import annotations

from hub.connection import Connection, part
from hub.projects.models import (
    Extension,
    ExtensionDecision,
    ExtensionForm,
    Invitation,
    InvitationOffer,
    MemberRole,
    ProjectView,
    RoleChange,
)


class Projects:
    """What ``Api.projects`` offers: members, invitations and extensions of projects."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def mine(self) -> tuple[ProjectView, ...]:
        """List your projects, each with the state of its provisioning."""
        return self._connection.get("/projects", tuple[ProjectView, ...])

    def all(self, *, after: str = "") -> tuple[ProjectView, ...]:
        """List all projects, 100 per page, ordered by slug; ``after`` is the previous page's last slug. For admins."""
        return self._connection.get("/projects/all", tuple[ProjectView, ...], after=after)

    def get(self, slug: str) -> ProjectView:
        return self._connection.get(f"/projects/{part(slug)}", ProjectView)

    def change_role(self, slug: str, person: str, role: MemberRole) -> ProjectView:
        path = f"/projects/{part(slug)}/members/{part(person)}"
        return self._connection.send("PUT", path, RoleChange(role=role), ProjectView)

    def remove_member(self, slug: str, person: str) -> None:
        """Remove a member, or leave the project yourself; files stay."""
        self._connection.delete(f"/projects/{part(slug)}/members/{part(person)}")

    # -- invitations

    def invitations(self, slug: str) -> tuple[Invitation, ...]:
        return self._connection.get(f"/projects/{part(slug)}/invitations", tuple[Invitation, ...])

    def invite(self, slug: str, address: str, role: MemberRole = MemberRole.MEMBER) -> Invitation:
        """Invite by mail; the link works once and expires after some days. Raises InvalidInput for a wrong address."""
        body = {"address": address, "role": role}
        return self._connection.send("POST", f"/projects/{part(slug)}/invitations", body, Invitation)

    def take_back_invitation(self, slug: str, number: int) -> None:
        self._connection.delete(f"/projects/{part(slug)}/invitations/{number}")

    def invitation(self, token: str) -> InvitationOffer:
        """Read the project and role that an invitation offers."""
        return self._connection.send("POST", "/invitations/offer", {"token": token}, InvitationOffer)

    def accept_invitation(self, token: str) -> ProjectView:
        return self._connection.send("POST", "/invitations/accept", {"token": token}, ProjectView)

    # -- more hours or time

    def extensions(self, slug: str) -> tuple[Extension, ...]:
        return self._connection.get(f"/projects/{part(slug)}/extensions", tuple[Extension, ...])

    def ask_for_extension(self, slug: str, form: ExtensionForm) -> Extension:
        return self._connection.send("POST", f"/projects/{part(slug)}/extensions", form, Extension)

    def open_extensions(self) -> tuple[Extension, ...]:
        """List extension requests that wait for a decision; for reviewers."""
        return self._connection.get("/extensions", tuple[Extension, ...])

    def decide_extension(self, number: int, *, grant: bool, answer: str) -> Extension:
        """For reviewers."""
        decision = ExtensionDecision(grant=grant, answer=answer)
        return self._connection.send("POST", f"/extensions/{number}/decision", decision, Extension)
