"""Applications in :class:`hub.client.Api`."""

from __future__ import annotations

from hub.applications.models import (
    Application,
    ApplicationSummary,
    Draft,
    Form,
    MessageText,
    Submission,
    Version,
)
from hub.connection import Connection


class Applications:
    """What ``Api.applications`` offers to applicants."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def mine(self) -> tuple[ApplicationSummary, ...]:
        """Mine, and those my colleagues submitted; the last changed first."""
        return self._connection.get("/applications", tuple[ApplicationSummary, ...])

    def get(self, number: int) -> Application:
        return self._connection.get(f"/applications/{number}", Application)

    def start(self, form: Form, *, after: int | None = None) -> Application:
        """A new draft.

        :param after: number of the newest of my applications that I know, 0 for none: raises
            :class:`hub.errors.Conflict` for the field ``after`` if there is a newer one.
        """
        query = "" if after is None else f"?after={after}"
        return self._connection.send("POST", f"/applications{query}", form, Application)

    def delete(self, number: int) -> None:
        """Delete a draft that was never submitted; raises :class:`hub.errors.Conflict` for any other application."""
        self._connection.delete(f"/applications/{number}")

    def save(self, number: int, revision: int, form: Form) -> Application:
        """Raises :class:`hub.errors.Conflict` when another device saved since ``revision``."""
        draft = Draft(revision=revision, form=form)
        return self._connection.send("PUT", f"/applications/{number}", draft, Application)

    def submit(self, number: int, revision: int) -> Application:
        """Raises :class:`hub.errors.InvalidInput` naming the first field that is missing."""
        submission = Submission(revision=revision)
        return self._connection.send("POST", f"/applications/{number}/submit", submission, Application)

    def withdraw(self, number: int) -> Application:
        return self._connection.send("POST", f"/applications/{number}/withdraw", None, Application)

    def message_reviewers(self, number: int, text: str) -> Application:
        message = MessageText(text=text)
        return self._connection.send("POST", f"/applications/{number}/messages", message, Application)

    def version(self, number: int, version: int) -> Version:
        """As it was submitted."""
        return self._connection.get(f"/applications/{number}/versions/{version}", Version)

    def document(self, number: int, version: int | None = None) -> bytes:
        """A version as PDF; None: the draft as it would be submitted now."""
        which = "" if version is None else f"/versions/{version}"
        return self._connection.content(f"/applications/{number}{which}/document")
