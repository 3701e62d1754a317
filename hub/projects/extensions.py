"""Extensions of projects: leads request more time or hours, reviewers decide."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from sqlalchemy import select, update
from sqlalchemy.orm import Session, selectinload

from hub.audit import service as audit
from hub.calls import calendar
from hub.calls import programme as policy
from hub.calls.models import Programme
from hub.db.base import now
from hub.errors import Conflict, InvalidInput, NotAllowed, NotFound
from hub.identity.models import Person
from hub.organisations import service as organisations
from hub.projects.members import notify
from hub.projects.models import CORES_MISSING, Extension, ExtensionDecision, ExtensionForm, ExtensionState, Phase
from hub.projects.service import audit_name, led_project, mark_changed, save, was_member
from hub.projects.tables import ExtensionRow, Project
from hub.settings import Settings


def request(session: Session, programme: Programme, person: Person, slug: str, form: ExtensionForm) -> Extension:
    """Store a lead's request.

    :raises Conflict: the project is closed, or another request waits for a decision.
    :raises InvalidInput: more months than the programme allows, or GPU hours for a project without core hours.
    """
    project = led_project(session, person, slug)
    if project.phase is Phase.CLOSED:
        raise Conflict("The project is closed.")
    if form.gpu_hours and not (project.cpu_hours or form.cpu_hours):
        raise InvalidInput(f"{CORES_MISSING}.", field="cpu_hours")
    most_months = programme.terms.extension_months_up_to
    if form.months > most_months:
        raise InvalidInput(f"An extension is for at most {most_months} months.", field="months")
    pending = select(ExtensionRow.id).where(
        ExtensionRow.project_id == project.id, ExtensionRow.state == ExtensionState.OPEN
    )
    if session.scalar(pending) is not None:
        raise Conflict("Another extension request of this project waits for a decision.")
    row = ExtensionRow(
        project_id=project.id,
        by=person.name,
        months=form.months,
        cpu_hours=form.cpu_hours,
        gpu_hours=form.gpu_hours,
        reason=form.reason,
        state=ExtensionState.OPEN,
        answer="",
        created=now(),
    )
    session.add(row)
    audit.record(
        session, who=person.name, what="extension requested", on=audit_name(project), after=form.model_dump(mode="json")
    )
    session.commit()
    return _extension(row)


def listed(session: Session, *, project: Project | None = None) -> tuple[Extension, ...]:
    """Requests of one project, or all that wait for a decision; at most 200, oldest first."""
    query = select(ExtensionRow).options(selectinload(ExtensionRow.project)).order_by(ExtensionRow.id).limit(200)
    if project is None:
        query = query.where(ExtensionRow.state == ExtensionState.OPEN)
    else:
        query = query.where(ExtensionRow.project_id == project.id)
    return tuple(_extension(row) for row in session.scalars(query))


def decide(session: Session, settings: Settings, person: str, number: int, decision: ExtensionDecision) -> Extension:
    """Grant or refuse a request.

    :raises NotAllowed: the reviewer is or was a member of the project, or of its organisation since it began.
    :raises Conflict: another reviewer has decided, or somebody else changed the project at the same time.
    """
    row = session.get(ExtensionRow, number)
    if row is None:
        raise NotFound("There is no such extension request.")
    project = row.project
    begin = min(row.created, datetime.combine(project.starts, time(), tzinfo=UTC))
    affiliations = organisations.affiliations(session, person)
    is_own_organisation = organisations.belonged_since(affiliations, project.organisation_id, begin)
    if is_own_organisation or was_member(session, project, person):
        raise NotAllowed("You cannot decide on an extension of your own project.")
    state = ExtensionState.GRANTED if decision.grant else ExtensionState.REFUSED
    result = session.execute(
        update(ExtensionRow)
        .where(ExtensionRow.id == number, ExtensionRow.state == ExtensionState.OPEN)
        .values(state=state, answer=decision.answer)
        .execution_options(synchronize_session=False)
    )
    if result.rowcount != 1:  # type: ignore[attr-defined]
        session.rollback()
        session.refresh(row)
        raise Conflict(f"This extension is already {row.state}.", field="state")
    if decision.grant:
        _extend(project, row, policy.today(settings))
        save(session)
    text = f"{decision.answer}\n"
    notify(session, settings, project, subject=f"extension {state}", text=text, key=f"extension-{number}")
    audit.record(
        session,
        who=person,
        what=f"extension {state}",
        on=audit_name(project),
        after={"until": str(project.until), "cpu_hours": project.cpu_hours, "gpu_hours": project.gpu_hours},
    )
    session.commit()
    session.refresh(row)
    return _extension(row)


def _extend(project: Project, row: ExtensionRow, today: date) -> None:
    """Add months after the last day, or from today if that has passed; the worker updates the phase."""
    if row.months and project.until is not None:
        project.until = calendar.extended(project.until, row.months, today)
    project.cpu_hours += row.cpu_hours
    project.gpu_hours += row.gpu_hours
    mark_changed(project)


def _extension(row: ExtensionRow) -> Extension:
    return Extension(
        id=row.id,
        project=row.project.slug,
        by=row.by,
        months=row.months,
        cpu_hours=row.cpu_hours,
        gpu_hours=row.gpu_hours,
        reason=row.reason,
        state=row.state,
        answer=row.answer,
        created=row.created,
    )
