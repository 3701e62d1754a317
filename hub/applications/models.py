"""Applications as the API sends and receives them."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from hub.calls.models import Goal, Id, Outcome, PriceAdvice, Source, Workload
from hub.organisations.models import Line, OrganisationForm, ProfileForm, SmeResult, Text, Web

Hours = Annotated[int, Field(ge=0, le=10**9)]


class ApplicationState(StrEnum):
    DRAFT = "draft"
    SUBMITTED = "submitted"
    CHANGES_REQUESTED = "changes requested"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    DELETED = "deleted"
    """A draft that its author deleted: its number stays used, its content is gone."""


EDITABLE = frozenset({ApplicationState.DRAFT, ApplicationState.CHANGES_REQUESTED})
DECIDED = frozenset({ApplicationState.APPROVED, ApplicationState.REJECTED})


class Input(BaseModel):
    """Base of what a client sends; unknown fields are rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Resources(Input):
    systems: tuple[Id, ...] = Field((), max_length=20)
    cpu_hours: Hours = 0
    gpu_hours: Hours = 0
    storage_gb: int = Field(0, ge=0, le=10**7)
    months: int | None = Field(None, ge=1, le=60)
    starts: date | None = None
    workload: Workload | None = None
    """The last input of the calculator."""
    justification: Text = ""


class Dataset(Input):
    title: Line
    url: Web = ""


class DataNeeds(Input):
    datasets: tuple[Dataset, ...] = Field((), max_length=50)
    personal_data: bool | None = None
    remarks: Text = ""


class Declaration(Input):
    """Statements of the applicant, stored with each version."""

    issues: Text = ""
    """Ethical questions of the work and how they are met."""
    civilian_use: bool = False
    truthful: bool = False


class Form(Input):
    """An application; every field may still be empty in a draft."""

    step: Annotated[str, Field(max_length=40, pattern=r"^[a-z-]*$")] = ""
    """The step of the form that was open last."""
    call: Id | None = None
    title: Line = ""
    sector: Id | None = None
    goal: Goal | None = None
    use_case: Text = ""
    resources: Resources = Resources()
    data: DataNeeds = DataNeeds()
    conditions: dict[Id, bool] = Field({}, max_length=20)
    """Answers to the conditions of access modes, by the condition's id."""
    ai_act: dict[Id, bool] = Field({}, max_length=100)
    """Answers by the question's id."""
    declaration: Declaration = Declaration()


Revision = Annotated[int, Field(ge=0, le=2**31 - 1)]


class Draft(Input):
    revision: Revision
    """The revision this draft is based on; an older one than the stored is rejected."""
    form: Form


class Submission(Input):
    revision: Revision
    """Revision that the stored draft must have."""


class Finding(BaseModel):
    model_config = ConfigDict(frozen=True)

    question: str
    article: str
    outcome: Outcome
    consequence: str
    """With the day from which it applies."""
    applies_from: date | None = None
    source: Source | None = None


class SelfCheck(BaseModel):
    """What the AI Act says about answers."""

    model_config = ConfigDict(frozen=True)

    outcome: Outcome | None
    """None while questions are open and no answer describes a prohibited practice."""
    findings: tuple[Finding, ...]
    open_questions: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    """How the calculated training compares with the thresholds for general-purpose models."""
    summary: str
    advice: str
    checked_on: date | None = None
    """Day whose law the outcome is; None in versions from before days were stored."""


class Gap(BaseModel):
    """Something to be done before an application can be submitted."""

    model_config = ConfigDict(frozen=True)

    field: str
    message: str


class MessageKind(StrEnum):
    MESSAGE = "message"
    CHANGES = "changes"
    DECISION = "decision"


class Message(BaseModel):
    model_config = ConfigDict(frozen=True)

    at: datetime
    author: str
    """``reviewer`` for all of them: applicants are not told who reviews."""
    kind: MessageKind
    text: str


class Version(BaseModel):
    """An application as it was submitted; it never changes."""

    model_config = ConfigDict(frozen=True)

    number: int
    submitted: datetime
    by: str
    form: Form
    profile: ProfileForm
    organisation_id: int
    organisation: OrganisationForm
    sme: SmeResult | None
    price: PriceAdvice | None = None
    """None: no price was stored with it, or its mode is closed to the organisation."""
    self_check: SelfCheck


class Decision(BaseModel):
    model_config = ConfigDict(frozen=True)

    approved: bool
    reason: str
    cpu_hours: int
    gpu_hours: int
    storage_gb: int
    at: datetime
    project: str | None
    """Slug of the project that was awarded."""


class ApplicationSummary(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: int
    reference: str
    title: str
    call: str | None
    state: ApplicationState
    changed: datetime
    submitted: datetime | None
    due: date | None
    mine: bool
    deletable: bool = False
    """Whether its author may delete it: a draft that was never submitted."""


class Application(BaseModel):
    """An application as its owner and their colleagues see it."""

    model_config = ConfigDict(frozen=True)

    summary: ApplicationSummary
    owner: str
    revision: int
    form: Form
    versions: int
    self_check: SelfCheck
    gaps: tuple[Gap, ...]
    """What is missing before it can be submitted; empty unless it can still be edited."""
    messages: tuple[Message, ...]
    decision: Decision | None
    next: str
    """What happens or has to be done now, in a sentence."""


class MessageText(Input):
    text: Annotated[Text, Field(min_length=1)]
