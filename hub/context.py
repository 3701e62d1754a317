"""What a route receives: who asks, and a database session."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Path, Request, Security
from fastapi.security import APIKeyHeader
from sqlalchemy.orm import Session, sessionmaker

from hub.errors import NotAllowed
from hub.identity.models import Person, Role
from hub.identity.tokens import Directory, token_in
from hub.settings import Settings

# Only the header counts: a token in an address would end up in logs and histories.
_header = APIKeyHeader(name="Authorization", auto_error=False, description="`token …`, as in the Hub's own API")


# Plain functions would each be handed to a thread, and back, at every request.
async def _directory(request: Request) -> Directory:
    return cast(Directory, request.state.directory)


async def _sessions(request: Request) -> sessionmaker[Session]:
    return cast("sessionmaker[Session]", request.state.sessions)


HubDirectory = Annotated[Directory, Depends(_directory)]
Sessions = Annotated["sessionmaker[Session]", Depends(_sessions)]


async def signed_in(header: Annotated[str | None, Security(_header)], directory: HubDirectory) -> Person:
    """The owner of the token. The app refuses to start with a route that does not depend on this (see hub/app.py)."""
    return await directory.owner_of(token_in(header))


Guarded = Annotated[Person, Depends(signed_in)]


@dataclass(frozen=True)
class Context:
    person: Person
    session: Session
    settings: Settings


def _context(request: Request, person: Guarded, sessions: Sessions) -> Iterator[Context]:
    """Services commit what they change, so nobody is told of what was not stored."""
    with sessions() as session:
        yield Context(person, session, request.state.settings)


Asking = Annotated[Context, Depends(_context)]


def only(*roles: Role) -> Callable[[Context], Context]:
    """A guard for routes of some roles alone: a dependency that lets people with any of ``roles`` pass."""

    def guard(asking: Asking) -> Context:
        if asking.person.kind != "user" or not set(roles) & set(asking.person.roles):
            raise NotAllowed(f"Only {' and '.join(f'{role}s' for role in roles)} may do this.")
        return asking

    return guard


def _people(asking: Asking) -> Context:
    if asking.person.kind != "user":
        raise NotAllowed("This is for people, and a service is none.")
    return asking


RowId = Annotated[int, Path(ge=1, le=2**31 - 1)]
"""The number of a row in an address."""

AskingPerson = Annotated[Context, Depends(_people)]
AskingReviewer = Annotated[Context, Depends(only(Role.REVIEWER))]
AskingAdmin = Annotated[Context, Depends(only(Role.ADMIN))]


PAGES = "pages"
"""The Hub's own pages ask as this service, about the person they are shown to."""


async def shown_to(name: str, asking: Guarded, directory: HubDirectory) -> Person:
    """The person an overview is about: oneself, or whoever the Hub's pages name."""
    if asking.kind == "user" and asking.name == name:
        return asking
    if asking.kind == "service" and asking.name == PAGES:
        return await directory.named(name)
    raise NotAllowed("Only you and the Hub's own pages may see this.")
