"""Dependencies of the routes of data spaces: the projects of the person who asks, and who reads a published file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request, Security
from starlette.concurrency import run_in_threadpool

from hub.context import AUTHORIZATION, ClientAddress, Guarded, Guessing, HubDirectory, Sessions, signed_in
from hub.dataspace.memberships import Memberships
from hub.errors import NotAllowed
from hub.identity.models import Person
from hub.identity.tokens import token_in
from hub.store import job_tokens


async def _projects(person: Guarded, request: Request, sessions: Sessions) -> frozenset[str]:
    """Slugs of the person's projects, whose records they may see; a service has none."""
    return await _projects_of(person.name, request, sessions) if person.kind == "user" else frozenset()


async def _projects_of(person: str, request: Request, sessions: Sessions) -> frozenset[str]:
    memberships = cast(Memberships, request.state.memberships)

    def load() -> frozenset[str]:
        with sessions() as session:
            return memberships.load(session, person)

    return await run_in_threadpool(load)


async def _cached_projects(person: Guarded, request: Request, sessions: Sessions) -> frozenset[str]:
    """The same, up to some seconds old."""
    cached = cast(Memberships, request.state.memberships).cached(person.name)
    return await _projects(person, request, sessions) if cached is None else cached


Projects = Annotated[frozenset[str], Depends(_projects)]
CachedProjects = Annotated[frozenset[str], Depends(_cached_projects)]
"""For searches, of which there is one per key."""


# -- published files: open to everybody, as far as their project gave them to everybody -------------------------------


@dataclass(frozen=True)
class FileReader:
    """Who reads a published file. ``projects`` is None, and ``person`` empty, without an account.

    ``grant``: what a job may download, whose person has accepted the conditions when it was requested.
    """

    person: str = ""
    projects: frozenset[str] | None = None
    grant: job_tokens.Grant | None = None

    def is_job_for(self, record: int, sha256: str) -> bool:
        """Whether this is a job that was started for this very file; raises :class:`NotAllowed` in any other job."""
        if self.grant is not None and (self.grant.record, self.grant.sha256) != (record, sha256):
            raise NotAllowed("This job was started for another file.")
        return self.grant is not None


async def _file_reader(
    request: Request,
    sessions: Sessions,
    directory: HubDirectory,
    guesses: Guessing,
    address: ClientAddress,
    *,
    header: Annotated[str | None, Security(AUTHORIZATION)] = None,
) -> FileReader:
    if header is None:
        return FileReader()
    token = token_in(header)
    if not job_tokens.is_job_token(token):
        person: Person = await signed_in(header, directory, guesses, address)
        return FileReader(person.name, await _projects(person, request, sessions))
    grant = job_tokens.verified(request.state.settings, token)
    if grant.purpose != "download":
        raise NotAllowed("This job's token is for something else.")
    return FileReader(grant.person, await _projects_of(grant.person, request, sessions), grant)


FileReading = Annotated[FileReader, Depends(_file_reader)]
