"""Dependencies of the routes of data spaces: the projects of the person who asks."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from hub.context import Guarded, Sessions
from hub.dataspace.memberships import Memberships


async def _projects(person: Guarded, request: Request, sessions: Sessions) -> frozenset[str]:
    """Slugs of the person's projects, whose records they may see; a service has none."""
    if person.kind != "user":
        return frozenset()
    memberships = cast(Memberships, request.state.memberships)

    def load() -> frozenset[str]:
        with sessions() as session:
            return memberships.load(session, person.name)

    return await run_in_threadpool(load)


async def _cached_projects(person: Guarded, request: Request, sessions: Sessions) -> frozenset[str]:
    """The same, up to some seconds old."""
    cached = cast(Memberships, request.state.memberships).cached(person.name)
    return await _projects(person, request, sessions) if cached is None else cached


Projects = Annotated[frozenset[str], Depends(_projects)]
CachedProjects = Annotated[frozenset[str], Depends(_cached_projects)]
"""For searches, of which there is one per key."""
