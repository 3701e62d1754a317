"""``/me`` and ``/people/{name}/overview``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from hub.context import Asking, Guarded, HubDirectory
from hub.errors import NotAllowed
from hub.home import service
from hub.home.models import Me, Overview
from hub.identity.models import Person

router = APIRouter(tags=["home"])

PAGES = "pages"
"""The Hub's own pages ask as this service, about the person they are shown to."""


async def shown_to(name: str, asking: Guarded, directory: HubDirectory) -> Person:
    """The person an overview is about: oneself, or whoever the Hub's pages name."""
    if asking.kind == "user" and asking.name == name:
        return asking
    if asking.kind == "service" and asking.name == PAGES:
        return await directory.named(name)
    raise NotAllowed("Only you and the Hub's own pages may see this.")


@router.get("/me")
def me(asking: Asking) -> Me:
    """Who I am and what is left of my projects."""
    if asking.person.kind != "user":
        raise NotAllowed("A service has no projects.")
    return service.me(asking.session, asking.person)


@router.get("/people/{name}/overview")
def overview(asking: Asking, person: Annotated[Person, Depends(shown_to)]) -> Overview:
    """What a person sees first."""
    return service.overview(asking.session, person)
