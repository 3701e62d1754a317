"""Hours of projects as the API sends them."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from hub.projects.models import MemberRole, Phase


class Outlook(StrEnum):
    """How long hours last at the pace of the last two weeks. Of several budgets, the first of these counts."""

    USED_UP = "used up"
    TOO_EARLY = "too early"
    """Used on too few days to tell a pace."""
    RUNS_OUT = "runs out"
    """On a day that is known."""
    FAR = "far"
    """Not within two years."""
    UNUSED = "unused"


class Hours(BaseModel):
    """A budget in core hours (CPU) or GPU hours."""

    model_config = ConfigDict(frozen=True)

    granted: float
    used: float
    left: float


class ProjectHours(BaseModel):
    """Remaining hours of a project, for one of its members."""

    model_config = ConfigDict(frozen=True)

    slug: str
    title: str
    role: MemberRole
    cpu: Hours
    gpu: Hours
    until: date | None
    as_of: datetime | None
    """Time of the last answer of Slurm; None: there is none yet, and ``used`` is unknown."""
    phase: Phase = Phase.OPEN
    runs_out: date | None = None
    """The day on which the first budget is used up at the pace of the last two weeks; None: see ``outlook``."""
    outlook: Outlook = Outlook.TOO_EARLY


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
    """Used hours of a project, and how long the rest lasts."""

    model_config = ConfigDict(frozen=True)

    slug: str
    title: str
    cpu: Hours
    gpu: Hours
    starts: date
    until: date | None
    as_of: datetime | None
    people: tuple[Used, ...]
    """Most hours first; members who are not leads see themselves and ``others``."""
    partitions: tuple[Used, ...]
    days: tuple[Day, ...]
    """Oldest first, without days without use."""
    cpu_runs_out: date | None
    """The day on which hours run out at the pace of the last two weeks; None: see ``cpu_outlook``."""
    gpu_runs_out: date | None
    cpu_outlook: Outlook = Outlook.TOO_EARLY
    gpu_outlook: Outlook = Outlook.TOO_EARLY
