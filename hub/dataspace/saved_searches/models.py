"""Saved searches in requests and responses."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from hub.dataspace.models import Form, Frozen, Query


class SavedSearchForm(Form):
    title: str = Field(min_length=1, max_length=120)
    query: Query
    mail: bool = True


class SavedSearch(Frozen):
    """``mailed``: time of the last mail about it."""

    id: int
    title: str
    query: Query
    mail: bool
    created: datetime
    mailed: datetime | None = None
