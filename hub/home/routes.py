"""``/me`` and ``/people/{name}/overview``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from hub.context import Asking, AskingPerson, shown_to
from hub.home import service
from hub.home.models import Me, Overview, Step
from hub.identity.models import Person

router = APIRouter(tags=["home"])


@router.get("/me")
def me(asking: AskingPerson) -> Me:
    """Read who you are, your roles and the remaining hours of your projects."""
    return service.me(asking.session, asking.person)


@router.put("/me/steps/{step}")
def take_step(asking: AskingPerson, step: Annotated[Step, Path(description="The step")]) -> Step:
    """Save that a first step on your start page is done."""
    service.take_step(asking.session, asking.person.name, step)
    return step


@router.get("/people/{name}/overview")
def overview(asking: Asking, person: Annotated[Person, Depends(shown_to)]) -> Overview:
    """Read what a person's start page shows: hours, announcements and the latest application.

    For the person, and for the service of the Hub's own pages.
    """
    return service.overview(asking.session, person)
