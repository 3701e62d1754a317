"""The queue of the review desk: pages of applications with what a reviewer has declared and reviewed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session, defer, joinedload

from hub.applications.models import DECIDED, ApplicationState
from hub.applications.tables import ApplicationRow, VersionRow
from hub.applications.views import reference
from hub.calls.calendar import day_in, working_days_between
from hub.calls.models import Programme
from hub.db.base import now
from hub.organisations import service as organisations
from hub.reviews.models import Queue, QueueEntry, QueueFilter
from hub.reviews.tables import ReviewRow

PAGE = 50
ON_THE_DESK = (ApplicationState.SUBMITTED, ApplicationState.CHANGES_REQUESTED, *sorted(DECIDED))


def page(session: Session, programme: Programme, reviewer: str, query: QueueFilter, moment: datetime) -> Queue:
    """A page of the queue. The number of database queries does not depend on the queue's length."""
    conditions = _conditions(query, day_in(programme.zone, moment))
    total = session.scalar(select(func.count()).select_from(ApplicationRow).where(*conditions)) or 0
    rows = session.scalars(_ordered(query).where(*conditions).offset(query.offset).limit(PAGE)).all()
    desk = _desk(session, reviewer, rows)
    return Queue(entries=tuple(_entry(programme, row, desk, moment) for row in rows), total=total)


def entry(session: Session, programme: Programme, reviewer: str, row: ApplicationRow) -> QueueEntry:
    """One application as the queue shows it."""
    return _entry(programme, row, _desk(session, reviewer, [row]), now())


def bar_reason(row: ApplicationRow, reviewer: str, affiliations: Mapping[int, datetime | None]) -> str:
    """Why ``reviewer``, with these ``affiliations``, must not review the application; "" if they may.

    Who was a member of its organisation at any time since it was begun stays barred after leaving.
    """
    if row.owner == reviewer:
        return "This is your own application."
    if not organisations.belonged_since(affiliations, row.organisation_id, row.created):
        return ""
    if row.organisation_id is not None and affiliations[row.organisation_id] is None:
        return "This application is of your own organisation."
    return "You were a member of the organisation that applies."


def _conditions(query: QueueFilter, today: date) -> list[ColumnElement[bool]]:
    table = ApplicationRow
    states = [state for state in ON_THE_DESK if query.state in (None, state)]
    conditions: list[ColumnElement[bool]] = [table.state.in_(states)]
    for column, value in ((table.call, query.call), (table.mode, query.mode), (table.sector, query.sector)):
        if value is not None:
            conditions.append(column == value)
    if query.overdue:
        conditions += [table.state == ApplicationState.SUBMITTED, table.due < today]
    return conditions


def _ordered(query: QueueFilter) -> Select[ApplicationRow]:
    newest = query.order == "newest"
    order = (ApplicationRow.submitted.desc(),) if newest else (ApplicationRow.due, ApplicationRow.id)
    # The draft is the longest column by far, and the desk does not look into it.
    options = (joinedload(ApplicationRow.organisation), defer(ApplicationRow.form))
    return select(ApplicationRow).options(*options).order_by(*order)


@dataclass(frozen=True)
class _Desk:
    """What entries show beside their applications, for a page of them."""

    reviewer: str
    affiliations: Mapping[int, datetime | None]
    own: dict[int, ReviewRow]
    """The reviewer's own declarations and reviews, by application."""
    review_counts: dict[int, int]
    """Reviews of the current version, by application."""
    applicants: Mapping[int, str]
    """Names of those who apply, as submitted, by application."""


def _desk(session: Session, reviewer: str, rows: Sequence[ApplicationRow]) -> _Desk:
    query = select(ReviewRow).where(ReviewRow.application_id.in_([row.id for row in rows]))
    versions = {row.id: row.version for row in rows}
    review_counts = dict.fromkeys(versions, 0)
    own = {}
    for review in session.scalars(query):
        review_counts[review.application_id] += review.version == versions[review.application_id]
        if review.reviewer == reviewer:
            own[review.application_id] = review
    return _Desk(
        reviewer, organisations.affiliations(session, reviewer), own, review_counts, _applicants(session, versions)
    )


def _applicants(session: Session, versions: Mapping[int, int]) -> dict[int, str]:
    """Names of the applicants by application; ``versions`` are the submitted versions that count.

    Only names are read: the content of a version is long.
    """
    name = cast(Any, VersionRow.content)["profile"]["full_name"].as_string()
    query = select(VersionRow.application_id, VersionRow.number, VersionRow.by, name)
    rows = session.execute(query.where(VersionRow.application_id.in_(list(versions))))
    return {
        application: full_name or account
        for application, number, account, full_name in rows
        if number == versions[application]
    }


def _entry(programme: Programme, row: ApplicationRow, desk: _Desk, moment: datetime) -> QueueEntry:
    own = desk.own.get(row.id)
    today = day_in(programme.zone, moment)
    submitted, due = row.submitted or row.changed, row.due or today
    is_submitted = row.state is ApplicationState.SUBMITTED
    return QueueEntry(
        id=row.id,
        reference=reference(row.id),
        title=row.title,
        call=row.call or "",
        mode=row.mode or "",
        sector=row.sector or "",
        applicant=desk.applicants.get(row.id, row.owner),
        organisation=row.organisation.name if row.organisation else "",
        country=str(row.organisation.form.get("country", "")) if row.organisation else "",
        state=row.state,
        version=row.version,
        submitted=submitted,
        age_days=max(0, (moment - submitted).days),
        due=due,
        working_days_left=working_days_between(today, due, programme.holidays),
        overdue=is_submitted and today > due,
        reviews=desk.review_counts[row.id],
        reviews_needed=row.reviews_needed,
        declared=own.conflict if own else None,
        reviewed=own is not None and own.version == row.version,
        barred=bar_reason(row, desk.reviewer, desk.affiliations),
    )
