"""``/projects/{slug}/usage``: for members and admins."""

from __future__ import annotations

from fastapi import APIRouter

from hub.context import AskingPerson, ProjectSlug
from hub.db.base import now
from hub.projects.service import is_lead, visible_project
from hub.usage import service
from hub.usage.models import ProjectUsage

router = APIRouter(tags=["usage"])


@router.get("/projects/{slug}/usage")
def usage(asking: AskingPerson, slug: ProjectSlug) -> ProjectUsage:
    """Read the hours that a project has used, by day and person, and how long the rest lasts.

    For members and admins. Only leads and admins see other people's hours.
    """
    project = visible_project(asking.session, asking.person, slug)
    leads = is_lead(project, asking.person)
    return service.of_project(asking.session, project, reader=asking.person.name, leads=leads, today=now().date())
