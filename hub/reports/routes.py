"""``/projects/{slug}/report``: read by members and admins, written by leads."""

from __future__ import annotations

from fastapi import APIRouter

from hub.context import AskingPerson
from hub.db.base import now
from hub.projects.service import led_by, seen_by
from hub.reports import service
from hub.reports.models import Report, ReportDraft

router = APIRouter(tags=["reports"])


@router.get("/projects/{slug}/report")
def report(asking: AskingPerson, slug: str) -> Report:
    """The final report, drafted from accounting until somebody wrote in it."""
    project = seen_by(asking.session, asking.person, slug)
    return service.report(asking.session, project, now().date())


@router.put("/projects/{slug}/report")
def write(asking: AskingPerson, slug: str, draft: ReportDraft) -> Report:
    """Keep a draft, or submit it for good."""
    project = led_by(asking.session, asking.person, slug)
    return service.write(asking.session, project, draft, who=asking.person.name, today=now().date())
