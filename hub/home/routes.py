"""``/me`` and ``/people/{name}/overview``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from hub.context import Asking, shown_to
from hub.errors import NotAllowed
from hub.home import service
from hub.home.models import Me, Overview
from hub.identity.models import Person

router = APIRouter(tags=["home"])


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
