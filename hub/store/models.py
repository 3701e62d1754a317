"""Uploads in requests and responses."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

PART_BYTES = 4 * 2**20
"""Length of every part of an upload but the last, which may be shorter."""
JOB_TOKEN_VARIABLE = "ATRIUM_JOB_TOKEN"  # noqa: S105  a name
"""The variable that brings a job its token (job_tokens.py): it is in no argument list and in no output of Slurm."""
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 in hexadecimal, lower case."""


def _shown_name(name: str) -> str:
    invisible = any(unicodedata.category(character)[0] in "CZ" and character != " " for character in name)
    if invisible or "/" in name or name != name.strip() or name in ("", ".", "..") or len(name.encode()) > 150:
        raise ValueError("this is not a name of a file")
    return unicodedata.normalize("NFC", name)


Name = Annotated[str, AfterValidator(_shown_name)]
"""Name of a file: a single part of a path, visible in a listing."""


class UploadState(StrEnum):
    """``checking``: everything has arrived, and the worker computes its checksum. ``storing``: the checksum is right,
    and the file is moved into the store. ``failed``: the checksum is wrong; nothing of it is left.
    """

    SENDING = "sending"
    CHECKING = "checking"
    STORING = "storing"
    STORED = "stored"
    FAILED = "failed"


class UploadForm(BaseModel):
    """A file that a person is about to upload for a project."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    project: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    name: Name
    bytes: int = Field(ge=0, le=2**53)
    sha256: Digest


class Upload(BaseModel):
    """An upload of a person. ``received``: bytes from its beginning that the store has; the next part follows them."""

    model_config = ConfigDict(frozen=True)

    id: int
    project: str
    name: str
    bytes: int
    sha256: str
    state: UploadState
    received: int
    reason: str = ""
    """Why it failed."""
    created: datetime


class StoredFile(BaseModel):
    """A file in the store, as an upload has named it."""

    model_config = ConfigDict(frozen=True)

    sha256: str
    name: str
    bytes: int
