"""Projects and their members, as they travel."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from hub.identity.models import PersonName

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
Account = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
"""A Slurm account; slurmdbd folds names to lower case, so only such are allowed."""


class MemberRole(StrEnum):
    LEAD = "lead"
    MEMBER = "member"


class ProjectState(StrEnum):
    """``provisioning`` until Slurm knows the account and every member of it."""

    PROVISIONING = "provisioning"
    ACTIVE = "active"


class ProjectSpec(BaseModel):
    """A project as it shall be; provisioning makes it so."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    slug: Slug
    title: str = Field(min_length=1, max_length=120)
    account: Account
    cpu_hours: int = Field(ge=0, le=10**9)
    gpu_hours: int = Field(0, ge=0, le=10**9)
    starts: date | None = None
    """None: today for a new project, no change for an existing one."""
    until: date | None = None
    members: dict[PersonName, MemberRole] = {}

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> ProjectSpec:
        if self.starts and self.until and self.until < self.starts:
            raise ValueError("until lies before starts")
        return self
