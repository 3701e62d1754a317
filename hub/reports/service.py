"""Final reports of projects: figures from accounting, text from the leads."""

from __future__ import annotations

from datetime import date

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from hub.audit import service as audit
from hub.db.base import now
from hub.errors import Conflict, InvalidInput
from hub.formats import day, quantity
from hub.projects.tables import Project
from hub.reports.models import Report, ReportDraft, ReportForm
from hub.reports.tables import ReportRow
from hub.usage import service as usage
from hub.usage.models import ProjectUsage


def report(session: Session, project: Project, today: date) -> Report:
    """The stored report, or a first draft with revision 0."""
    row = session.get(ReportRow, project.id)
    if row is None:
        return Report(
            project=project.slug,
            revision=0,
            form=ReportForm(summary=_first_draft(_usage(session, project, today))),
            usage=_usage(session, project, today),
            submitted=None,
        )
    frozen = ProjectUsage.model_validate(row.usage) if row.usage else _usage(session, project, today)
    return Report(
        project=project.slug,
        revision=row.revision,
        form=ReportForm.model_validate(row.form),
        usage=frozen,
        submitted=row.submitted,
    )


def write(session: Session, project: Project, draft: ReportDraft, *, who: str, today: date) -> Report:
    """Store a draft, or submit it.

    :raises Conflict: it is submitted already, or somebody else wrote since.
    :raises InvalidInput: a report without results is none.
    """
    if draft.submit and not draft.form.results.strip():
        raise InvalidInput("Describe the results before you submit the report.", field="form.results")
    row = session.get(ReportRow, project.id)
    if row is not None and row.submitted is not None:
        raise Conflict("The report is submitted and cannot be changed.", field="revision")
    if (row.revision if row else 0) != draft.revision:
        raise _changed_meanwhile()
    if row is None:
        row = ReportRow(project_id=project.id, form={}, usage=None, submitted=None)
        session.add(row)
    row.form = draft.form.model_dump(mode="json")
    if draft.submit:
        row.submitted = now()
        row.usage = _usage(session, project, today).model_dump(mode="json")
        audit.record(session, who=who, what="report submitted", on=f"project/{project.slug}")
    try:
        session.commit()
    except (StaleDataError, IntegrityError) as error:
        session.rollback()
        raise _changed_meanwhile() from error
    return report(session, project, today)


def _changed_meanwhile() -> Conflict:
    return Conflict("Somebody else changed this report in the meantime.", field="revision")


def _usage(session: Session, project: Project, today: date) -> ProjectUsage:
    return usage.of_project(session, project, reader="", leads=True, today=today)


def _first_draft(used: ProjectUsage) -> str:
    people = [user for user in used.people if user.cpu or user.gpu]
    return (
        f"{used.title} ran from {day(used.starts)}"
        f"{f' to {day(used.until)}' if used.until else ''}. "
        f"Of {quantity(used.gpu.granted)} GPU hours {quantity(used.gpu.used)} were used, "
        f"of {quantity(used.cpu.granted)} core hours "
        f"{quantity(used.cpu.used)}, by {len(people)} people on {len(used.days)} days."
    )
