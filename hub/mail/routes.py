"""``/mail``: sent mails, and the mailbox of a deployment without a mail server, for admins.

``/people/{name}/mail``: a person's own part of that mailbox.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from hub.context import Asking, AskingAdmin, BeforeId, shown_to
from hub.identity.models import Person
from hub.mail import service
from hub.mail.models import Email, Mailbox

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


@router.get("/people/{name}/mail")
def mailbox(
    asking: Asking,
    person: Annotated[Person, Depends(shown_to)],
    before: Annotated[BeforeId, Query(description="Only mails with a smaller number")] = None,
) -> Mailbox:
    """Read a person's mails on a deployment without a mail server, 100 per page, newest first.

    For the person, and for the service of the Hub's own pages.
    """
    return service.mailbox(asking.session, person.name, asking.settings, before=before)
