"""The review desk as the API sends and receives it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hub.applications.models import ApplicationState, Decision, Hours, Input, Message, MessageText, Revision, Version
from hub.calls.models import Id
from hub.organisations.models import Line, Text
from hub.projects.models import check_hours


class QueueEntry(BaseModel):
    """What reviewers see before their declaration: enough to recognise a conflict of interest."""

    model_config = ConfigDict(frozen=True)

    id: int
    reference: str
    title: str
    call: str
    mode: str
    sector: str
    applicant: str
    """Name of the person who applies, as submitted."""
    organisation: str
    country: str
    state: ApplicationState
    version: int
    submitted: datetime
    age_days: int
    due: date
    working_days_left: int
    overdue: bool
    reviews: int
    reviews_needed: int
    declared: bool | None
    """The reviewer's declaration: True is a conflict; None if there is none yet."""
    reviewed: bool
    barred: str
    """Why the reviewer must not review it; empty if they may."""


class QueueFilter(BaseModel):
    """Which applications of the review desk, in which order."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    state: ApplicationState | None = None
    """Only applications in this state."""
    call: Id | None = None
    """Only applications to this call."""
    mode: Id | None = None
    """Only applications for this access mode."""
    sector: Id | None = None
    """Only applications of this sector."""
    overdue: bool = False
    """Only applications whose decision is overdue."""
    order: Literal["due", "newest"] = "due"
    """`due`: earliest due date first; `newest`: last submitted first."""
    offset: int = Field(0, ge=0, le=10**6)
    """Applications to skip, for the next page."""


class Queue(BaseModel):
    model_config = ConfigDict(frozen=True)

    entries: tuple[QueueEntry, ...]
    total: int


class ConflictDeclaration(Input):
    conflict: bool
    remarks: Line = ""


class ReviewForm(Input):
    version: Revision
    scores: dict[Id, int] = Field(max_length=50)
    comment: Text = ""
    cpu_hours: Hours
    gpu_hours: Hours
    approve: bool


class Review(BaseModel):
    model_config = ConfigDict(frozen=True)

    reviewer: str
    version: int
    scores: dict[str, int]
    comment: str
    cpu_hours: int
    gpu_hours: int
    approve: bool
    at: datetime


class Case(BaseModel):
    """An application as a reviewer without conflict sees it: the version under review, never the draft."""

    model_config = ConfigDict(frozen=True)

    entry: QueueEntry
    version: Version
    previous: Version | None
    """What the reviewer has reviewed before, or else the version before this one; None for a first version."""
    reviews: tuple[Review, ...]
    """The reviewer's own; others' once it is stored, so that they do not influence it."""
    messages: tuple[Message, ...]
    decision: Decision | None


class AskBack(MessageText):
    version: Revision


class DecisionForm(Input):
    version: Revision
    approve: bool
    reason: Annotated[Text, Field(min_length=1)]
    cpu_hours: Hours = 0
    gpu_hours: Hours = 0
    storage_gb: int = Field(0, ge=0, le=10**7)

    @model_validator(mode="after")
    def _approval_gives_something(self) -> DecisionForm:
        if self.approve and not (self.cpu_hours or self.gpu_hours):
            raise ValueError("an approval grants hours")
        if self.approve:
            check_hours(self.cpu_hours, self.gpu_hours)
        return self
