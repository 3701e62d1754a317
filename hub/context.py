"""Dependencies of routes: the person or service that asks, a database session, and shared path parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Path, Query, Request, Security
from fastapi.security import APIKeyHeader
from sqlalchemy.orm import Session, sessionmaker

from hub.errors import NotAllowed, NotFound, NotSignedIn
from hub.guesses import Guesses
from hub.identity.addresses import client_address
from hub.identity.models import Person, Role
from hub.identity.tokens import Directory, token_in
from hub.settings import Settings

# Only the header counts: a token in an address would end up in logs and histories.
AUTHORIZATION = APIKeyHeader(name="Authorization", auto_error=False, description="`token …`, as in the Hub's own API")


# Coroutines, because FastAPI runs plain functions in a thread, which takes longer than they do.
async def _directory(request: Request) -> Directory:
    return cast(Directory, request.state.directory)


async def _sessions(request: Request) -> sessionmaker[Session]:
    return cast("sessionmaker[Session]", request.state.sessions)


HubDirectory = Annotated[Directory, Depends(_directory)]
Sessions = Annotated["sessionmaker[Session]", Depends(_sessions)]


async def _address(request: Request) -> str | None:
    forwarded_for = ",".join(request.headers.getlist("X-Forwarded-For"))
    return client_address(request.client.host if request.client else "", forwarded_for, request.state.proxies)


async def _guesses(request: Request) -> Guesses:
    return cast(Guesses, request.state.guesses)


ClientAddress = Annotated[str | None, Depends(_address)]
Guessing = Annotated[Guesses, Depends(_guesses)]


async def signed_in(
    header: Annotated[str | None, Security(AUTHORIZATION)],
    directory: HubDirectory,
    guesses: Guessing,
    address: ClientAddress,
) -> Person:
    """The owner of the token. The app refuses to start with a route that does not depend on this (see hub/app.py)."""
    token = token_in(header)
    if directory.remembers(token):
        return await directory.owner_of(token)
    with guesses.token(address) as attempt:
        attempt.counts = False
        try:
            return await directory.owner_of(token)
        except NotSignedIn:
            attempt.counts = True
            raise


Guarded = Annotated[Person, Depends(signed_in)]


@dataclass(frozen=True)
class Context:
    person: Person
    session: Session
    settings: Settings


def _context(request: Request, person: Guarded, sessions: Sessions) -> Iterator[Context]:
    """A session for one request. Services commit, so that a response never reports a change that was not stored."""
    with sessions() as session:
        yield Context(person, session, request.state.settings)


Asking = Annotated[Context, Depends(_context)]


def only(*roles: Role) -> Callable[[Context], Context]:
    """A dependency that refuses everybody but people with one of ``roles``."""

    def guard(asking: Asking) -> Context:
        if asking.person.kind != "user" or not set(roles) & set(asking.person.roles):
            raise NotAllowed(f"Only {' and '.join(f'{role}s' for role in roles)} may do this.")
        return asking

    return guard


def _people(asking: Asking) -> Context:
    if asking.person.kind != "user":
        raise NotAllowed("Service tokens are not accepted here.")
    return asking


MAX_ROW_ID = 2**31 - 1
"""The highest number of a row that every database stores."""
RowId = Annotated[int, Path(ge=1, le=MAX_ROW_ID)]
"""A row's number in an address; a test refuses routes with numbers that have no such limit."""
BeforeId = Annotated[int | None, Query(ge=1, le=MAX_ROW_ID)]
"""The last row's number of the previous page."""
UserName = Annotated[str, Path(description="User name")]
ProjectSlug = Annotated[str, Path(description="Slug of the project")]
ApplicationNumber = Annotated[RowId, Path(description="Number of the application")]

AskingPerson = Annotated[Context, Depends(_people)]
AskingReviewer = Annotated[Context, Depends(only(Role.REVIEWER))]
AskingAdmin = Annotated[Context, Depends(only(Role.ADMIN))]


def guesses_code(asking: AskingPerson, guesses: Guessing, address: ClientAddress) -> Iterator[Context]:
    """Count the request as a wrong code if it ends with :class:`NotFound`."""
    with guesses.code(asking.person.name, address) as attempt:
        attempt.counts = False
        try:
            yield asking
        except NotFound:
            attempt.counts = True
            raise


AskingWithCode = Annotated[Context, Depends(guesses_code)]


PAGES = "pages"
"""The service whose token the Hub's own pages use to read about the person who opens them."""


async def shown_to(name: UserName, asking: Guarded, directory: HubDirectory) -> Person:
    """The person that a page is about; raises :class:`NotAllowed` for anybody but them and the Hub's pages."""
    if asking.kind == "user" and asking.name == name:
        return asking
    if asking.kind == "service" and asking.name == PAGES:
        return await directory.named(name)
    raise NotAllowed("Only the person and the Hub's own pages may read this.")
