"""What routes of data spaces receive beside :mod:`hub.context`: the projects of the person who asks."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from hub.context import Guarded, Sessions
from hub.dataspace.memberships import Memberships


async def _projects(person: Guarded, request: Request, sessions: Sessions) -> frozenset[str]:
    """What the asking person may see beyond everybody; a service is a member of nothing."""
    if person.kind != "user":
        return frozenset()
    memberships = cast(Memberships, request.state.memberships)
    known = memberships.known(person.name)
    if known is not None:
        return known

    def ask() -> frozenset[str]:
        with sessions() as session:
            return memberships.ask(session, person.name)

    return await run_in_threadpool(ask)


Projects = Annotated[frozenset[str], Depends(_projects)]
