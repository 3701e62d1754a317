"""``/profile`` and ``/organisation``: one's own, and nobody else's."""

from __future__ import annotations

from fastapi import APIRouter

from hub.calls import programme
from hub.context import Asking, AskingPerson
from hub.organisations import service, sme
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

router = APIRouter(tags=["organisations"])


@router.get("/profile")
def profile(asking: AskingPerson) -> Profile:
    """What I said about myself, and my organisation."""
    return service.profile(asking.session, programme.current(asking.settings), asking.person.name)


@router.put("/profile")
def write_profile(asking: AskingPerson, form: ProfileForm) -> Profile:
    return service.write_profile(asking.session, programme.current(asking.settings), asking.person.name, form)


@router.post("/organisation")
def found(asking: AskingPerson, form: OrganisationForm) -> Organisation:
    """Make an organisation and belong to it."""
    return service.found(asking.session, programme.current(asking.settings), asking.person.name, form)


@router.put("/organisation")
def change(asking: AskingPerson, update: OrganisationUpdate) -> Organisation:
    """Change my organisation; 409 when somebody else did since I read it."""
    return service.change(asking.session, programme.current(asking.settings), asking.person.name, update)


@router.post("/organisation/join")
def join(asking: AskingPerson, joining: Joining) -> Organisation:
    """Belong to the organisation whose code a colleague gave me."""
    return service.join(asking.session, programme.current(asking.settings), asking.person.name, joining.code)


@router.post("/organisation/code")
def renew_code(asking: AskingPerson) -> Organisation:
    """Make the old code worthless and a new one."""
    return service.renew_code(asking.session, programme.current(asking.settings), asking.person.name)


@router.post("/organisation/leave")
def leave(asking: AskingPerson) -> Profile:
    return service.leave(asking.session, programme.current(asking.settings), asking.person.name)


@router.post("/sme")
def sme_test(asking: Asking, figures: Figures) -> SmeResult:
    """What these figures make an enterprise, and why; nothing is stored."""
    return sme.classify(programme.current(asking.settings), figures)
