"""Transfers of files into projects, in requests and responses."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field

from hub.dataspace.models import Checksum, Form, Frozen, LocalFile


class TransferState(StrEnum):
    """``quarantined``: copied, but with another checksum than its publisher states, and kept apart from the data."""

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
    """Copy one of a record's files, counted from 0, into a project."""

    record_id: int = Field(ge=1, le=2**31 - 1)
    file: int = Field(0, ge=0, le=100_000)
    project: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")


class TransferSpec(Form):
    """Input of a transfer's job. ``folder`` and ``name`` are single parts of a path; the node checks them again."""

    transfer: int
    project_directory: str = Field(pattern=r"^/[A-Za-z0-9_./-]+$")
    folder: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,79}$")
    name: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,149}$")
    address: str
    local_file: LocalFile | None = None
    """The file to copy if it is on this machine; ``address`` is fetched otherwise."""
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
