"""``/projects/{slug}/report``: read by members and admins, written by leads."""

from __future__ import annotations

from fastapi import APIRouter

from hub.context import AskingPerson, ProjectSlug
from hub.db.base import now
from hub.projects.service import led_project, visible_project
from hub.reports import service
from hub.reports.models import Report, ReportDraft

router = APIRouter(tags=["reports"])


@router.get("/projects/{slug}/report")
def report(asking: AskingPerson, slug: ProjectSlug) -> Report:
    """Read the final report of a project; before the first edit, a draft made from its usage.

    For members and admins.
    """
    project = visible_project(asking.session, asking.person, slug)
    return service.report(asking.session, project, now().date())


@router.put("/projects/{slug}/report")
def write(asking: AskingPerson, slug: ProjectSlug, draft: ReportDraft) -> Report:
    """Store a draft of the final report, or submit it.

    For leads and admins. A submitted report cannot be changed. 409 if somebody else changed the draft.
    """
    project = led_project(asking.session, asking.person, slug)
    return service.write(asking.session, project, draft, who=asking.person.name, today=now().date())
