"""``/mail``: sent mails, and the mailbox of a deployment without a mail server; for admins."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from hub.context import AskingAdmin, BeforeId
from hub.mail import service
from hub.mail.models import Email

router = APIRouter(tags=["mail"])


@router.get("/mail")
def mails(
    asking: AskingAdmin,
    before: Annotated[BeforeId, Query(description="Only mails with a smaller number")] = None,
) -> tuple[Email, ...]:
    """List mails, 100 per page, newest first.

    For admins. On a deployment without a mail server this is the mailbox.
    """
    return service.mails(asking.session, before=before)
