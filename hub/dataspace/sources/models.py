"""Sources and their harvests in requests and responses."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints, ValidationInfo, field_validator

from hub.dataspace.models import Form, Frozen, Visibility

SourceName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]


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
    files: str = Field("", max_length=1000)
    """Folder of the files that come with a catalogue on this machine, below one of ``dataspace.folders``. The names of
    files in the catalogue are relative to it."""
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

    @field_validator("files")
    @classmethod
    def _is_a_path_of_a_catalogue_on_this_machine(cls, files: str, info: ValidationInfo) -> str:
        if files and not (files.startswith("/") and str(info.data.get("address", "")).startswith("/")):
            raise ValueError("it is an absolute path, and the catalogue is on this machine, too")
        return files.rstrip("/")


class RunState(StrEnum):
    """``incomplete``: something could not be read, so only records that the source calls deleted were removed."""

    RUNNING = "running"
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    FAILED = "failed"


class Refusal(Frozen):
    page: str
    line: int | None = None
    reason: str
    note: bool = False
    """Something was left out of what was read; it is not counted in ``refused``."""


class Run(Frozen):
    """One harvest of a source: ``read`` is the sum of new, changed, same, refused and listed only."""

    id: int
    state: RunState
    started: datetime
    ended: datetime | None
    pages: int
    read: int
    """Everything that was met."""
    new: int
    changed: int
    same: int = 0
    """Records that are as they were."""
    listed_only: int = 0
    """Datasets that the catalogue lists and describes nowhere."""
    removed: int
    refused: int
    """Pages, statements, records and files that could not be read."""
    refusals: tuple[Refusal, ...]
    reason: str


class Source(Frozen):
    form: SourceForm
    records: int
    from_settings: bool
    due: datetime | None
    waiting: bool
    """Whether it is due and not yet being harvested: sources are harvested one after the other."""
    last: Run | None
