"""Applications as the API shows them: names, messages, decisions and the next step. Used by the review desk too."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.applications.models import (
    DECIDED,
    EDITABLE,
    Application,
    ApplicationState,
    ApplicationSummary,
    Decision,
    Form,
    Gap,
    Message,
    SelfCheck,
)
from hub.applications.tables import ApplicationRow, MessageRow
from hub.formats import day
from hub.projects.tables import Project


def reference(number: int) -> str:
    """The name of an application for people, such as ``A-00012``."""
    return f"A-{number:05}"


def audit_name(number: int) -> str:
    """The application's name in the audit trail."""
    return f"application/{number}"


def application(
    session: Session, row: ApplicationRow, reader: str, *, self_check: SelfCheck, gaps: Sequence[Gap]
) -> Application:
    """The application as ``reader`` sees it, its owner or a colleague."""
    form = Form.model_validate(row.form)
    row_decision = decision(session, row)
    return Application(
        summary=summary(row, reader),
        owner=row.owner,
        revision=row.revision,
        form=form,
        versions=row.version,
        self_check=self_check,
        gaps=tuple(gaps),
        messages=messages(session, row, for_reviewers=False),
        decision=row_decision,
        next=_next_step(row, gaps, row_decision),
    )


def summary(row: ApplicationRow, reader: str) -> ApplicationSummary:
    return ApplicationSummary(
        id=row.id,
        reference=reference(row.id),
        title=row.title,
        call=row.call,
        state=row.state,
        changed=row.changed,
        submitted=row.submitted,
        due=row.due if row.state not in DECIDED else None,
        mine=row.owner == reader,
        deletable=row.owner == reader and row.state is ApplicationState.DRAFT and not row.version,
    )


def messages(session: Session, row: ApplicationRow, *, for_reviewers: bool) -> tuple[Message, ...]:
    """All messages, oldest first. Applicants do not see the names of reviewers."""
    rows = session.scalars(select(MessageRow).where(MessageRow.application_id == row.id).order_by(MessageRow.id))
    return tuple(
        Message(
            at=message.at,
            author=message.author if for_reviewers or message.author == row.owner else "reviewer",
            kind=message.kind,
            text=message.text,
        )
        for message in rows
    )


def decision(session: Session, row: ApplicationRow) -> Decision | None:
    """The decision; None before there is one."""
    if row.decided is None:
        return None
    return Decision(
        approved=row.state is ApplicationState.APPROVED,
        reason=row.reason,
        cpu_hours=row.cpu_hours,
        gpu_hours=row.gpu_hours,
        storage_gb=row.storage_gb,
        at=row.decided,
        project=session.scalar(select(Project.slug).where(Project.id == row.project_id)) if row.project_id else None,
    )


def _next_step(row: ApplicationRow, gaps: Sequence[Gap], decision: Decision | None) -> str:
    if row.state in EDITABLE:
        task = gaps[0].message if gaps else "Check the summary and submit it."
        prefix = "Reviewers requested changes; their message is below. " if row.version else ""
        return prefix + task
    if row.state is ApplicationState.SUBMITTED:
        assert row.due is not None  # noqa: S101 - submitting sets it
        return f"Reviewers decide by {day(row.due)}."
    if row.state is ApplicationState.APPROVED:
        return f"Your project is {decision.project if decision else ''}. Start your first notebook."
    if row.state is ApplicationState.REJECTED:
        return "Read the reason. You can apply again with a new draft."
    return "You withdrew this application. You can start a new draft at any time."
