"""Data that can be found, as it travels. Names are DCAT's and ODRL's."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Text = dict[str, str]
"""A text in several languages by their BCP 47 tag; ``und`` where the source names none."""

Link = Annotated[str, StringConstraints(pattern=r"^(https?|s3)://[^\s<>\"{}|\\^`]+$", max_length=2000)]
"""An address that may stand behind a link: http, https or s3, and nothing that ends an attribute or a tag."""


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Form(BaseModel):
    """Something a person sends: fields that nobody knows are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Kind(StrEnum):
    DATASET = "dataset"
    SERIES = "series"
    SERVICE = "service"
    MODEL = "model"


class Access(StrEnum):
    """How one gets at the data. ``contract``: after negotiating an agreement with a data space's connector."""

    PUBLIC = "public"
    RESTRICTED = "restricted"
    CONTRACT = "contract"
    NOT_STATED = "not-stated"


class LicenceClass(StrEnum):
    """What a licence comes down to; ``bespoke`` has to be read by a person."""

    OPEN = "open"
    ATTRIBUTION = "attribution"
    SHARE_ALIKE = "share-alike"
    NON_COMMERCIAL = "non-commercial"
    BESPOKE = "bespoke"
    NOT_STATED = "not-stated"


class Visibility(StrEnum):
    """Who may know that a record is there. ``everybody`` is also handed out to other catalogues."""

    EVERYBODY = "everybody"
    FACTORY = "factory"
    PROJECT = "project"


# -- a record ---------------------------------------------------------------------------------------------------------


class _Named(Frozen):
    """Has a hash in spite of its texts, so that one that is a default is shared: pydantic copies what has none."""

    uri: str = ""

    def __hash__(self) -> int:
        return hash(self.uri)


class Agent(_Named):
    name: Text = {}
    email: str = ""
    homepage: str = ""


class Licence(_Named):
    label: Text = {}
    kind: LicenceClass = LicenceClass.NOT_STATED


class Checksum(Frozen):
    algorithm: str
    value: str


class Distribution(Frozen):
    uri: str = ""
    title: Text = {}
    description: Text = {}
    access_url: str = ""
    download_url: str = ""
    endpoint_url: str = ""
    """Of the service that hands the data out, a connector for instance."""
    format: str = ""
    """Code of the EU file types where it is one, such as ``CSV``."""
    media_type: str = ""
    packaging: str = ""
    bytes: int | None = None
    checksum: Checksum | None = None
    licence: Licence = Licence()
    rights: Text = {}
    modified: date | None = None
    policies: tuple[dict[str, Any], ...] = ()
    extra: dict[str, tuple[Any, ...]] = {}
    """As a record's."""


class Record(Frozen):
    """One dataset, series, service or model, with everything its source says about it."""

    uri: str
    kind: Kind
    title: Text = {}
    description: Text = {}
    keywords: dict[str, tuple[str, ...]] = {}
    themes: tuple[str, ...] = ()
    """Codes of the EU data themes."""
    publisher: Agent = Agent()
    creators: tuple[Agent, ...] = ()
    contact: tuple[Agent, ...] = ()
    languages: tuple[str, ...] = ()
    licence: Licence = Licence()
    access: Access = Access.NOT_STATED
    access_rights: Text = {}
    issued: date | None = None
    modified: date | None = None
    version: str = ""
    landing_page: str = ""
    distributions: tuple[Distribution, ...] = ()
    policies: tuple[dict[str, Any], ...] = ()
    """ODRL as the source has it, blank nodes written out; ``odrl.sentences`` says it in words."""
    provenance: Text = {}
    origins: tuple[str, ...] = ()
    """Records or resources this one was made from."""
    spatial: tuple[str, ...] = ()
    temporal: tuple[tuple[str, str], ...] = ()
    frequency: str = ""
    conforms_to: tuple[str, ...] = ()
    extra: dict[str, tuple[Any, ...]] = {}
    """Properties of extensions (health, mobility, geo, MLDCAT-AP) by their IRI, kept as they came."""

    @property
    def bytes(self) -> int | None:
        """Size of the largest distribution that states one."""
        return max((d.bytes for d in self.distributions if d.bytes is not None), default=None)


# -- what a reader is told --------------------------------------------------------------------------------------------


class Sentence(Frozen):
    """One rule in plain words. ``not-understood`` carries the rule verbatim and allows nothing."""

    rule: Literal["permission", "prohibition", "duty", "not-understood"]
    text: str
    verbatim: str = ""


class Verdict(StrEnum):
    YES = "yes"
    ASK = "ask"
    NO = "no"


class UsableNow(Frozen):
    """Whether somebody of this factory can start today, and why."""

    verdict: Verdict
    reason: str


class Quality(Frozen):
    """Of the DCAT-AP shapes: how many of the checks that apply are passed, from 0 to 100."""

    score: int
    badge: Literal["good", "fair", "poor"]
    findings: tuple[str, ...] = ()
    checked: datetime | None = None


class Card(Frozen):
    """A hit, as short as a list needs it."""

    id: int
    uri: str
    kind: Kind
    title: Text
    summary: Text = {}
    publisher: Text = {}
    space: str
    licence: str = ""
    licence_class: LicenceClass
    access: Access
    formats: tuple[str, ...] = ()
    themes: tuple[str, ...] = ()
    bytes: int | None = None
    updated: date | None = None
    usable: Verdict
    reason: str
    quality: Literal["good", "fair", "poor"] | None = None


class FacetValue(Frozen):
    value: str
    label: str
    count: int


class SearchAnswer(Frozen):
    total: int
    hits: tuple[Card, ...]
    facets: dict[str, tuple[FacetValue, ...]]
    generation: int
    """Grows whenever the index has changed."""


FACETS = ("sector", "space", "publisher", "licence", "access", "format", "language", "updated")
"""What a search can be narrowed by; ``updated`` is a year."""

Chip = Annotated[str, StringConstraints(pattern=rf"(?s)^({'|'.join(FACETS)}):.+$", max_length=300)]
"""A facet and one of its values, ``licence:open``."""


class Query(Form):
    """A search. Within a facet any chip counts, across facets all of them do."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    text: str = Field("", max_length=500)
    """Words to search for."""
    chips: tuple[Chip, ...] = Field((), max_length=40)
    """Filters by facet."""
    sort: Literal["relevance", "date", "size"] = "relevance"
    """Order of the hits."""
    page: int = Field(1, ge=1, le=100)
    """Number of the page, from 1."""
    per_page: int = Field(20, ge=1, le=100)
    """Hits on a page."""
    language: str = Field("en", pattern=r"^[a-z]{2}$")
    """Language of labels, two letters."""
    typing: bool = False
    """Whether the last word may be incomplete."""


class Suggestion(Frozen):
    """A query that finds more, and what it leaves out."""

    text: str
    query: Query
    total: int


class RecordPage(Frozen):
    """Everything a page about one record shows."""

    id: int
    record: Record
    space: str
    source: str
    harvested: datetime
    visibility: Visibility
    project: str | None = None
    sentences: tuple[Sentence, ...]
    usable: UsableNow
    quality: Quality | None = None
    labels: dict[str, str] = {}
    """Of the codes in the record, in the reader's language."""


class Preview(Frozen):
    """First rows of a distribution; every value is text."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    complete: bool
    """Whether these are all rows there are."""
    bytes_read: int
    ranges: bool = False
    """Whether its server hands out parts, so that it can be used without a copy."""
