"""Who uploads: a person with a token of the Hub, or a job that a person has started (job_tokens.py)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request, Security
from sqlalchemy.orm import Session

from hub.context import AUTHORIZATION, ClientAddress, Guessing, HubDirectory, signed_in
from hub.errors import NotAllowed, NotFound
from hub.identity.tokens import token_in
from hub.settings import Settings
from hub.store import job_tokens, service
from hub.store.tables import UploadRow


@dataclass(frozen=True)
class Uploader:
    """``project``: the only one that a job uploads for; empty for a person."""

    person: str
    project: str
    settings: Settings

    def may_upload_for(self, project: str) -> bool:
        return self.project in ("", project)

    def row_for(self, session: Session, upload_id: int) -> UploadRow:
        """An upload that is theirs; raises :class:`NotFound`."""
        row = service.row_for(session, self.person, upload_id)
        if not self.may_upload_for(row.project):
            raise NotFound("There is no such upload.")
        return row


async def uploader(
    request: Request,
    header: Annotated[str | None, Security(AUTHORIZATION)],
    directory: HubDirectory,
    guesses: Guessing,
    address: ClientAddress,
) -> Uploader:
    """The person who uploads, or for whom a job does. The app knows this as a guard (hub/app.py)."""
    settings = cast(Settings, request.state.settings)
    token = token_in(header)
    if job_tokens.is_job_token(token):
        grant = job_tokens.verified(settings, token)
        if grant.purpose != "upload":
            raise NotAllowed("This job's token is for something else.")
        return Uploader(grant.person, grant.project, settings)
    person = await signed_in(header, directory, guesses, address)
    if person.kind != "user":
        raise NotAllowed("Service tokens are not accepted here.")
    return Uploader(person.name, "", settings)


Uploading = Annotated[Uploader, Depends(uploader)]
