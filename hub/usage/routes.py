"""``/projects/{slug}/usage``: for members and admins."""

from __future__ import annotations

from fastapi import APIRouter

from hub.context import AskingPerson
from hub.db.base import now
from hub.projects.service import is_lead, seen_by
from hub.usage import service
from hub.usage.models import ProjectUsage

router = APIRouter(tags=["usage"])


@router.get("/projects/{slug}/usage")
def usage(asking: AskingPerson, slug: str) -> ProjectUsage:
    """Where a project's hours went, and how long they will last."""
    project = seen_by(asking.session, asking.person, slug)
    leads = is_lead(project, asking.person)
    return service.of_project(asking.session, project, reader=asking.person.name, leads=leads, today=now().date())
