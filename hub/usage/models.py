"""Hours of projects, as they travel."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import BaseModel, ConfigDict

from hub.access.models import MemberRole


class Hours(BaseModel):
    """A budget in hours: of one core (CPU) or of one card (GPU)."""

    model_config = ConfigDict(frozen=True)

    granted: float
    used: float
    left: float


class ProjectHours(BaseModel):
    """What is left of a project, seen by one of its members."""

    model_config = ConfigDict(frozen=True)

    slug: str
    title: str
    role: MemberRole
    cpu: Hours
    gpu: Hours
    until: date | None
    as_of: datetime | None
    """When Slurm was last asked; None: never, so ``used`` says nothing yet."""
