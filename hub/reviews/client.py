"""The review desk in :class:`hub.client.Api`."""

from __future__ import annotations

from hub.applications.models import MessageText
from hub.connection import Connection
from hub.reviews.models import (
    AskBack,
    Case,
    ConflictDeclaration,
    DecisionForm,
    Queue,
    QueueEntry,
    QueueFilter,
    ReviewForm,
)


class Reviews:
    """What ``Api.reviews`` offers to reviewers."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def queue(self, filters: QueueFilter | None = None) -> Queue:
        """A page of fifty of what is on the desk, due first on top."""
        query = (filters or QueueFilter()).model_dump(mode="json", exclude_none=True)
        return self._connection.get("/reviews", Queue, **query)

    def declare_conflict(self, number: int, *, conflict: bool, remarks: str = "") -> QueueEntry:
        """Say whether I have a conflict of interest; before that, nothing of an application is shown."""
        declaration = ConflictDeclaration(conflict=conflict, remarks=remarks)
        return self._connection.send("POST", f"/reviews/{number}/conflict", declaration, QueueEntry)

    def case(self, number: int) -> Case:
        """The version under review."""
        return self._connection.get(f"/reviews/{number}", Case)

    def case_document(self, number: int) -> bytes:
        """The version under review, as PDF."""
        return self._connection.content(f"/reviews/{number}/document")

    def review(self, number: int, review: ReviewForm) -> Case:
        """Write my review, or change it."""
        return self._connection.send("PUT", f"/reviews/{number}", review, Case)

    def ask_back(self, number: int, version: int, text: str) -> Case:
        """Send it back to be amended."""
        request = AskBack(version=version, text=text)
        return self._connection.send("POST", f"/reviews/{number}/changes", request, Case)

    def message_applicant(self, number: int, text: str) -> Case:
        return self._connection.send("POST", f"/reviews/{number}/messages", MessageText(text=text), Case)

    def decide(self, number: int, decision: DecisionForm) -> Case:
        """Raises :class:`hub.errors.Conflict` when reviews are missing or somebody decided first."""
        return self._connection.send("POST", f"/reviews/{number}/decision", decision, Case)
