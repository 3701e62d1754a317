"""The review desk: who may look, what they say, and one decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, Select, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, defer, joinedload

from hub.applications import service as applications
from hub.applications.models import DECIDED, ApplicationState, MessageKind
from hub.applications.tables import ApplicationRow
from hub.audit import service as audit
from hub.calls import programme as policy
from hub.calls.calendar import working_days_between
from hub.calls.models import Programme
from hub.db.base import now
from hub.errors import Conflict, InvalidInput, NotAllowed, NotFound
from hub.mail import service as mail
from hub.organisations import service as organisations
from hub.projects import service as projects
from hub.projects.models import Award
from hub.reviews.models import (
    AskBack,
    Case,
    ConflictDeclaration,
    DecisionForm,
    Queue,
    QueueEntry,
    QueueFilter,
    Review,
    ReviewForm,
)
from hub.reviews.tables import ReviewRow
from hub.settings import Settings

PAGE = 50
ON_THE_DESK = (ApplicationState.SUBMITTED, ApplicationState.CHANGES_REQUESTED, *sorted(DECIDED))


def queue(session: Session, programme: Programme, reviewer: str, wanted: QueueFilter, moment: datetime) -> Queue:
    """A page of the queue, what is due first on top. Costs the same few queries however long the queue is."""
    conditions = _conditions(wanted, moment.date())
    total = session.scalar(select(func.count()).select_from(ApplicationRow).where(*conditions)) or 0
    rows = session.scalars(_ordered(wanted).where(*conditions).offset(wanted.offset).limit(PAGE)).all()
    desk = _desk(session, reviewer, rows)
    return Queue(entries=tuple(_queued(programme, row, desk, moment) for row in rows), total=total)


def declare(
    session: Session, programme: Programme, reviewer: str, number: int, said: ConflictDeclaration
) -> QueueEntry:
    """Say whether one has a conflict of interest; what was said once about an application stays."""
    row = _on_desk(session, reviewer, number)
    session.add(
        ReviewRow(
            application_id=number,
            reviewer=reviewer,
            conflict=said.conflict,
            remarks=said.remarks,
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
        what="conflict of interest declared",
        on=applications.on(number),
        after={"conflict": said.conflict},
    )
    try:
        session.commit()
    except IntegrityError as error:
        session.rollback()
        raise Conflict("You have declared yourself already.", hint="An admin can tell you what you said.") from error
    return _entry(session, programme, reviewer, row)


def case(session: Session, programme: Programme, reviewer: str, number: int) -> Case:
    """The application as submitted, for a reviewer who declared to be free of conflict."""
    row, own = _free_of_conflict(session, reviewer, number)
    return _case(session, programme, reviewer, row, own)


def review(session: Session, programme: Programme, reviewer: str, number: int, said: ReviewForm) -> Case:
    """Scores and a recommendation on the version under review; may be changed until there is a decision."""
    row, own = _free_of_conflict(session, reviewer, number)
    _under_review(row, said.version)
    _check_scores(programme, said.scores)
    own.version, own.scores, own.comment = said.version, dict(said.scores), said.comment
    own.cpu_hours, own.gpu_hours, own.approve, own.at = said.cpu_hours, said.gpu_hours, said.approve, now()
    audit.record(
        session,
        who=reviewer,
        what="reviewed",
        on=applications.on(number),
        after={"version": said.version, "approve": said.approve},
    )
    session.commit()
    return _case(session, programme, reviewer, row, own)


def ask_back(session: Session, settings: Settings, reviewer: str, number: int, said: AskBack) -> Case:
    """Send it back to be amended; a new version begins a new review."""
    row, own = _free_of_conflict(session, reviewer, number)
    _move(session, row, said.version, {"state": ApplicationState.CHANGES_REQUESTED, "changed": now()})
    applications.add_message(session, number, reviewer, MessageKind.CHANGES, said.text)
    _tell_owner(
        session,
        settings,
        row,
        subject="changes requested",
        text=f"Reviewers ask you to amend it:\n\n{said.text}\n",
        key=f"changes-{said.version}",
    )
    audit.record(session, who=reviewer, what="changes requested", on=applications.on(number))
    session.commit()
    session.refresh(row)
    return _case(session, policy.current(settings), reviewer, row, own)


def say(session: Session, programme: Programme, reviewer: str, number: int, text: str) -> Case:
    """A message to the applicant, who is not told from whom."""
    row, own = _free_of_conflict(session, reviewer, number)
    applications.add_message(session, number, reviewer, MessageKind.MESSAGE, text)
    session.commit()
    return _case(session, programme, reviewer, row, own)


def decide(session: Session, settings: Settings, reviewer: str, number: int, said: DecisionForm) -> Case:
    """The one decision. Approved, a project is written down with it, and the worker makes it real.

    :raises Conflict: reviews are missing, another version is under review, or somebody decided first.
    """
    programme = policy.current(settings)
    row, own = _free_of_conflict(session, reviewer, number)
    _under_review(row, said.version)
    if own.version != said.version or own.at is None:
        raise Conflict("Review this version first.", hint="Give scores and a recommendation, then decide.")
    if (done := _count_reviews(session, row)) < row.reviews_needed:
        raise Conflict(f"{done} of {row.reviews_needed} reviews are in.", hint="Wait for the other reviewer.")
    moment = now()
    state = ApplicationState.APPROVED if said.approve else ApplicationState.REJECTED
    hours = {"cpu_hours": said.cpu_hours, "gpu_hours": said.gpu_hours, "storage_gb": said.storage_gb}
    decision = {"state": state, "decided": moment, "decided_by": reviewer, "reason": said.reason, "changed": moment}
    _move(session, row, said.version, {**decision, **(hours if said.approve else {})})
    outcome = "rejected"
    if said.approve:
        outcome = "approved"
        project = _award(session, programme, row, said, reviewer)
        session.execute(update(ApplicationRow).where(ApplicationRow.id == number).values(project_id=project))
    _tell_owner(session, settings, row, subject=outcome, text=_letter(outcome, said), key="decision")
    applications.add_message(session, number, reviewer, MessageKind.DECISION, said.reason)
    audit.record(
        session,
        who=reviewer,
        what=outcome,
        on=applications.on(number),
        before={"state": ApplicationState.SUBMITTED},
        after={"reason": said.reason, **(hours if said.approve else {})},
    )
    session.commit()
    session.refresh(row)
    return _case(session, programme, reviewer, row, own)


# -- inside -----------------------------------------------------------------------------------------------------------


def _award(session: Session, programme: Programme, row: ApplicationRow, said: DecisionForm, reviewer: str) -> int:
    version = applications.stored_version(session, row.id, said.version)
    wanted, systems = version.form.resources, [programme.system(name) for name in version.form.resources.systems]
    named = [system for system in systems if system is not None]
    return projects.award(
        session,
        Award(
            title=version.form.title,
            reference=row.id,
            lead=row.owner,
            organisation_id=version.organisation_id,
            call=row.call or "",
            cpu_hours=said.cpu_hours,
            gpu_hours=said.gpu_hours,
            storage_gb=said.storage_gb,
            months=wanted.months or 1,
            starts=max(filter(None, (wanted.starts, now().date()))),
            partitions=tuple(dict.fromkeys(name for system in named for name in system.partitions)),
            qos=tuple(dict.fromkeys(name for system in named for name in system.qos)),
        ),
        who=reviewer,
    ).id


def _letter(outcome: str, said: DecisionForm) -> str:
    if outcome == "rejected":
        return f"It was not approved, for this reason:\n\n{said.reason}\n"
    return (
        f"It was approved with {said.gpu_hours:,} GPU hours and {said.cpu_hours:,} core hours.\n\n{said.reason}\n\n"
        "Your project is being made; another mail says when it is ready and what to do first.\n"
    )


def _tell_owner(
    session: Session, settings: Settings, row: ApplicationRow, *, subject: str, text: str, key: str
) -> None:
    mail.enqueue(
        session,
        to=mail.address_of(row.owner, settings),
        subject=f"Your application {applications.reference(row.id)}: {subject}",
        text=f"{row.title}\n\n{text}\n{settings.site.public_url}\n",
        key=f"application-{row.id}-{key}",
    )


def _on_desk(session: Session, reviewer: str, number: int) -> ApplicationRow:
    row = session.get(ApplicationRow, number)
    if row is None or row.state not in ON_THE_DESK:
        raise NotFound("There is no such application on the review desk.")
    if reason := _barred(row, reviewer, organisations.organisation_of(session, reviewer)):
        raise NotAllowed(reason)
    return row


def _free_of_conflict(session: Session, reviewer: str, number: int) -> tuple[ApplicationRow, ReviewRow]:
    row = _on_desk(session, reviewer, number)
    own = session.scalar(select(ReviewRow).where(ReviewRow.application_id == number, ReviewRow.reviewer == reviewer))
    if own is None:
        raise NotAllowed("Declare first whether you have a conflict of interest.", field="conflict")
    if own.conflict:
        raise NotAllowed("You declared a conflict of interest: this application is for others.", field="conflict")
    return row, own


def _barred(row: ApplicationRow, reviewer: str, organisation: int | None) -> str:
    if row.owner == reviewer:
        return "This is your own application."
    if organisation is not None and organisation == row.organisation_id:
        return "Nobody reviews an application of their own organisation."
    return ""


def _under_review(row: ApplicationRow, version: int) -> None:
    if row.state is not ApplicationState.SUBMITTED:
        raise Conflict(_already(row), field="state")
    if row.version != version:
        raise Conflict(f"Version {row.version} is under review, not {version}.", field="version")


def _already(row: ApplicationRow) -> str:
    if row.state in DECIDED:
        return f"It is decided already: {row.state} by {row.decided_by}."
    return f"This application is {row.state}."


def _move(session: Session, row: ApplicationRow, version: int, columns: dict[str, object]) -> None:
    """From under review to the next state: of two reviewers at once, the second is told what the first decided."""
    moved = session.execute(
        update(ApplicationRow)
        .where(
            ApplicationRow.id == row.id,
            ApplicationRow.state == ApplicationState.SUBMITTED,
            ApplicationRow.version == version,
        )
        .values({**columns, "revision": ApplicationRow.revision + 1})
        .execution_options(synchronize_session=False)
    )
    if moved.rowcount != 1:  # type: ignore[attr-defined]
        session.rollback()
        session.refresh(row)
        _under_review(row, version)


def _check_scores(programme: Programme, scores: dict[str, int]) -> None:
    for criterion in programme.criteria:
        score = scores.get(criterion.id)
        if score is None or not 0 <= score <= criterion.best:
            raise InvalidInput(
                f"Give {criterion.title} a score from 0 to {criterion.best}.", field=f"scores.{criterion.id}"
            )
    if strangers := sorted(scores.keys() - {criterion.id for criterion in programme.criteria}):
        raise InvalidInput("There is no such criterion.", field=f"scores.{strangers[0]}")


def _count_reviews(session: Session, row: ApplicationRow) -> int:
    query = select(func.count()).select_from(ReviewRow)
    return session.scalar(query.where(ReviewRow.application_id == row.id, ReviewRow.version == row.version)) or 0


def _conditions(wanted: QueueFilter, today: date) -> list[ColumnElement[bool]]:
    table = ApplicationRow
    states = [state for state in ON_THE_DESK if wanted.state in (None, state)]
    conditions: list[ColumnElement[bool]] = [table.state.in_(states)]
    for column, value in ((table.call, wanted.call), (table.mode, wanted.mode), (table.sector, wanted.sector)):
        if value is not None:
            conditions.append(column == value)
    if wanted.overdue:
        conditions += [table.state == ApplicationState.SUBMITTED, table.due < today]
    return conditions


def _ordered(wanted: QueueFilter) -> Select[ApplicationRow]:
    newest = wanted.order == "newest"
    order = (ApplicationRow.submitted.desc(),) if newest else (ApplicationRow.due, ApplicationRow.id)
    # The draft is the longest column by far, and the desk does not look into it.
    options = (joinedload(ApplicationRow.organisation), defer(ApplicationRow.form))
    return select(ApplicationRow).options(*options).order_by(*order)


@dataclass(frozen=True)
class _Desk:
    """What a reviewer's view of a page of applications needs, read at once."""

    reviewer: str
    organisation: int | None
    own: dict[int, ReviewRow]
    done: dict[int, int]


def _desk(session: Session, reviewer: str, rows: Sequence[ApplicationRow]) -> _Desk:
    found = session.scalars(select(ReviewRow).where(ReviewRow.application_id.in_([row.id for row in rows]))).all()
    versions = {row.id: row.version for row in rows}
    done = dict.fromkeys(versions, 0)
    for one in found:
        done[one.application_id] += one.version == versions[one.application_id]
    own = {one.application_id: one for one in found if one.reviewer == reviewer}
    return _Desk(reviewer, organisations.organisation_of(session, reviewer), own, done)


def _entry(session: Session, programme: Programme, reviewer: str, row: ApplicationRow) -> QueueEntry:
    return _queued(programme, row, _desk(session, reviewer, [row]), now())


def _queued(programme: Programme, row: ApplicationRow, desk: _Desk, moment: datetime) -> QueueEntry:
    own = desk.own.get(row.id)
    submitted, due = row.submitted or row.changed, row.due or moment.date()
    waiting = row.state is ApplicationState.SUBMITTED
    return QueueEntry(
        id=row.id,
        reference=applications.reference(row.id),
        call=row.call or "",
        mode=row.mode or "",
        sector=row.sector or "",
        organisation=row.organisation.name if row.organisation else "",
        country=str(row.organisation.form.get("country", "")) if row.organisation else "",
        state=row.state,
        version=row.version,
        submitted=submitted,
        age_days=max(0, (moment - submitted).days),
        due=due,
        working_days_left=working_days_between(moment.date(), due, programme.holidays),
        overdue=waiting and moment.date() > due,
        reviews=desk.done[row.id],
        reviews_needed=row.reviews_needed,
        declared=own.conflict if own else None,
        reviewed=own is not None and own.version == row.version,
        barred=_barred(row, desk.reviewer, desk.organisation),
    )


def _case(session: Session, programme: Programme, reviewer: str, row: ApplicationRow, own: ReviewRow) -> Case:
    mine_is_in = own.version == row.version or row.state in DECIDED
    seen = session.scalars(
        select(ReviewRow).where(ReviewRow.application_id == row.id, ReviewRow.at.is_not(None)).order_by(ReviewRow.at)
    )
    return Case(
        entry=_entry(session, programme, reviewer, row),
        version=applications.stored_version(session, row.id, row.version),
        reviews=tuple(_as_review(one) for one in seen if mine_is_in or one.reviewer == reviewer),
        messages=applications.messages(session, row, for_reviewers=True),
        decision=applications.decision(session, row),
    )


def _as_review(row: ReviewRow) -> Review:
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
