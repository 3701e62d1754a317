"""Publications of projects in requests and responses."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from hub.dataspace.models import Access, Form, Frozen, Kind, Link, Quality, Visibility
from hub.store.models import Digest, Name


class PublishedFile(Form):
    """A file by its address, or one that its author has uploaded, by its SHA-256.

    Of an uploaded file, ``access_url``, ``download_url``, ``bytes`` and ``sha256`` are filled in; ``name``,
    ``media_type`` and ``format`` are, too, if they are not stated.
    """

    title: str = Field(min_length=1, max_length=200)
    access_url: Link | None = None
    download_url: Link | None = None
    stored: Digest | None = None
    name: Name | None = None
    media_type: str = Field("", pattern=r"^([a-z0-9][\w.+-]{0,39}/[a-z0-9][\w.+-]{0,79})?$")
    format: str = Field("", pattern=r"^[A-Z0-9_]{0,40}$")
    bytes: int | None = Field(None, ge=0, le=2**60)
    sha256: Digest | None = None

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        if self.access_url is None and self.stored is None:
            raise ValueError("a file needs an address, or has to be uploaded")
        return self


class PublicationForm(Form):
    """Description of a project's output."""

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
