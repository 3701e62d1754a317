"""``/reviews``: the review desk, for reviewers only."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from hub.applications import document
from hub.applications.models import MessageText
from hub.applications.views import reference
from hub.calls import programme
from hub.context import ApplicationNumber, AskingReviewer
from hub.db.base import now
from hub.reviews import queue, service
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
def list_queue(asking: AskingReviewer, query: Annotated[QueueFilter, Query()]) -> Queue:
    """List applications on the review desk, 50 per page, earliest due date first.

    For reviewers.
    """
    return queue.page(asking.session, programme.current(asking.settings), asking.person.name, query, now())


@router.post("/reviews/{number}/conflict")
def declare(asking: AskingReviewer, number: ApplicationNumber, declaration: ConflictDeclaration) -> QueueEntry:
    """Declare whether you have a conflict of interest.

    For reviewers. The application is shown only after this declaration, which cannot be changed.
    """
    return service.declare(asking.session, programme.current(asking.settings), asking.person.name, number, declaration)


@router.get("/reviews/{number}")
def case(asking: AskingReviewer, number: ApplicationNumber) -> Case:
    """Read the version under review.

    For reviewers who declared no conflict of interest.
    """
    return service.case(asking.session, programme.current(asking.settings), asking.person.name, number)


@router.get("/reviews/{number}/document", response_class=Response)
def case_document(asking: AskingReviewer, number: ApplicationNumber) -> Response:
    """Download the version under review as PDF.

    For reviewers who declared no conflict of interest.
    """
    data = programme.current(asking.settings)
    version = service.case(asking.session, data, asking.person.name, number).version
    return Response(document.render(data, version, reference(number)), media_type="application/pdf")


@router.put("/reviews/{number}")
def review(asking: AskingReviewer, number: ApplicationNumber, form: ReviewForm) -> Case:
    """Store your scores and recommendation for the version under review.

    For reviewers who declared no conflict of interest.
    """
    return service.review(asking.session, programme.current(asking.settings), asking.person.name, number, form)


@router.post("/reviews/{number}/changes")
def request_changes(asking: AskingReviewer, number: ApplicationNumber, request: AskBack) -> Case:
    """Request changes from the applicant.

    For reviewers who declared no conflict of interest.
    """
    return service.request_changes(asking.session, asking.settings, asking.person.name, number, request)


@router.post("/reviews/{number}/messages")
def send_message(asking: AskingReviewer, number: ApplicationNumber, message: MessageText) -> Case:
    """Send a message to the applicant.

    For reviewers who declared no conflict of interest. The applicant does not see who sent it.
    """
    data = programme.current(asking.settings)
    return service.send_message(asking.session, data, asking.person.name, number, message.text)


@router.post("/reviews/{number}/decision")
def decide(asking: AskingReviewer, number: ApplicationNumber, form: DecisionForm) -> Case:
    """Approve or reject the application.

    For reviewers who have reviewed this version. 409 while reviews are missing, or if another reviewer has decided.
    """
    return service.decide(asking.session, asking.settings, asking.person.name, number, form)
