"""What everybody should know, as it travels."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Severity(StrEnum):
    INFO = "info"
    WARN = "warn"
    BAD = "bad"


class Announcement(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)

    id: int
    text: str
    severity: Severity
    starts: datetime
    ends: datetime | None
