"""Hours of projects, as they travel."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import BaseModel, ConfigDict

from hub.projects.models import MemberRole, Phase


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
    phase: Phase = Phase.OPEN
    runs_out: date | None = None
    """The day on which the first of its budgets is gone if use goes on as in the last two weeks."""


class Used(BaseModel):
    """Hours of one person, or in one partition."""

    model_config = ConfigDict(frozen=True)

    name: str
    cpu: float
    gpu: float


class Day(BaseModel):
    """Hours of one day (UTC)."""

    model_config = ConfigDict(frozen=True)

    day: date
    cpu: float
    gpu: float


class ProjectUsage(BaseModel):
    """Where a project's hours went, and how long they will last."""

    model_config = ConfigDict(frozen=True)

    slug: str
    title: str
    cpu: Hours
    gpu: Hours
    starts: date
    until: date | None
    as_of: datetime | None
    people: tuple[Used, ...]
    """Those who used most first; for members who lead nothing, themselves and ``others``."""
    partitions: tuple[Used, ...]
    days: tuple[Day, ...]
    """The oldest first; days without use are left out."""
    cpu_runs_out: date | None
    """The day on which hours run out if use goes on as in the last two weeks; None: not in sight."""
    gpu_runs_out: date | None
