"""``/applications``: one's own, and those of one's organisation to read."""

from __future__ import annotations

from fastapi import APIRouter, Response

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
from hub.calls import programme
from hub.context import AskingPerson, RowId

router = APIRouter(tags=["applications"])


@router.get("/applications")
def applications(asking: AskingPerson) -> tuple[ApplicationSummary, ...]:
    """Mine, and those my colleagues submitted; the last changed first."""
    return service.of_person(asking.session, asking.person.name)


@router.post("/applications")
def start(asking: AskingPerson, form: Form) -> Application:
    """A new draft."""
    return service.start(asking.session, programme.current(asking.settings), asking.person.name, form)


@router.get("/applications/{number}")
def application(asking: AskingPerson, number: RowId) -> Application:
    return service.one(asking.session, programme.current(asking.settings), asking.person.name, number)


@router.put("/applications/{number}")
def save(asking: AskingPerson, number: RowId, draft: Draft) -> Application:
    """Keep a draft; 409 when another device did since this one read it."""
    return service.save(asking.session, programme.current(asking.settings), asking.person.name, number, draft)


@router.post("/applications/{number}/submit")
def submit(asking: AskingPerson, number: RowId, submission: Submission) -> Application:
    """Submit the draft as it is stored; 422 names the first thing that is missing."""
    return service.submit(asking.session, asking.settings, asking.person.name, number, submission.revision)


@router.post("/applications/{number}/withdraw")
def withdraw(asking: AskingPerson, number: RowId) -> Application:
    return service.withdraw(asking.session, programme.current(asking.settings), asking.person.name, number)


@router.post("/applications/{number}/messages")
def say(asking: AskingPerson, number: RowId, message: MessageText) -> Application:
    """A message to those who review."""
    return service.say(asking.session, programme.current(asking.settings), asking.person.name, number, message.text)


@router.get("/applications/{number}/versions/{version}")
def version(asking: AskingPerson, number: RowId, version: RowId) -> Version:
    """As it was submitted."""
    return service.version_of(asking.session, asking.person.name, number, version)


@router.get("/applications/{number}/document", response_class=Response)
def document_of_draft(asking: AskingPerson, number: RowId) -> Response:
    """The draft as it would be submitted now, as PDF."""
    data = programme.current(asking.settings)
    draft = service.preview(asking.session, data, asking.person.name, number)
    return _pdf(document.render(data, draft, service.reference(number)), service.reference(number))


@router.get("/applications/{number}/versions/{version}/document", response_class=Response)
def document_of_version(asking: AskingPerson, number: RowId, version: RowId) -> Response:
    """As it was submitted, as PDF."""
    stored = service.version_of(asking.session, asking.person.name, number, version)
    name = service.reference(number)
    return _pdf(document.render(programme.current(asking.settings), stored, name), f"{name}-{version}")


def _pdf(content: bytes, name: str) -> Response:
    disposition = f'attachment; filename="{name}.pdf"'
    return Response(content, media_type="application/pdf", headers={"Content-Disposition": disposition})
