"""Final reports as the API sends and receives them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from hub.organisations.models import Text
from hub.usage.models import ProjectUsage


class ReportForm(BaseModel):
    """The text of a report."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    summary: Text = ""
    results: Text = ""
    publications: Text = ""
    difficulties: Text = ""


class ReportDraft(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    revision: Annotated[int, Field(ge=0, le=2**31 - 1)]
    form: ReportForm
    submit: bool = False
    """Whether to submit the report, which cannot be changed afterwards."""


class Report(BaseModel):
    model_config = ConfigDict(frozen=True)

    project: str
    revision: int
    form: ReportForm
    usage: ProjectUsage
    """From accounting; as it stood on the day of submission once that is over."""
    submitted: datetime | None
