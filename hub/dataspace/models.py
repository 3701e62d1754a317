"""Records and searches in requests and responses. Names are DCAT's and ODRL's."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Text = dict[str, str]
"""A text in several languages by their BCP 47 tag; ``und`` where the source names none."""

Link = Annotated[str, StringConstraints(pattern=r"^(https?|s3)://[^\s<>\"{}|\\^`]+$", max_length=2000)]
"""An address that may be used as a link: http, https or s3, without characters that end an attribute or a tag."""


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Form(BaseModel):
    """Something a person sends: unknown fields are rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Kind(StrEnum):
    DATASET = "dataset"
    SERIES = "series"
    SERVICE = "service"
    MODEL = "model"


class Access(StrEnum):
    """Access to the data. ``contract``: after negotiating an agreement with the connector of a data space."""

    PUBLIC = "public"
    RESTRICTED = "restricted"
    CONTRACT = "contract"
    NOT_STATED = "not-stated"


class LicenceClass(StrEnum):
    """Class of a licence; ``bespoke`` has to be read by a person."""

    OPEN = "open"
    ATTRIBUTION = "attribution"
    SHARE_ALIKE = "share-alike"
    NON_COMMERCIAL = "non-commercial"
    BESPOKE = "bespoke"
    NOT_STATED = "not-stated"


class Visibility(StrEnum):
    """Who may see a record. ``everybody``: other catalogues may harvest it, too."""

    EVERYBODY = "everybody"
    FACTORY = "factory"
    PROJECT = "project"


# -- a record ---------------------------------------------------------------------------------------------------------


class _Named(Frozen):
    """Hashable, so that defaults are shared: pydantic copies default values that are not."""

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


class Terms(Frozen):
    """What a service states about the use of the data that it hands out."""

    licence: Licence = Licence()
    access: Access = Access.NOT_STATED
    rights_in_words: tuple[str, ...] = ()
    policies: tuple[dict[str, Any], ...] = ()

    def __hash__(self) -> int:
        return hash((self.licence, self.access))


class Checksum(Frozen):
    algorithm: str
    value: str


class Distribution(Frozen):
    uri: str = ""
    title: Text = {}
    description: Text = {}
    access_url: str = ""
    download_url: str = ""
    unusable_addresses: tuple[str, ...] = ()
    """What its source states as its addresses and that cannot be used as a link, such as one of FTP."""
    endpoint_url: str = ""
    """Address of the service that hands the data out, such as a connector."""
    format: str = ""
    """Code of the EU file types where it is one, such as ``CSV``."""
    media_type: str = ""
    packaging: str = ""
    bytes: int | None = None
    checksum: Checksum | None = None
    licence: Licence = Licence()
    access: Access = Access.NOT_STATED
    rights: Text = {}
    rights_in_words: tuple[str, ...] = ()
    """As a record's."""
    modified: date | None = None
    policies: tuple[dict[str, Any], ...] = ()
    service: Terms = Terms()
    """Of the service that hands the file out."""
    extra: dict[str, tuple[Any, ...]] = {}
    """As a record's."""


class Record(Frozen):
    """One dataset, series, service or model, with everything that its source states about it."""

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
    """The strictest of the record's own, its files' and their services'."""
    own_licence: Licence | None = None
    """What the record itself states; None if that is ``licence``."""
    access: Access = Access.NOT_STATED
    own_access: Access | None = None
    access_rights: Text = {}
    rights_in_words: tuple[str, ...] = ()
    """Statements about access and rights that are no known term or text, verbatim: a person has to read them."""
    issued: date | None = None
    modified: date | None = None
    version: str = ""
    landing_page: str = ""
    unusable_addresses: tuple[str, ...] = ()
    """What its source states as addresses of its pages and that cannot be used as a link."""
    distributions: tuple[Distribution, ...] = ()
    distributions_stated: int | None = None
    """Number of files that its source lists; None if ``distributions`` has them all."""
    policies: tuple[dict[str, Any], ...] = ()
    """ODRL as the source has it, blank nodes written out; ``odrl.sentences`` puts it into words."""
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


class LocalFile(Form):
    """A file by the folder of its source's files, and its path below it."""

    folder: str
    name: str

    @property
    def path(self) -> str:
        return f"{self.folder}/{self.name}"


# -- for people ------------------------------------------------------------------------------------------------------


class Sentence(Frozen):
    """One rule in plain words. ``not-understood`` carries the rule verbatim and allows nothing; ``other-asset`` is
    about something else than the record.
    """

    rule: Literal["permission", "prohibition", "duty", "other-asset", "not-understood"]
    text: str
    verbatim: str = ""
    offer: str = ""
    """Name of the offer that it belongs to, if there are several."""


class Verdict(StrEnum):
    YES = "yes"
    ASK = "ask"
    NO = "no"


class UsableNow(Frozen):
    """Whether a person of this factory can start to use it today, and why."""

    verdict: Verdict
    reason: str
    decided_by: Literal["", "record", "file", "service", "offer"] = ""
    """Whose statement decided; empty if nothing stands in the way, or several do."""


class Use(UsableNow):
    """Whether a person can use one file of a record under one offer."""

    offer: str = ""
    """Name of the offer; empty if there is only one, or none."""
    conditions: tuple[str, ...] = ()
    """Sentences that a person has to read and accept before the file is fetched, if the verdict is ``ask``."""
    digest: str = ""
    """SHA-256 of the offer, the conditions and what they were made from: changed terms have another one."""
    refusal: str = ""
    """Why the file cannot be fetched, whatever is accepted; empty if it can."""


class UseForm(Form):
    """Which file of a record a person wants to use, and the conditions that they have read and accept."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    file: int = Field(0, ge=0, le=100_000)
    """File of the record, counted from 0."""
    offer: str = Field("", max_length=4000)
    """Name of the offer, if the record has several."""
    accepted: str = Field("", pattern=r"^([0-9a-f]{64})?$")
    """Digest of the conditions that you have read and accept."""


class Acceptance(Frozen):
    """Conditions that a person has accepted."""

    by: str
    at: datetime
    digest: str
    offer: str = ""
    conditions: tuple[str, ...] = ()


class RemoteUse(Frozen):
    """How to read a file where it is."""

    address: str
    code: str
    """Python code for a notebook."""


class Quality(Frozen):
    """Quality by the DCAT-AP shapes. ``score``: per cent of the checks that apply and are passed."""

    score: int
    badge: Literal["good", "fair", "poor"]
    findings: tuple[str, ...] = ()
    checked: datetime | None = None


class Card(Frozen):
    """A hit of a search, with what a list shows of it."""

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
    corrected: str = ""
    """What was searched for instead of the text, as no record has a word of it. Empty if the text was searched for."""
    shortened: bool = False
    """Whether the text was longer than 500 characters, and only its beginning was searched for."""


FACETS = (
    *("sector", "space", "publisher", "licence", "access", "format", "language", "updated"),
    *("country", "kind", "quality", "high_value"),
)
"""Properties that a search can be filtered by and whose values are counted; ``updated`` is a year, and ``high_value``
is ``yes`` for high-value datasets of the EU."""
KEYWORD = "keyword"
"""A property that a search can be filtered by; it has too many values to count them."""

Facet = Annotated[str, StringConstraints(pattern=rf"^({'|'.join((*FACETS, KEYWORD))})$")]
Chip = Annotated[str, StringConstraints(pattern=rf"(?s)^({'|'.join((*FACETS, KEYWORD))}):.+$", max_length=300)]
"""A filter: a facet and one of its values, ``licence:open``."""


class Query(Form):
    """A search. A record matches if it has one of the filters (``chips``) of each facet."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    text: str = Field("", max_length=20_000)
    """Words to search for; of a longer text, the first 500 characters count. ``"air quality"`` for words in this order,
    ``-noise`` for records without a word, ``water OR air``, ``publisher:NAME``, ``format:CSV``."""
    chips: tuple[Chip, ...] = Field((), max_length=40)
    """Filters by facet."""
    updated_from: date | None = None
    """First day of the last update. A record without a date does not match."""
    updated_to: date | None = None
    """Last day of the last update."""
    sort: Literal["relevance", "date", "oldest", "size", "name"] = "relevance"
    """Order of the hits: the best match, the newest, the oldest, the largest, or by title. Records without a date, a
    size or a title come last."""
    page: int = Field(1, ge=1, le=100)
    """Number of the page, from 1."""
    per_page: int = Field(20, ge=1, le=100)
    """Hits on a page."""
    language: str = Field("en", pattern=r"^[a-z]{2}$")
    """Language of labels, two letters."""
    typing: bool = False
    """Whether the last word may be incomplete."""


class ValueQuery(Query):
    """Values of a facet among the records of a search."""

    facet: Facet
    """Property whose values are searched."""
    find: str = Field(max_length=100, pattern=r"\S")
    """Part of the label; of a keyword, its beginning."""


class Suggestion(Frozen):
    """A query with hits, and what it leaves out."""

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
    uses: tuple[tuple[Use, ...], ...] = ()
    """For each file, one for each offer."""
    quality: Quality | None = None
    labels: dict[str, str] = {}
    """Of the codes in the record, in the reader's language."""
    paths: tuple[str, ...] = ()
    """Path of each of its files that is on this machine; an empty text for the others."""
    stored: tuple[bool, ...] = ()
    """Whether each of its files is in this factory's own store: it is read with a token, or brought to a project."""


class Preview(Frozen):
    """First rows of a distribution; every value is text."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    complete: bool
    """Whether these are all rows there are."""
    bytes_read: int
    ranges: bool = False
    """Whether its server supports ranges, so that it can be used without a copy."""
    note: str = ""
    """What a reader should know, such as that the file is of another type than its record says."""
