"""Data of the start page: the person, remaining hours, announcements and the latest application."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from hub.announcements.models import Announcement
from hub.applications.models import ApplicationSummary
from hub.identity.models import Role
from hub.usage.models import ProjectHours


class Me(BaseModel):
    model_config = ConfigDict(frozen=True)

    name: str
    display_name: str
    roles: tuple[Role, ...]
    projects: tuple[ProjectHours, ...]


class Step(StrEnum):
    """A first step that is reported by the server on which it is taken."""

    SCALING = "scaling"


class Steps(BaseModel):
    """First steps that a person has taken, as far as the API knows."""

    model_config = ConfigDict(frozen=True)

    data: bool = False
    """A file of a data space was copied to one of the person's projects, at their request."""
    scaling: bool = False
    """They started a Dask cluster or a training on further nodes."""


class Overview(BaseModel):
    model_config = ConfigDict(frozen=True)

    me: Me
    announcements: tuple[Announcement, ...]
    application: ApplicationSummary | None = None
    """The person's application that was changed last."""
    steps: Steps = Steps()
