"""What a route receives: who asks, and a database session."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader
from sqlalchemy.orm import Session, sessionmaker

from hub.identity.models import Person
from hub.identity.tokens import Directory, token_in

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


def _context(person: Guarded, sessions: Sessions) -> Iterator[Context]:
    """Services commit what they change, so nobody is told of what was not stored."""
    with sessions() as session:
        yield Context(person, session)


Asking = Annotated[Context, Depends(_context)]
