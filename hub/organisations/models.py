"""Organisations and profiles as the API sends and receives them."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from hub.calls.models import Country, OrganisationKind, Source
from hub.mail.models import MailAddress

TEXT = 20_000
NEVER = datetime.min.replace(tzinfo=UTC)
"""``changed`` of a profile that was not stored yet, for those who say which one they have read."""


def _no_control_characters(text: str) -> str:
    """Reject control characters except line ends and tabs: PostgreSQL cannot store NUL, and none is meant as text."""
    if any(sign < " " and sign not in "\n\r\t" for sign in text) or "\x7f" in text:
        raise ValueError("remove the control characters")
    return text


def _one_line(text: str) -> str:
    if set(text) & set("\n\r\t\u2028\u2029"):
        raise ValueError("write it in one line")
    return _no_control_characters(text)


Line = Annotated[str, StringConstraints(max_length=200, strip_whitespace=True), AfterValidator(_one_line)]
"""One line of text in any script, without control characters."""
Text = Annotated[str, StringConstraints(max_length=TEXT), AfterValidator(_no_control_characters)]
"""Paragraphs of text."""
Web = Annotated[str, StringConstraints(max_length=500, pattern=r"^(https?://[^\s<>\"]+)?$")]

Euro = Annotated[int, Field(ge=0, le=10**13)]


class Relation(StrEnum):
    """Relation of another enterprise to this one (Article 3 of the SME definition)."""

    PARTNER = "partner"
    LINKED = "linked"


class Enterprise(BaseModel):
    """Figures of the last closed year."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    staff: float = Field(ge=0, le=10**8)
    """Annual work units (Article 5)."""
    turnover: Euro
    balance: Euro


class Relative(Enterprise):
    """Another enterprise whose figures are added."""

    name: Line = ""
    relation: Relation
    share: float = Field(ge=0, le=100)
    """Per cent of capital or votes, whichever is more."""


class Figures(Enterprise):
    relatives: tuple[Relative, ...] = Field((), max_length=50)
    public_share: float = Field(0, ge=0, le=100)
    """Per cent held by public bodies."""


class SmeResult(BaseModel):
    model_config = ConfigDict(frozen=True)

    category: str
    """A category of the programme, such as ``small``, or ``large``."""
    title: str
    is_sme: bool
    staff: float
    turnover: int
    balance: int
    """Totals over linked and partner enterprises."""
    reasons: tuple[str, ...]
    source: Source


class OrganisationForm(BaseModel):
    """Data of an organisation, entered by its members."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Line = Field(min_length=1)
    kind: OrganisationKind
    country: Country
    registration: Line = ""
    website: Web = ""
    figures: Figures | None = None
    """Required of companies only."""


class Organisation(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: int
    revision: int
    form: OrganisationForm
    sme: SmeResult | None
    people: tuple[str, ...]
    join_code: str
    """Code with which colleagues join; each member can replace it."""


class OrganisationUpdate(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    revision: Annotated[int, Field(ge=0, le=2**31 - 1)]
    """The revision that the change is based on."""
    form: OrganisationForm


class ProfileForm(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    full_name: Line = ""
    position: Line = ""
    contact: MailAddress | None = None
    """Shown to reviewers; mail of the site goes here, or else to the account's own address."""
    orcid: Annotated[str, StringConstraints(pattern=r"^(\d{4}-\d{4}-\d{4}-\d{3}[\dX])?$")] = ""


def is_orcid(text: str) -> bool:
    """Whether the last character of an ORCID iD is the check digit of the others (ISO 7064 mod 11-2)."""
    *digits, check = list(text.replace("-", ""))
    total = 0
    for digit in digits:
        total = (total + int(digit)) * 2 % 11
    return check == "0123456789X"[(12 - total) % 11]


def _has_check_digit(orcid: str) -> str:
    if orcid and not is_orcid(orcid):
        raise ValueError("Check the digits: the last one does not fit the others")
    return orcid


class ProfileInput(ProfileForm):
    """What a person sends. It is stricter than what is stored: profiles from before a rule can still be read."""

    orcid: Annotated[
        str, StringConstraints(pattern=r"^(\d{4}-\d{4}-\d{4}-\d{3}[\dX])?$"), AfterValidator(_has_check_digit)
    ] = ""


class Profile(BaseModel):
    model_config = ConfigDict(frozen=True)

    person: str
    form: ProfileForm
    organisation: Organisation | None
    changed: datetime | None


class Joining(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    code: Annotated[str, StringConstraints(max_length=64)]
