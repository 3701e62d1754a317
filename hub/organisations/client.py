"""Profiles and organisations in :class:`hub.client.Api`."""

from __future__ import annotations

from datetime import datetime

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
    """Methods of ``Api.organisations``: the caller's profile and organisation."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def profile(self) -> Profile:
        return self._connection.get("/profile", Profile)

    def write_profile(self, form: ProfileForm, *, seen: datetime | None = None) -> Profile:
        """Store the profile.

        :param seen: ``changed`` of the profile that was read; :data:`hub.organisations.models.NEVER` if there was none.
        :raises hub.errors.Conflict: another one is stored by now.
        """
        return self._connection.send("PUT", "/profile", form, Profile, seen=seen and seen.isoformat())

    def sme_test(self, figures: Figures) -> SmeResult:
        """The SME category for these figures, with reasons. Nothing is stored."""
        return self._connection.send("POST", "/sme", figures, SmeResult)

    def create(self, form: OrganisationForm) -> Organisation:
        """Create an organisation and join it."""
        return self._connection.send("POST", "/organisation", form, Organisation)

    def change(self, revision: int, form: OrganisationForm) -> Organisation:
        """Change the organisation; raises :class:`hub.errors.Conflict` if it changed since ``revision``."""
        update = OrganisationUpdate(revision=revision, form=form)
        return self._connection.send("PUT", "/organisation", update, Organisation)

    def join(self, code: str) -> Organisation:
        return self._connection.send("POST", "/organisation/join", Joining(code=code), Organisation)

    def renew_code(self) -> Organisation:
        """Replace the code to join with; the old one stops working."""
        return self._connection.send("POST", "/organisation/code", None, Organisation)

    def leave(self) -> Profile:
        return self._connection.send("POST", "/organisation/leave", None, Profile)
