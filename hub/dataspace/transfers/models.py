"""Transfers of files into projects, in requests and responses."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from hub.dataspace.models import Acceptance, Checksum, Form, Frozen, LocalFile, UseForm
from hub.store.models import Digest

MOST_NAME_BYTES = 150
"""Hidden files beside a file have longer names, and a file system takes 255 bytes."""


def is_file_name_character(character: str) -> bool:
    """Whether it is a letter, mark or digit of any script, or one of ``_-.``; nothing invisible, no separator."""
    return character in "_-." or unicodedata.category(character)[0] in "LMN"


def _file_name(name: str) -> str:
    is_plain = all(map(is_file_name_character, name)) and name == unicodedata.normalize("NFC", name)
    if not is_plain or name[:1] in ("", "-", ".") or len(name.encode()) > MOST_NAME_BYTES:
        raise ValueError("this is not a name of a file")
    return name


FileName = Annotated[str, AfterValidator(_file_name)]
"""A single part of a path, visible in a listing."""


class TransferState(StrEnum):
    """``quarantined``: copied, but kept apart from the data.

    It has another checksum than its publisher states, or is a web page, a listing or an error message.
    """

    WAITING = "waiting"
    SUBMITTING = "submitting"
    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    DONE = "done"
    QUARANTINED = "quarantined"
    FAILED = "failed"
    CANCELLED = "cancelled"


class TransferKind(StrEnum):
    """``bring``: a file of a record into a project. ``upload``: a file of a project into the store."""

    BRING = "bring"
    UPLOAD = "upload"


class TransferForm(UseForm):
    """Copy one of a record's files into a project."""

    record_id: int = Field(ge=1, le=2**31 - 1)
    project: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")


class UploadJobForm(Form):
    """Upload a file of a project's directory, so that it can be published."""

    project: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    path: str = Field(min_length=1, max_length=1000)
    """Relative to the project's directory, or beginning with it."""


class ApiAccess(Form):
    """Where a job reaches Atrium's API. Its token is in a variable (hub/store/job_tokens.py)."""

    url: str
    authority: str = ""
    """Certificate (PEM) of the authority that the API's is signed by; empty without TLS."""


class UploadSpec(Form):
    """Input of the job of an upload."""

    transfer: int
    project_directory: str = Field(pattern=r"^/[A-Za-z0-9_./-]+$")
    project: str
    path: str
    """Below the project's directory."""
    api: ApiAccess | None = None
    """Filled in when the job is submitted."""


class StoredSource(Form):
    """A file of this factory's own store, which answers to a job's token."""

    record: int
    sha256: Digest
    path: str
    """Of its address below the API's."""


class TransferSpec(Form):
    """Input of a transfer's job. ``folder`` and ``name`` are single parts of a path; the node checks them again."""

    transfer: int
    project_directory: str = Field(pattern=r"^/[A-Za-z0-9_./-]+$")
    folder: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,79}$")
    name: FileName
    address: str
    local_file: LocalFile | None = None
    """The file to copy if it is on this machine; ``address`` is fetched otherwise."""
    stored: StoredSource | None = None
    """The file of the store that ``address`` leads to, if it does; it is fetched from the API."""
    api: ApiAccess | None = None
    """Filled in for a file of the store when the job is submitted."""
    format: str = ""
    checksum: Checksum | None = None
    bytes: int | None = None
    storage_bytes: int = 0
    """Bytes that the project may store; 0 for no limit."""
    allowed_hosts: tuple[str, ...] = ()
    record: str
    title: str
    licence: str = ""
    source: str = ""
    person: str
    accepted: Acceptance | None = None
    """Conditions that the person has accepted, for the manifest."""


class Progress(Frozen):
    """Progress or result of a transfer's job, one on each line of its output."""

    state: Literal[TransferState.RUNNING, TransferState.DONE, TransferState.QUARANTINED, TransferState.FAILED]
    bytes: int = Field(0, ge=0)
    total: int | None = Field(None, ge=0)
    path: str = Field("", max_length=1000)
    notebook: str = Field("", max_length=1000)
    sha256: str = Field("", max_length=64)
    verified: bool = False
    """Whether the file has the checksum that its publisher states."""
    reason: str = Field("", max_length=500)
    """Why it failed or is in quarantine; of a file that arrived, what a reader should know."""


class Transfer(Frozen):
    """One file on its way, or arrived. ``path`` and ``notebook`` of the progress are below ``directory``.

    An upload has no record: its ``record_id`` is 0.
    """

    id: int
    kind: TransferKind = TransferKind.BRING
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
