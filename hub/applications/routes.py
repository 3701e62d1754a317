"""``/applications``: a person's own, and those of their organisation to read."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from hub.applications import document, service
from hub.applications.models import (
    Application,
    ApplicationSummary,
    Draft,
    Form,
    MessageText,
    Submission,
    Version,
)
from hub.applications.views import reference
from hub.calls import programme
from hub.context import ApplicationNumber, AskingPerson, RowId

router = APIRouter(tags=["applications"])

After = Annotated[
    int | None,
    Query(ge=0, le=2**31 - 1, description="Number of the newest of your applications that you know, 0 for none"),
]
VersionNumber = Annotated[RowId, Path(description="Number of the submitted version, from 1")]


@router.get("/applications")
def applications(asking: AskingPerson) -> tuple[ApplicationSummary, ...]:
    """List your applications and those that your organisation submitted, last changed first."""
    return service.of_person(asking.session, asking.person.name)


@router.post("/applications")
def start(asking: AskingPerson, form: Form, after: After = None) -> Application:
    """Create a draft.

    409 for the field `after` if you have a newer application than that.
    """
    return service.start(asking.session, programme.current(asking.settings), asking.person.name, form, after=after)


@router.get("/applications/{number}")
def application(asking: AskingPerson, number: ApplicationNumber) -> Application:
    """Read an application of yours or of your organisation."""
    return service.get(asking.session, programme.current(asking.settings), asking.person.name, number)


@router.put("/applications/{number}")
def save(asking: AskingPerson, number: ApplicationNumber, draft: Draft) -> Application:
    """Store a draft.

    409 if another device stored it after this one read it.
    """
    return service.save(asking.session, programme.current(asking.settings), asking.person.name, number, draft)


@router.delete("/applications/{number}", status_code=204)
def delete(asking: AskingPerson, number: ApplicationNumber) -> None:
    """Delete a draft that was never submitted, with everything in it.

    409 for any other application.
    """
    service.delete_draft(asking.session, asking.person.name, number)


@router.post("/applications/{number}/submit")
def submit(asking: AskingPerson, number: ApplicationNumber, submission: Submission) -> Application:
    """Submit the stored draft for review.

    422 names the first missing field.
    """
    return service.submit(asking.session, asking.settings, asking.person.name, number, submission.revision)


@router.post("/applications/{number}/withdraw")
def withdraw(asking: AskingPerson, number: ApplicationNumber) -> Application:
    """Withdraw an application.

    409 once it is decided.
    """
    return service.withdraw(asking.session, programme.current(asking.settings), asking.person.name, number)


@router.post("/applications/{number}/messages")
def send_message(asking: AskingPerson, number: ApplicationNumber, message: MessageText) -> Application:
    """Send a message to the reviewers."""
    data = programme.current(asking.settings)
    return service.send_message(asking.session, data, asking.person.name, number, message.text)


@router.get("/applications/{number}/versions/{version}")
def version(asking: AskingPerson, number: ApplicationNumber, version: VersionNumber) -> Version:
    """Read a version as it was submitted."""
    return service.version_of(asking.session, asking.person.name, number, version)


@router.get("/applications/{number}/document", response_class=Response)
def document_of_draft(asking: AskingPerson, number: ApplicationNumber) -> Response:
    """Download the draft as PDF, as submitting it now would store it."""
    data = programme.current(asking.settings)
    draft = service.preview(asking.session, data, asking.person.name, number)
    return _pdf(document.render(data, draft, reference(number)), reference(number))


@router.get("/applications/{number}/versions/{version}/document", response_class=Response)
def document_of_version(asking: AskingPerson, number: ApplicationNumber, version: VersionNumber) -> Response:
    """Download a version as PDF, as it was submitted."""
    stored = service.version_of(asking.session, asking.person.name, number, version)
    name = reference(number)
    return _pdf(document.render(programme.current(asking.settings), stored, name), f"{name}-{version}")


def _pdf(content: bytes, name: str) -> Response:
    disposition = f'attachment; filename="{name}.pdf"'
    return Response(content, media_type="application/pdf", headers={"Content-Disposition": disposition})
