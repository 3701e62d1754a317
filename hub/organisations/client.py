"""Profiles and organisations in :class:`hub.client.Api`."""

from __future__ import annotations

from hub.connection import Connection
from hub.organisations.models import (
    Figures,
    Joining,
    Organisation,
    OrganisationForm,
    OrganisationUpdate,
    Profile,
    ProfileForm,
    SmeResult,
)


class Organisations:
    """What ``Api.organisations`` offers: my profile, and the organisation that I belong to."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def profile(self) -> Profile:
        return self._connection.get("/profile", Profile)

    def write_profile(self, form: ProfileForm) -> Profile:
        return self._connection.send("PUT", "/profile", form, Profile)

    def sme_test(self, figures: Figures) -> SmeResult:
        """What these figures make an enterprise, and why; nothing is stored."""
        return self._connection.send("POST", "/sme", figures, SmeResult)

    def create(self, form: OrganisationForm) -> Organisation:
        """A new organisation, with me in it."""
        return self._connection.send("POST", "/organisation", form, Organisation)

    def change(self, revision: int, form: OrganisationForm) -> Organisation:
        """Raises :class:`hub.errors.Conflict` when a colleague changed it since ``revision``."""
        update = OrganisationUpdate(revision=revision, form=form)
        return self._connection.send("PUT", "/organisation", update, Organisation)

    def join(self, code: str) -> Organisation:
        return self._connection.send("POST", "/organisation/join", Joining(code=code), Organisation)

    def renew_code(self) -> Organisation:
        """Another code to join by; the old one works no more."""
        return self._connection.send("POST", "/organisation/code", None, Organisation)

    def leave(self) -> Profile:
        return self._connection.send("POST", "/organisation/leave", None, Profile)
