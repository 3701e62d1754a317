"""The programme's data, and the advice and estimates made from it, as the API sends and receives them."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

Id = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
Link = Annotated[str, StringConstraints(pattern=r"^https://[^\s<>\"]+$", max_length=500)]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
"""ISO 3166-1 alpha-2."""


class OrganisationKind(StrEnum):
    COMPANY = "company"
    UNIVERSITY = "university"
    RESEARCH = "research"
    PUBLIC = "public"


class Goal(StrEnum):
    """Goal of an applicant."""

    TRY = "try"
    DEVELOP = "develop"
    TRAIN = "train"
    SCIENCE = "science"


KIND_WORDS = {
    OrganisationKind.COMPANY: "Company or start-up",
    OrganisationKind.UNIVERSITY: "University",
    OrganisationKind.RESEARCH: "Research organisation",
    OrganisationKind.PUBLIC: "Public body",
}
GOAL_WORDS = {
    Goal.TRY: "Try something out",
    Goal.DEVELOP: "Develop an application",
    Goal.TRAIN: "Train or fine-tune a model",
    Goal.SCIENCE: "Scientific work",
}


class CallState(StrEnum):
    OPEN = "open"
    PAUSED = "paused"
    CLOSED = "closed"


class Outcome(StrEnum):
    """Classes of AI systems in the AI Act, strictest first."""

    PROHIBITED = "prohibited"
    HIGH_RISK = "high-risk"
    GPAI = "gpai"
    TRANSPARENCY = "transparency"
    MINIMAL = "minimal"


class HelperKind(StrEnum):
    TEF = "tef"
    EDIH = "edih"
    NCC = "ncc"
    NATIONAL = "national"


class Data(BaseModel):
    """Base of the programme's data; unknown keys are rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(Data):
    id: Id
    title: str
    url: Link | None = None
    as_of: date


class AccessMode(Data):
    id: Id
    title: str
    summary: str
    months: tuple[int, ...]
    gpu_hours_over: int = Field(0, ge=0)
    gpu_hours_up_to: int | None = Field(None, gt=0)
    cpu_hours_up_to: int | None = Field(None, gt=0)
    decision_working_days: int = Field(ge=1)
    cut_offs: bool
    """Whether applications are decided after the next cut-off; otherwise in the order of submission."""
    reviewers: int = Field(ge=1)
    kinds: tuple[OrganisationKind, ...]
    goals: tuple[Goal, ...]
    source: Id


class Call(Data):
    slug: Id
    title: str
    mode: Id
    opens: date
    closes: date | None = None
    cut_offs: tuple[AwareDatetime, ...] = ()
    systems: tuple[Id, ...]
    source: Id


class System(Data):
    id: Id
    title: str
    partitions: tuple[str, ...]
    qos: tuple[str, ...] = ()
    gpu: str = ""
    """The GPU that the calculator counts with; which and how many there are, Slurm says."""
    peak_tflops: float = Field(0, ge=0)
    """Of one GPU, in the 16-bit format that models are trained in (10^12 operations a second)."""
    gpu_memory_gb: int = Field(0, ge=0)
    source: Id


class Hardware(BaseModel):
    """What Slurm has in a system's partitions."""

    model_config = ConfigDict(frozen=True)

    system: Id
    nodes: int
    cores: int
    gpus: dict[str, int]
    """Number by kind; the kind is "" where the site names none."""


class SmeCeiling(Data):
    category: Id
    title: str
    staff_below: int
    turnover_up_to: int
    """Euro a year."""
    balance_up_to: int
    """Euro."""


class SmeDefinition(Data):
    ceilings: tuple[SmeCeiling, ...]
    """The smallest first."""
    partner_from: float
    """Per cent of capital or votes from which an enterprise is a partner."""
    linked_over: float
    """Per cent above which it is linked."""
    public_from: float
    """Per cent held by public bodies from which an enterprise is none of these."""
    source: Id


class Sector(Data):
    id: Id
    title: str


class CountryName(Data):
    code: Country
    name: str
    eligible: bool = True


class Helper(Data):
    kind: HelperKind
    name: str
    about: str
    url: Link
    countries: tuple[Country, ...] = ()
    """Empty: all."""
    sectors: tuple[Id, ...] = ()
    """Empty: all."""
    source: Id


class Question(Data):
    id: Id
    text: str
    article: str
    outcome: Outcome
    """If the answer is yes."""
    consequence: str


class AiAct(Data):
    questions: tuple[Question, ...]
    minimal: str
    advice: str
    """Note shown with every result: it is advice, not a decision."""
    source: Id


class Criterion(Data):
    id: Id
    title: str
    text: str
    best: int = Field(5, ge=1)


class Calculator(Data):
    training_operations: float
    """Per parameter and token."""
    inference_operations: float
    training_bytes: float
    """Memory per parameter while training."""
    inference_bytes: float
    utilisation: float = Field(gt=0, le=1)
    """Share of the peak that good programs reach."""
    source: Id


class Terms(Data):
    """Durations and deadlines of projects."""

    warning_days: tuple[int, ...]
    grace_days: int = Field(ge=0)
    invitation_days: int = Field(ge=1)
    extension_months_up_to: int = Field(ge=1)
    start_days_up_to: int = Field(730, ge=0, le=3650)
    """Days from an application to the start that it asks for, at most."""
    source: Id


class Programme(Data):
    title: str
    as_of: date
    sources: tuple[Source, ...]
    modes: tuple[AccessMode, ...]
    calls: tuple[Call, ...]
    systems: tuple[System, ...]
    sme: SmeDefinition
    sectors: tuple[Sector, ...]
    countries: tuple[CountryName, ...]
    helpers: tuple[Helper, ...]
    ai_act: AiAct
    criteria: tuple[Criterion, ...]
    calculator: Calculator
    terms: Terms
    holidays: tuple[date, ...]
    """Days besides weekends that are not working days."""
    zone: str = "Europe/Brussels"
    """Time zone in which calls open and close, decisions are due, and projects begin and end."""

    @model_validator(mode="after")
    def _what_is_named_is_there(self) -> Programme:
        known = {
            "source": {source.id for source in self.sources},
            "mode": {mode.id for mode in self.modes},
            "system": {system.id for system in self.systems},
            "sector": {sector.id for sector in self.sectors},
        }
        named = {
            "source": {
                *(mode.source for mode in self.modes),
                *(call.source for call in self.calls),
                *(system.source for system in self.systems),
                *(helper.source for helper in self.helpers),
                *(self.sme.source, self.ai_act.source, self.calculator.source, self.terms.source),
            },
            "mode": {call.mode for call in self.calls},
            "system": {system for call in self.calls for system in call.systems},
            "sector": {sector for helper in self.helpers for sector in helper.sectors},
        }
        for what, names in named.items():
            if missing := sorted(names - known[what]):
                raise ValueError(f"the {what} {missing[0]} is named but not described")
        for call in self.calls:
            if self.mode(call.mode).cut_offs and not call.cut_offs:
                raise ValueError(f"the call {call.slug} needs cut_offs")
        return self

    def mode(self, name: str) -> AccessMode:
        return next(mode for mode in self.modes if mode.id == name)

    def call(self, slug: str) -> Call | None:
        return next((call for call in self.calls if call.slug == slug), None)

    def country(self, code: str) -> str:
        """The country's name; the code if the programme does not name it."""
        return next((country.name for country in self.countries if country.code == code), code)

    def system(self, name: str) -> System | None:
        return next((system for system in self.systems if system.id == name), None)


class CallStatus(BaseModel):
    """A call with its current state."""

    model_config = ConfigDict(frozen=True)

    call: Call
    state: CallState
    full_systems: tuple[str, ...]
    note: str
    next_cut_off: datetime | None
    accepts: bool
    why_not: str
    """Why it does not accept applications now; empty if it does."""


class CallChange(BaseModel):
    """An admin's change of a call."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: CallState
    full_systems: tuple[Id, ...] = ()
    note: str = Field("", max_length=500)


class Need(BaseModel):
    """Input of the adviser."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    goal: Goal
    kind: OrganisationKind
    country: Country
    gpu_hours: int = Field(0, ge=0, le=10**9)
    cpu_hours: int = Field(0, ge=0, le=10**9)
    months: int = Field(ge=1, le=60)
    starts_within_days: int | None = Field(None, ge=0, le=3650)
    """None: no deadline."""


class ModeAdvice(BaseModel):
    model_config = ConfigDict(frozen=True)

    mode: Id
    title: str
    recommended: bool
    fits: bool
    reasons: tuple[str, ...]
    against: tuple[str, ...]
    decision_by: date | None
    source: Source


class Task(StrEnum):
    TRAINING = "training"
    INFERENCE = "inference"


class Workload(BaseModel):
    """Input of the calculator."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: Task = Task.TRAINING
    parameters: float = Field(gt=0, le=1e14)
    tokens: float = Field(gt=0, le=1e17)
    gpus: int = Field(ge=1, le=100_000)
    system: Id
    utilisation: float | None = Field(None, gt=0, le=1)


class Calculation(BaseModel):
    model_config = ConfigDict(frozen=True)

    gpu_hours: float
    wall_hours: float
    memory_gb: float
    gpus_at_least: int
    """To hold the model in memory."""
    formula: str
    remarks: tuple[str, ...]
    sources: tuple[Source, ...]
