"""``/people/{name}/attempts``: attempts to start a person's servers, and how they ended."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from hub.context import PAGES, Asking, UserName
from hub.errors import NotAllowed
from hub.identity.models import Person, Role
from hub.servers import service
from hub.servers.models import Attempt

router = APIRouter(tags=["servers"])

LONGEST = 100


@router.get("/people/{name}/attempts")
def attempts(
    asking: Asking,
    name: UserName,
    server: Annotated[
        str | None, Query(max_length=32, description="Name of one server; empty: the default one")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=LONGEST, description="Attempts to list")] = 20,
) -> list[Attempt]:
    """List a person's attempts to start a server, newest first.

    For the person, admins, and the service of the Hub's own pages.
    """
    if not _may_see(asking.person, name):
        raise NotAllowed("Only the person, admins and the Hub's own pages may read this.")
    return service.history(asking.session, name, server=server, limit=limit)


def _may_see(asking: Person, name: str) -> bool:
    if asking.kind == "service":
        return asking.name == PAGES
    return asking.name == name or Role.ADMIN in asking.roles
