"""``/mail``: what went out, and the mailbox of a deployment without a mail server; for admins."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from hub.context import AskingAdmin
from hub.mail import service
from hub.mail.models import Email

router = APIRouter(tags=["mail"])


@router.get("/mail")
def letters(asking: AskingAdmin, before: Annotated[int | None, Query(ge=1)] = None) -> tuple[Email, ...]:
    """The hundred newest mails; ``before``: those before the one with this id."""
    return service.letters(asking.session, before=before)
