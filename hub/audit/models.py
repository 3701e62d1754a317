"""Events of the audit trail, as they travel."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict


class Event(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)

    id: int
    at: datetime
    who: str
    """A person, or the program that did it (``worker``)."""
    what: str
    on: str
    """Kind and name of the thing, ``project/steel``."""
    before: dict[str, Any]
    after: dict[str, Any]
