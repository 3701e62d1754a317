"""Projects, members, invitations and extensions as the API sends and receives them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from hub.calls.models import Id
from hub.identity.models import PersonName
from hub.mail.models import MailAddress

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
Account = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
"""A Slurm account; slurmdbd folds names to lower case, so only such are allowed."""
SlurmName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
"""A partition or a QOS."""
GrantedHours = Annotated[int, Field(ge=0, le=10**9)]
CORES_MISSING = "Grant core hours too: every GPU job also uses cores"
Gigabytes = Annotated[int, Field(ge=0, le=10**7)]


class MemberRole(StrEnum):
    LEAD = "lead"
    MEMBER = "member"


class ProjectState(StrEnum):
    """``provisioning`` until Slurm, storage and the Hub have the project's current revision."""

    PROVISIONING = "provisioning"
    ACTIVE = "active"


class Phase(StrEnum):
    """Where a project is between its first day and its last."""

    WAITING = "waiting"
    OPEN = "open"
    ENDED = "ended"
    """No new jobs; files are kept for a grace time."""
    CLOSED = "closed"
    """Files are out of reach for members, and not deleted."""


class Step(StrEnum):
    """Steps of provisioning, in this order."""

    ACCOUNT = "Slurm account"
    MEMBERS = "Slurm members"
    DIRECTORY = "directory"
    GROUP = "Hub group"
    MAIL = "mail"


@dataclass(frozen=True)
class StepResult:
    """What a step of provisioning has done."""

    remark: str = ""
    """For members, mostly empty."""
    left_out: tuple[str, ...] = ()
    """Members that it could not reach yet; it is repeated until there is none."""


def check_hours(cpu_hours: int, gpu_hours: int) -> None:
    """Raise :class:`ValueError` for GPU hours without core hours, with which Slurm starts no job."""
    if gpu_hours and not cpu_hours:
        raise ValueError(CORES_MISSING)


class ProjectSpec(BaseModel):
    """The desired state of a project, for provisioning."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    slug: Slug
    title: str = Field(min_length=1, max_length=200)
    account: Account
    cpu_hours: GrantedHours
    gpu_hours: GrantedHours = 0
    storage_gb: Gigabytes = 0
    """0: no quota."""
    starts: date | None = None
    """None: today for a new project, no change for an existing one."""
    until: date | None = None
    members: dict[PersonName, MemberRole] = {}

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> ProjectSpec:
        if self.starts and self.until and self.until < self.starts:
            raise ValueError("until is before starts")
        return self

    @model_validator(mode="after")
    def _can_run_jobs(self) -> ProjectSpec:
        check_hours(self.cpu_hours, self.gpu_hours)
        return self


class Award(BaseModel):
    """What a decision grants."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    reference: int
    lead: PersonName
    organisation_id: int
    call: Id
    cpu_hours: GrantedHours
    gpu_hours: GrantedHours
    storage_gb: Gigabytes
    months: int = Field(ge=1)
    starts: date
    partitions: tuple[SlurmName, ...] = Field(min_length=1)
    qos: tuple[SlurmName, ...]

    @model_validator(mode="after")
    def _can_run_jobs(self) -> Award:
        check_hours(self.cpu_hours, self.gpu_hours)
        return self


class MemberView(BaseModel):
    model_config = ConfigDict(frozen=True)

    person: str
    role: MemberRole
    leaving: bool
    """Removed: their jobs are being cancelled."""


class StepView(BaseModel):
    model_config = ConfigDict(frozen=True)

    step: Step
    done: bool
    attempts: int
    remark: str
    """Why the last attempt failed, or what was left out."""


class ProjectView(BaseModel):
    """A project as its members and admins see it."""

    model_config = ConfigDict(frozen=True)

    slug: str
    title: str
    account: str
    call: str
    role: MemberRole | None
    """Mine; None for an admin who is no member."""
    state: ProjectState
    phase: Phase
    cpu_hours: int
    gpu_hours: int
    storage_gb: int
    starts: date
    until: date | None
    files_until: date | None
    directory: str
    members: tuple[MemberView, ...]
    steps: tuple[StepView, ...]


class Invitation(BaseModel):
    """An invitation as leads see it; the link itself is only in the mail."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    id: int
    address: str
    role: MemberRole
    by: str
    created: datetime
    expires: datetime
    accepted_by: str | None


class InvitationForm(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    address: MailAddress
    role: MemberRole = MemberRole.MEMBER


class InvitationToken(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    token: Annotated[str, StringConstraints(min_length=16, max_length=128)]


class InvitationOffer(BaseModel):
    """The project and role that an invitation offers."""

    model_config = ConfigDict(frozen=True)

    project: str
    title: str
    role: MemberRole
    by: str
    expires: datetime


class RoleChange(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    role: MemberRole


class ExtensionState(StrEnum):
    OPEN = "open"
    GRANTED = "granted"
    REFUSED = "refused"


class ExtensionForm(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    months: int = Field(0, ge=0, le=60)
    cpu_hours: GrantedHours = 0
    gpu_hours: GrantedHours = 0
    reason: Annotated[str, StringConstraints(min_length=1, max_length=5000, strip_whitespace=True)]

    @model_validator(mode="after")
    def _asks_for_something(self) -> ExtensionForm:
        if not (self.months or self.cpu_hours or self.gpu_hours):
            raise ValueError("ask for months or hours")
        return self


class ExtensionDecision(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    grant: bool
    answer: Annotated[str, StringConstraints(min_length=1, max_length=5000, strip_whitespace=True)]


class Extension(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: int
    project: str
    by: str
    months: int
    cpu_hours: int
    gpu_hours: int
    reason: str
    state: ExtensionState
    answer: str
    created: datetime
