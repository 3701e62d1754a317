"""``/audit``: the audit trail, for admins."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from hub.audit import service
from hub.audit.models import Event
from hub.context import AskingAdmin

router = APIRouter(tags=["audit"])


@router.get("/audit")
def events(
    asking: AskingAdmin,
    on: Annotated[str | None, Query(max_length=100)] = None,
    who: Annotated[str | None, Query(max_length=32)] = None,
    before: Annotated[int | None, Query(ge=1)] = None,
) -> tuple[Event, ...]:
    """The hundred newest events, on one thing or of one person if named; ``before``: older than the one of this id."""
    return service.events(asking.session, on=on, who=who, before=before)
