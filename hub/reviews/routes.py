"""``/reviews``: the review desk, for reviewers alone."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from hub.applications import document
from hub.applications.models import MessageText
from hub.applications.service import reference
from hub.calls import programme
from hub.context import AskingReviewer, RowId
from hub.db.base import now
from hub.reviews import service
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

router = APIRouter(tags=["reviews"])


@router.get("/reviews")
def queue(asking: AskingReviewer, wanted: Annotated[QueueFilter, Query()]) -> Queue:
    """A page of what is on the desk, due first on top."""
    return service.queue(asking.session, programme.current(asking.settings), asking.person.name, wanted, now())


@router.post("/reviews/{number}/conflict")
def declare(asking: AskingReviewer, number: RowId, said: ConflictDeclaration) -> QueueEntry:
    """Say whether I have a conflict of interest; before that, nothing is shown."""
    return service.declare(asking.session, programme.current(asking.settings), asking.person.name, number, said)


@router.get("/reviews/{number}")
def case(asking: AskingReviewer, number: RowId) -> Case:
    """The version under review."""
    return service.case(asking.session, programme.current(asking.settings), asking.person.name, number)


@router.get("/reviews/{number}/document", response_class=Response)
def as_document(asking: AskingReviewer, number: RowId) -> Response:
    """The version under review, as PDF."""
    data = programme.current(asking.settings)
    seen = service.case(asking.session, data, asking.person.name, number)
    return Response(document.render(data, seen.version, reference(number)), media_type="application/pdf")


@router.put("/reviews/{number}")
def review(asking: AskingReviewer, number: RowId, said: ReviewForm) -> Case:
    """My scores and recommendation."""
    return service.review(asking.session, programme.current(asking.settings), asking.person.name, number, said)


@router.post("/reviews/{number}/changes")
def ask_back(asking: AskingReviewer, number: RowId, said: AskBack) -> Case:
    """Send it back to be amended."""
    return service.ask_back(asking.session, asking.settings, asking.person.name, number, said)


@router.post("/reviews/{number}/messages")
def say(asking: AskingReviewer, number: RowId, message: MessageText) -> Case:
    """A message to the applicant."""
    data = programme.current(asking.settings)
    return service.say(asking.session, data, asking.person.name, number, message.text)


@router.post("/reviews/{number}/decision")
def decide(asking: AskingReviewer, number: RowId, said: DecisionForm) -> Case:
    """The decision, once there are reviews enough; 409 when somebody was quicker."""
    return service.decide(asking.session, asking.settings, asking.person.name, number, said)
