"""Data of the start page: the person, remaining hours, announcements and the latest application."""

from __future__ import annotations

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


class Overview(BaseModel):
    model_config = ConfigDict(frozen=True)

    me: Me
    announcements: tuple[Announcement, ...]
    application: ApplicationSummary | None = None
    """The person's application that was changed last."""
