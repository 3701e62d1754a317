"""Daily project life cycle: activate, warn, end, close.

:mod:`hub.projects.lifecycle` computes the phase of a day; the worker calls :func:`update_phases`.
"""

from __future__ import annotations

from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.audit import service as audit
from hub.calls import programme as policy
from hub.calls.models import Programme
from hub.formats import day
from hub.loops import by_itself
from hub.projects import lifecycle
from hub.projects.members import notify
from hub.projects.models import Phase
from hub.projects.service import audit_name, mark_changed, save
from hub.projects.tables import Project
from hub.settings import Settings


def update_phases(session: Session, settings: Settings, today: date) -> None:
    """Give each project the phase it has today, and mail its members. Safe to run any number of times a day.

    A project that fails is logged and stops no others.
    """
    programme = policy.current(settings)
    days = select(Project.id, Project.starts, Project.until, Project.phase).order_by(Project.id)
    for number, starts, until, phase in session.execute(days).all():
        is_current = phase is lifecycle.phase(starts, until, programme.terms, today)
        if is_current and (phase is not Phase.OPEN or lifecycle.warning(until, programme.terms, today) is None):
            continue
        # After a Conflict, as when somebody else changed the project meanwhile, the next run reads it again.
        with by_itself(f"phase of project {number}", session=session):
            project = session.get_one(Project, number, populate_existing=True)
            _update_phase(session, settings, programme, project, today)


def _update_phase(session: Session, settings: Settings, programme: Programme, project: Project, today: date) -> None:
    phase = lifecycle.phase(project.starts, project.until, programme.terms, today)
    if phase is not project.phase:
        _change_phase(session, project, phase)
        save(session)
        if phase in (Phase.ENDED, Phase.CLOSED):
            subject, text = _end_mail(programme, project)
            notify(session, settings, project, subject=subject, text=text, key=f"{phase}-{project.until}")
    days = lifecycle.warning(project.until, programme.terms, today) if phase is Phase.OPEN else None
    if days is not None:
        subject, text = _warning_mail(project, today)
        notify(session, settings, project, subject=subject, text=text, key=f"warning-{project.until}-{days}")
    session.commit()


def _change_phase(session: Session, project: Project, phase: Phase) -> None:
    previous_phase, project.phase = project.phase, phase
    mark_changed(project)
    audit.record(
        session,
        who=audit.WORKER,
        what="phase changed",
        on=audit_name(project),
        before={"phase": previous_phase},
        after={"phase": phase},
    )


def _warning_mail(project: Project, today: date) -> tuple[str, str]:
    """Subject and text."""
    assert project.until is not None  # noqa: S101
    days = (project.until - today).days
    when = "today" if days == 0 else "tomorrow" if days == 1 else f"in {days} days"
    return (
        f"ends {when}",
        f"Its last day is {day(project.until)}. After that day no job starts. A lead can request an extension now.\n",
    )


def _end_mail(programme: Programme, project: Project) -> tuple[str, str]:
    """Subject and text."""
    if project.phase is Phase.CLOSED:
        return "is closed", "Members can no longer read its files. Ask the administrators if you still need them.\n"
    files_until = lifecycle.files_until(project.until, programme.terms)
    assert files_until is not None  # noqa: S101 - a project without an end has not ended
    return "has ended", f"No job starts any more. Its files stay until {day(files_until)}: copy what you need.\n"
