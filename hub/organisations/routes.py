"""Routes ``/profile`` and ``/organisation`` for the caller's own data, and ``/sme`` for the SME test."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query

from hub.calls import programme
from hub.context import Asking, AskingPerson, AskingWithCode
from hub.organisations import service, sme
from hub.organisations.models import (
    Figures,
    Joining,
    Organisation,
    OrganisationForm,
    OrganisationUpdate,
    Profile,
    ProfileInput,
    SmeResult,
)

router = APIRouter(tags=["organisations"])

Seen = Annotated[
    datetime | None,
    Query(description="`changed` of the profile that you have read; `0001-01-01T00:00:00Z` if there was none"),
]


@router.get("/profile")
def profile(asking: AskingPerson) -> Profile:
    """Read your profile and your organisation."""
    return service.profile(asking.session, programme.current(asking.settings), asking.person.name)


@router.put("/profile")
def write_profile(asking: AskingPerson, form: ProfileInput, seen: Seen = None) -> Profile:
    """Store your profile.

    409 if another one than you have `seen` is stored by now.
    """
    current = programme.current(asking.settings)
    return service.write_profile(asking.session, current, asking.person.name, form, seen=seen)


@router.post("/organisation")
def create(asking: AskingPerson, form: OrganisationForm) -> Organisation:
    """Create an organisation and join it."""
    return service.create(asking.session, programme.current(asking.settings), asking.person.name, form)


@router.put("/organisation")
def change(asking: AskingPerson, update: OrganisationUpdate) -> Organisation:
    """Change your organisation.

    409 if somebody else changed it after you read it.
    """
    return service.change(asking.session, programme.current(asking.settings), asking.person.name, update)


@router.post("/organisation/join")
def join(asking: AskingWithCode, joining: Joining) -> Organisation:
    """Join an organisation with a colleague's code.

    404 if no organisation has the code. 429 after several of these, with the seconds to wait.
    """
    return service.join(asking.session, programme.current(asking.settings), asking.person.name, joining.code)


@router.post("/organisation/code")
def renew_code(asking: AskingPerson) -> Organisation:
    """Replace the code of your organisation; the old one stops working."""
    return service.renew_code(asking.session, programme.current(asking.settings), asking.person.name)


@router.post("/organisation/leave")
def leave(asking: AskingPerson) -> Profile:
    """Leave your organisation."""
    return service.leave(asking.session, programme.current(asking.settings), asking.person.name)


@router.post("/sme")
def sme_test(asking: Asking, figures: Figures) -> SmeResult:
    """Classify an enterprise by its figures (EU definition of small and medium-sized enterprises), with reasons.

    Nothing is stored.
    """
    return sme.classify(programme.current(asking.settings), figures)
