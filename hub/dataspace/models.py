"""Data that can be found, as it travels. Names are DCAT's and ODRL's."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

Text = dict[str, str]
"""A text in several languages by their BCP 47 tag; ``und`` where the source names none."""

SourceName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
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
    """ODRL as the source has it, blank nodes written out; ``policy.sentences`` says it in words."""
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

    text: str = Field("", max_length=500)
    chips: tuple[Chip, ...] = Field((), max_length=40)
    sort: Literal["relevance", "date", "size"] = "relevance"
    page: int = Field(1, ge=1, le=100)
    per_page: int = Field(20, ge=1, le=100)
    language: str = Field("en", pattern=r"^[a-z]{2}$")
    """In which labels are wanted."""
    typing: bool = False
    """The last word may be unfinished."""


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


# -- sources and runs -------------------------------------------------------------------------------------------------


class Protocol(StrEnum):
    RDF = "rdf"
    CKAN = "ckan"
    DSP = "dsp"


class SourceForm(Form):
    """A catalogue to harvest."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    name: SourceName
    """Identifier of the source, as in addresses."""
    title: str = Field(min_length=1, max_length=120)
    """Name that people read."""
    space: str = Field(min_length=1, max_length=60)
    """The data space its records belong to."""
    protocol: Protocol = Protocol.RDF
    """``rdf``: DCAT as RDF. ``ckan``: CKAN's API. ``dsp``: the Dataspace Protocol's catalogue."""
    address: str = Field(min_length=1, max_length=1000)
    """An http(s) address, or a path below one of ``dataspace.folders``."""
    every_hours: float = Field(24.0, ge=0.25, le=24 * 90, json_schema_extra={"unit": "hours"})
    """Interval between two harvests."""
    timeout_seconds: float = Field(60.0, ge=1, le=3600, json_schema_extra={"unit": "seconds"})
    """Time limit of one request."""
    max_pages: int = Field(10_000, ge=1, le=1_000_000, json_schema_extra={"unit": "count"})
    """A harvest stops after this many pages."""
    max_records: int = Field(1_000_000, ge=1, le=5_000_000, json_schema_extra={"unit": "count"})
    """A harvest stops after this many records."""
    max_page_bytes: int = Field(256 * 2**20, ge=1024, le=2 * 2**30, json_schema_extra={"unit": "bytes"})
    """Longest page that is read."""
    enabled: bool = True
    """Whether it is harvested by schedule."""
    visibility: Literal[Visibility.EVERYBODY, Visibility.FACTORY] = Visibility.FACTORY
    """Who may find its records. ``everybody``: the factory's own catalogue lists them for other catalogues, too."""

    @field_validator("address")
    @classmethod
    def _has_a_known_scheme(cls, address: str) -> str:
        if not address.startswith(("http://", "https://", "/")):
            raise ValueError("it begins with http:// or https://, or is an absolute path")
        return address


class RunState(StrEnum):
    """``incomplete``: something could not be read, so nothing was taken for gone."""

    RUNNING = "running"
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    FAILED = "failed"


class Refusal(Frozen):
    page: str
    line: int | None = None
    reason: str


class Run(Frozen):
    """One harvest of a source."""

    id: int
    state: RunState
    started: datetime
    ended: datetime | None
    pages: int
    read: int
    new: int
    changed: int
    removed: int
    refused: int
    refusals: tuple[Refusal, ...]
    reason: str


class Source(Frozen):
    form: SourceForm
    records: int
    from_settings: bool
    due: datetime | None
    last: Run | None


# -- what people keep and publish -------------------------------------------------------------------------------------


class SavedSearchForm(Form):
    title: str = Field(min_length=1, max_length=120)
    query: Query
    mail: bool = True


class SavedSearch(Frozen):
    """``mailed``: when the last mail about it was written."""

    id: int
    title: str
    query: Query
    mail: bool
    created: datetime
    mailed: datetime | None = None


class PublishedFile(Form):
    title: str = Field(min_length=1, max_length=200)
    access_url: Link
    download_url: Link | None = None
    format: str = Field("", pattern=r"^[A-Z0-9_]{0,40}$")
    bytes: int | None = Field(None, ge=0)
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")


class PublicationForm(Form):
    """A project's output as it is described to others."""

    project: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    kind: Literal[Kind.DATASET, Kind.MODEL] = Kind.DATASET
    title: str = Field(min_length=3, max_length=300)
    description: str = Field(min_length=10, max_length=20_000)
    language: str = Field("en", pattern=r"^[a-z]{2}$")
    keywords: tuple[Annotated[str, StringConstraints(min_length=1, max_length=80)], ...] = Field((), max_length=30)
    themes: tuple[str, ...] = Field((), max_length=13)
    publisher: str = Field(min_length=1, max_length=200)
    contact: str = Field(pattern=r"^[^@\s<>\"]+@[^@\s<>\"]+$", max_length=200)
    licence: Link
    access: Literal[Access.PUBLIC, Access.RESTRICTED] = Access.PUBLIC
    visibility: Visibility = Visibility.PROJECT
    files: tuple[PublishedFile, ...] = Field((), max_length=100)
    origins: tuple[Link, ...] = Field((), max_length=50)
    version: str = Field("", max_length=40)
    trained_on: tuple[Link, ...] = Field((), max_length=50)
    intended_use: str = Field("", max_length=5000)


class Publication(Frozen):
    """``slug`` is the last part of the record's address and never changes."""

    slug: str
    record_id: int
    form: PublicationForm
    quality: Quality
    created: datetime
    modified: datetime


# -- data brought into a project --------------------------------------------------------------------------------------


class TransferState(StrEnum):
    """``quarantined``: it is there, its checksum is not the one its publisher states, and it is no data of yours."""

    WAITING = "waiting"
    SUBMITTING = "submitting"
    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    DONE = "done"
    QUARANTINED = "quarantined"
    FAILED = "failed"
    CANCELLED = "cancelled"


class TransferForm(Form):
    """Bring one of a record's files, counted from 0, into a project."""

    record_id: int = Field(ge=1, le=2**31 - 1)
    file: int = Field(0, ge=0, le=100_000)
    project: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")


class Order(Form):
    """What a transfer's job is told. ``folder`` and ``name`` are single parts of a path, checked on the node again."""

    transfer: int
    project_directory: str = Field(pattern=r"^/[A-Za-z0-9_./-]+$")
    folder: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,79}$")
    name: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,149}$")
    address: str
    format: str = ""
    checksum: Checksum | None = None
    bytes: int | None = None
    storage_bytes: int = 0
    """What the project may store; 0: as much as the file system takes."""
    allowed_hosts: tuple[str, ...] = ()
    record: str
    title: str
    licence: str = ""
    source: str = ""
    person: str


class Progress(Frozen):
    """What a transfer's job says of itself, one a line."""

    state: Literal[TransferState.RUNNING, TransferState.DONE, TransferState.QUARANTINED, TransferState.FAILED]
    bytes: int = Field(0, ge=0)
    total: int | None = Field(None, ge=0)
    path: str = Field("", max_length=1000)
    notebook: str = Field("", max_length=1000)
    sha256: str = Field("", max_length=64)
    verified: bool = False
    """Whether its publisher states a checksum, and it is this file's."""
    reason: str = Field("", max_length=500)


class Transfer(Frozen):
    """One file on its way, or arrived. ``path`` and ``notebook`` of the progress are below ``directory``."""

    id: int
    project: str
    directory: str
    """Of the project."""
    person: str
    record_id: int
    title: str
    address: str
    state: TransferState
    progress: Progress | None = None
    reason: str = ""
    created: datetime
    ended: datetime | None = None
