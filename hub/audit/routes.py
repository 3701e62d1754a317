"""``/audit``: the audit trail, for admins."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from hub.audit import service
from hub.audit.models import Event
from hub.context import AskingAdmin, BeforeId

router = APIRouter(tags=["audit"])


@router.get("/audit")
def events(
    asking: AskingAdmin,
    on: Annotated[str | None, Query(max_length=100, description="Only events on this, such as `project/demo`")] = None,
    who: Annotated[str | None, Query(max_length=32, description="Only events of this person or service")] = None,
    before: Annotated[BeforeId, Query(description="Only events with a smaller number")] = None,
) -> tuple[Event, ...]:
    """List events of the audit trail, 100 per page, newest first.

    For admins.
    """
    return service.events(asking.session, on=on, who=who, before=before)
