"""The review desk: declarations of interest, reviews, messages, and one decision for each application."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from hub.applications import checks, versions, views
from hub.applications import service as applications
from hub.applications.models import DECIDED, ApplicationState, MessageKind, Version
from hub.applications.tables import ApplicationRow
from hub.audit import service as audit
from hub.calls import programme as policy
from hub.calls.calendar import day_in
from hub.calls.models import Programme, System
from hub.db.base import now
from hub.errors import Conflict, InvalidInput, NotAllowed, NotFound
from hub.formats import day, quantity
from hub.mail import service as mail
from hub.organisations import service as organisations
from hub.projects import service as projects
from hub.projects.models import Award
from hub.reviews import queue
from hub.reviews.models import (
    AskBack,
    Case,
    ConflictDeclaration,
    DecisionForm,
    QueueEntry,
    Review,
    ReviewForm,
)
from hub.reviews.tables import ReviewRow
from hub.settings import Settings


def declare(
    session: Session, programme: Programme, reviewer: str, number: int, declaration: ConflictDeclaration
) -> QueueEntry:
    """Store whether the reviewer has a conflict of interest; a declaration cannot be changed."""
    row = _on_desk(session, reviewer, number)
    session.add(
        ReviewRow(
            application_id=number,
            reviewer=reviewer,
            conflict=declaration.conflict,
            remarks=declaration.remarks,
            declared=now(),
            version=0,
            scores={},
            comment="",
            cpu_hours=0,
            gpu_hours=0,
            approve=False,
        )
    )
    audit.record(
        session,
        who=reviewer,
        what="conflict of interest declared" if declaration.conflict else "no conflict of interest declared",
        on=views.audit_name(number),
        after={"conflict": declaration.conflict},
    )
    try:
        session.commit()
    except IntegrityError as error:
        session.rollback()
        message = "You have already declared whether you have a conflict of interest."
        raise Conflict(message, hint="An admin can read your declaration.") from error
    return queue.entry(session, programme, reviewer, row)


def case(session: Session, programme: Programme, reviewer: str, number: int) -> Case:
    """The version under review, for a reviewer who has declared no conflict of interest."""
    row, own = _reviewable(session, reviewer, number)
    return _case(session, programme, reviewer, row, own)


def review(session: Session, programme: Programme, reviewer: str, number: int, form: ReviewForm) -> Case:
    """Store scores and a recommendation; they can be changed until the decision."""
    row, own = _reviewable(session, reviewer, number)
    _check_under_review(row, form.version)
    _check_scores(programme, form.scores)
    own.version, own.scores, own.comment = form.version, dict(form.scores), form.comment
    own.cpu_hours, own.gpu_hours, own.approve, own.at = form.cpu_hours, form.gpu_hours, form.approve, now()
    audit.record(
        session,
        who=reviewer,
        what="reviewed",
        on=views.audit_name(number),
        after={"version": form.version, "approve": form.approve},
    )
    session.commit()
    return _case(session, programme, reviewer, row, own)


def request_changes(session: Session, settings: Settings, reviewer: str, number: int, request: AskBack) -> Case:
    """Return the application to its owner for changes; the next version is reviewed anew."""
    row, own = _reviewable(session, reviewer, number)
    _update_under_review(session, row, request.version, {"state": ApplicationState.CHANGES_REQUESTED, "changed": now()})
    applications.add_message(session, number, reviewer, MessageKind.CHANGES, request.text)
    _notify_owner(
        session,
        settings,
        row,
        subject="changes requested",
        text=f"Reviewers ask you to amend it:\n\n{request.text}\n",
        key=f"changes-{request.version}",
    )
    audit.record(session, who=reviewer, what="changes requested", on=views.audit_name(number))
    session.commit()
    session.refresh(row)
    return _case(session, policy.current(settings), reviewer, row, own)


def send_message(session: Session, programme: Programme, reviewer: str, number: int, text: str) -> Case:
    """Send a message to the applicant, without the reviewer's name."""
    row, own = _reviewable(session, reviewer, number)
    applications.add_message(session, number, reviewer, MessageKind.MESSAGE, text)
    session.commit()
    return _case(session, programme, reviewer, row, own)


def decide(session: Session, settings: Settings, reviewer: str, number: int, form: DecisionForm) -> Case:
    """Decide on the application. An approval creates a project, which the worker provisions.

    :raises Conflict: reviews are missing, another version is under review, another reviewer decided first, or an
        approval would be for systems that the programme no longer has, or for a start that is too far away.
    """
    programme = policy.current(settings)
    row, own = _reviewable(session, reviewer, number)
    _check_under_review(row, form.version)
    if own.version != form.version or own.at is None:
        raise Conflict("Review this version first.", hint="Give scores and a recommendation, then decide.")
    if (count := _count_reviews(session, row)) < row.reviews_needed:
        raise Conflict(f"There are {count} of {row.reviews_needed} reviews.", hint="Wait for the other reviewer.")
    award = _award(session, programme, row, form) if form.approve else None
    moment = now()
    state = ApplicationState.APPROVED if form.approve else ApplicationState.REJECTED
    hours = {"cpu_hours": form.cpu_hours, "gpu_hours": form.gpu_hours, "storage_gb": form.storage_gb}
    decision = {"state": state, "decided": moment, "decided_by": reviewer, "reason": form.reason, "changed": moment}
    _update_under_review(session, row, form.version, {**decision, **(hours if form.approve else {})})
    outcome = "rejected"
    if award is not None:
        outcome = "approved"
        project = projects.award(session, award, who=reviewer, today=day_in(programme.zone, moment)).id
        session.execute(update(ApplicationRow).where(ApplicationRow.id == number).values(project_id=project))
    _notify_owner(session, settings, row, subject=outcome, text=_decision_text(award, form), key="decision")
    applications.add_message(session, number, reviewer, MessageKind.DECISION, form.reason)
    audit.record(
        session,
        who=reviewer,
        what=outcome,
        on=views.audit_name(number),
        before={"state": ApplicationState.SUBMITTED},
        after={"reason": form.reason, **(hours if form.approve else {})},
    )
    session.commit()
    session.refresh(row)
    return _case(session, programme, reviewer, row, own)


# -- inside -----------------------------------------------------------------------------------------------------------


def _award(session: Session, programme: Programme, row: ApplicationRow, form: DecisionForm) -> Award:
    version = versions.stored_version(session, row.id, form.version)
    resources = version.form.resources
    systems = _systems(programme, resources.systems)
    today, latest_start = day_in(programme.zone, now()), checks.latest_start(programme, now())
    if resources.starts is not None and resources.starts > latest_start:
        raise Conflict(
            f"The application asks for a start after {day(latest_start)}.",
            field="starts",
            hint="Ask the applicant for an earlier start, then decide.",
        )
    return Award(
        title=version.form.title,
        reference=row.id,
        lead=row.owner,
        organisation_id=version.organisation_id,
        call=row.call or "",
        cpu_hours=form.cpu_hours,
        gpu_hours=form.gpu_hours,
        storage_gb=form.storage_gb,
        months=resources.months or 1,
        starts=max(resources.starts or today, today),
        partitions=tuple(dict.fromkeys(name for system in systems for name in system.partitions)),
        qos=tuple(dict.fromkeys(name for system in systems for name in system.qos)),
    )


def _systems(programme: Programme, names: Sequence[str]) -> list[System]:
    """The systems that an application names; each has a partition, because none would mean all of Slurm's.

    :raises Conflict: the programme no longer has one of them.
    """
    systems = [system for name in names if (system := programme.system(name)) is not None and system.partitions]
    if not systems or len(systems) < len(names):
        available = {system.id for system in systems}
        missing = next((name for name in names if name not in available), "that it names")
        raise Conflict(
            f"The programme no longer has the system {missing}.",
            field="systems",
            hint="Ask the applicant to choose another system, then decide.",
        )
    return systems


def _decision_text(award: Award | None, form: DecisionForm) -> str:
    if award is None:
        return f"It was not approved, for this reason:\n\n{form.reason}\n"
    return (
        f"It was approved with {quantity(form.gpu_hours)} GPU hours and {quantity(form.cpu_hours)} core hours.\n\n"
        f"{form.reason}\n\n"
        f"Your project begins on {day(award.starts)}. "
        "Another mail tells you when it is ready and what to do first.\n"
    )


def _notify_owner(
    session: Session, settings: Settings, row: ApplicationRow, *, subject: str, text: str, key: str
) -> None:
    mail.write_to(
        session,
        row.owner,
        settings,
        subject=f"Your application {views.reference(row.id)}: {subject}",
        text=f"{row.title}\n\n{text}\n{settings.site.public_url}\n",
        key=f"application-{row.id}-{key}",
    )


def _on_desk(session: Session, reviewer: str, number: int) -> ApplicationRow:
    row = session.get(ApplicationRow, number)
    if row is None or row.state not in queue.ON_THE_DESK:
        raise NotFound("The review desk has no application with this number.")
    if reason := queue.bar_reason(row, reviewer, organisations.affiliations(session, reviewer)):
        raise NotAllowed(reason)
    return row


def _reviewable(session: Session, reviewer: str, number: int) -> tuple[ApplicationRow, ReviewRow]:
    """An application with the reviewer's own row; raises :class:`NotAllowed` unless they declared no conflict."""
    row = _on_desk(session, reviewer, number)
    own = session.scalar(select(ReviewRow).where(ReviewRow.application_id == number, ReviewRow.reviewer == reviewer))
    if own is None:
        raise NotAllowed("First declare whether you have a conflict of interest.", field="conflict")
    if own.conflict:
        raise NotAllowed("You declared a conflict of interest in this application.", field="conflict")
    return row, own


def _check_under_review(row: ApplicationRow, version: int) -> None:
    if row.state in DECIDED:
        raise Conflict(f"This application is already {row.state} by {row.decided_by}.", field="state")
    if row.state is not ApplicationState.SUBMITTED:
        raise applications.state_conflict(row)
    if row.version != version:
        raise Conflict(f"Version {row.version} is under review, not {version}.", field="version")


def _update_under_review(session: Session, row: ApplicationRow, version: int, columns: dict[str, object]) -> None:
    """Change an application under review; raises :class:`Conflict` for the second of two reviewers at once."""
    result = session.execute(
        update(ApplicationRow)
        .where(
            ApplicationRow.id == row.id,
            ApplicationRow.state == ApplicationState.SUBMITTED,
            ApplicationRow.version == version,
        )
        .values({**columns, "revision": ApplicationRow.revision + 1})
        .execution_options(synchronize_session=False)
    )
    if result.rowcount != 1:  # type: ignore[attr-defined]
        session.rollback()
        session.refresh(row)
        _check_under_review(row, version)


def _check_scores(programme: Programme, scores: dict[str, int]) -> None:
    for criterion in programme.criteria:
        score = scores.get(criterion.id)
        if score is None or not 0 <= score <= criterion.best:
            raise InvalidInput(
                f"Give {criterion.title} a score from 0 to {criterion.best}.", field=f"scores.{criterion.id}"
            )
    if unknown := sorted(scores.keys() - {criterion.id for criterion in programme.criteria}):
        raise InvalidInput("Unknown criterion.", field=f"scores.{unknown[0]}")


def _count_reviews(session: Session, row: ApplicationRow) -> int:
    query = select(func.count()).select_from(ReviewRow)
    return session.scalar(query.where(ReviewRow.application_id == row.id, ReviewRow.version == row.version)) or 0


def _case(session: Session, programme: Programme, reviewer: str, row: ApplicationRow, own: ReviewRow) -> Case:
    # Others' reviews stay hidden until the reviewer's own is stored, so that nobody is influenced.
    shows_all = own.version == row.version or row.state in DECIDED
    reviews = session.scalars(
        select(ReviewRow).where(ReviewRow.application_id == row.id, ReviewRow.at.is_not(None)).order_by(ReviewRow.at)
    )
    return Case(
        entry=queue.entry(session, programme, reviewer, row),
        version=versions.stored_version(session, row.id, row.version),
        previous=_previous_version(session, row, own),
        reviews=tuple(_review(review) for review in reviews if shows_all or review.reviewer == reviewer),
        messages=views.messages(session, row, for_reviewers=True),
        decision=views.decision(session, row),
    )


def _previous_version(session: Session, row: ApplicationRow, own: ReviewRow) -> Version | None:
    """The version that the reviewer compares the current one with: their last one, or else the one before it."""
    previous = own.version if 0 < own.version < row.version else row.version - 1
    return versions.stored_version(session, row.id, previous) if previous else None


def _review(row: ReviewRow) -> Review:
    return Review(
        reviewer=row.reviewer,
        version=row.version,
        scores=row.scores,
        comment=row.comment,
        cpu_hours=row.cpu_hours,
        gpu_hours=row.gpu_hours,
        approve=row.approve,
        at=row.at or row.declared,
    )
