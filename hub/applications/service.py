"""Applications of the people who write them: drafts, submission, messages, withdrawal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from hub.applications import aiact, checks, versions, views
from hub.applications.models import (
    EDITABLE,
    Application,
    ApplicationState,
    ApplicationSummary,
    Draft,
    Form,
    Gap,
    MessageKind,
    SelfCheck,
    Version,
)
from hub.applications.tables import ApplicationRow, MessageRow
from hub.audit import service as audit
from hub.calls import programme as policy
from hub.calls import service as calls
from hub.calls.adviser import decision_by
from hub.calls.calendar import day_in
from hub.calls.models import CallStatus, OrganisationKind, Programme
from hub.db.base import now
from hub.errors import Conflict, InvalidInput, NotFound
from hub.formats import day
from hub.mail import service as mail
from hub.organisations import service as organisations
from hub.organisations.models import Profile
from hub.settings import Settings

DRAFTS = 50
"""Drafts of one person at a time: more than anybody needs, and a limit for a faulty script."""
GIVEN_UP = (ApplicationState.WITHDRAWN, ApplicationState.DELETED)


def start(session: Session, programme: Programme, person: str, form: Form, *, after: int | None = None) -> Application:
    """Create a draft.

    :param after: number of the newest application that the person's page knows, 0 for none. Two pages that are saved
        for the first time make one draft.
    :raises Conflict: there are :data:`DRAFTS` of them, or there is a newer application than ``after``.
    """
    if after is not None and _newest(session, person) > after:
        raise _begun_elsewhere()
    open_drafts = session.scalars(
        select(ApplicationRow.id).where(ApplicationRow.owner == person, ApplicationRow.state == ApplicationState.DRAFT)
    ).all()
    if len(open_drafts) >= DRAFTS:
        raise Conflict(f"You already have {len(open_drafts)} drafts.", hint="Submit or delete one first.")
    moment = now()
    row = ApplicationRow(
        owner=person,
        state=ApplicationState.DRAFT,
        begun_after=after,
        revision=1,
        form=form.model_dump(mode="json"),
        version=0,
        created=moment,
        changed=moment,
        title=form.title,
        reviews_needed=1,
        reason="",
        cpu_hours=0,
        gpu_hours=0,
        storage_gb=0,
    )
    session.add(row)
    try:
        session.commit()
    except IntegrityError as error:
        session.rollback()
        raise _begun_elsewhere() from error
    return _application(session, programme, row, person)


def delete_draft(session: Session, person: str, number: int) -> None:
    """Delete a draft that was never submitted; its number is not used again, so that no open page writes to another.

    :raises Conflict: it is no draft any more, or was submitted before.
    """
    row = _own(session, person, number)
    if row.version:
        raise Conflict("This application was submitted before.", field="state", hint="You can withdraw it.")
    columns = {"state": ApplicationState.DELETED, "changed": now(), "begun_after": None, "title": "", "form": {}}
    _update_in_state(session, row, (ApplicationState.DRAFT,), columns)
    session.execute(delete(MessageRow).where(MessageRow.application_id == number))
    audit.record(session, who=person, what="draft deleted", on=views.audit_name(number))
    session.commit()


def save(session: Session, programme: Programme, person: str, number: int, draft: Draft) -> Application:
    """Store a draft; raises :class:`Conflict` when another device stored it since ``draft`` was read."""
    row = _own(session, person, number)
    changes = {
        "form": draft.form.model_dump(mode="json"),
        "revision": draft.revision + 1,
        "changed": now(),
        # The review desk shows the title of the submitted version.
        **({"title": draft.form.title} if row.state is ApplicationState.DRAFT else {}),
    }
    _claim(session, row, draft.revision, changes)
    session.commit()
    session.refresh(row)
    return _application(session, programme, row, person)


def submit(session: Session, settings: Settings, person: str, number: int, revision: int) -> Application:
    """Store the draft as a version that never changes, and put it on the review desk.

    :raises InvalidInput: something is missing; names the first missing field and keeps the draft.
    :raises Conflict: the draft has another revision, or the application is not editable.
    """
    programme, moment = policy.current(settings), now()
    row = _own(session, person, number)
    form, profile = Form.model_validate(row.form), organisations.profile(session, programme, person)
    status = _status(session, programme, row, form, moment)
    gaps = _gaps(session, programme, row, profile, moment)
    if row.state in EDITABLE and gaps:
        more = f"{len(gaps) - 1} more to do." if len(gaps) > 1 else ""
        raise InvalidInput(gaps[0].message, field=gaps[0].field, hint=more)
    if status is None or profile.organisation is None:  # gaps of an editable application include both
        raise state_conflict(row)
    mode = programme.mode(status.call.mode)
    due = decision_by(programme, mode, status, moment)
    columns = {
        "state": ApplicationState.SUBMITTED,
        "revision": revision + 1,
        "version": row.version + 1,
        "organisation_id": profile.organisation.id,
        "changed": moment,
        "submitted": moment,
        "title": form.title,
        "call": status.call.slug,
        "mode": mode.id,
        "sector": form.sector,
        "due": due,
        "reviews_needed": mode.reviewers,
    }
    _claim(session, row, revision, columns)
    versions.store(session, row.id, versions.build(programme, row.version + 1, form, profile, moment))
    after = {"version": row.version + 1}
    audit.record(session, who=person, what="application submitted", on=views.audit_name(row.id), after=after)
    for reviewer in sorted(settings.login.reviewers - {person}):
        mail.write_to(
            session,
            reviewer,
            settings,
            subject=f"{views.reference(row.id)} waits for review",
            text=f"{mode.title}: {views.reference(row.id)} was submitted.\nA decision is due by {day(due)}.\n",
            key=f"application-{row.id}-{row.version + 1}-to-{reviewer}",
        )
    versions.commit(session)
    session.refresh(row)
    return _application(session, programme, row, person)


def withdraw(session: Session, programme: Programme, person: str, number: int) -> Application:
    """Withdraw an application; raises :class:`Conflict` once it is decided."""
    row = _own(session, person, number)
    previous_state = row.state
    undecided = (*EDITABLE, ApplicationState.SUBMITTED)
    _update_in_state(session, row, undecided, {"state": ApplicationState.WITHDRAWN, "changed": now()})
    audit.record(
        session,
        who=person,
        what="application withdrawn",
        on=views.audit_name(number),
        before={"state": previous_state},
        after={"state": ApplicationState.WITHDRAWN},
    )
    session.commit()
    session.refresh(row)
    return _application(session, programme, row, person)


def send_message(session: Session, programme: Programme, person: str, number: int, text: str) -> Application:
    """Send a message to the reviewers."""
    row = _own(session, person, number)
    add_message(session, number, person, MessageKind.MESSAGE, text)
    session.commit()
    return _application(session, programme, row, person)


def of_person(session: Session, person: str) -> tuple[ApplicationSummary, ...]:
    """Applications of a person, and those that their organisation submitted; last changed first, at most 200."""
    organisation = organisations.organisation_of(session, person)
    readable = ApplicationRow.owner == person
    if organisation is not None:
        readable = or_(readable, ApplicationRow.organisation_id == organisation)
    query = select(ApplicationRow).where(readable, ApplicationRow.state != ApplicationState.DELETED)
    rows = session.scalars(query.order_by(ApplicationRow.changed.desc()).limit(200))
    return tuple(views.summary(row, person) for row in rows)


def latest(session: Session, person: str) -> ApplicationSummary | None:
    """The person's own application that was changed last, without withdrawn ones; None if there is none."""
    row = session.scalar(
        select(ApplicationRow)
        .where(ApplicationRow.owner == person, ApplicationRow.state.not_in(GIVEN_UP))
        .order_by(ApplicationRow.changed.desc())
        .limit(1)
    )
    return views.summary(row, person) if row else None


def get(session: Session, programme: Programme, person: str, number: int) -> Application:
    """An application of the person or their organisation; raises :class:`NotFound` for any other."""
    return _application(session, programme, _readable(session, person, number), person)


def version_of(session: Session, person: str, number: int, version: int) -> Version:
    """A submitted version of an application that the person may read; raises :class:`NotFound`."""
    return versions.stored_version(session, _readable(session, person, number).id, version)


def preview(session: Session, programme: Programme, person: str, number: int) -> Version:
    """The version that submitting the draft now would store, with the number 0."""
    row = _own(session, person, number)
    profile = organisations.profile(session, programme, person)
    return versions.build(programme, 0, Form.model_validate(row.form), profile, now())


def add_message(session: Session, number: int, author: str, kind: MessageKind, text: str) -> None:
    """Add a message to the caller's transaction."""
    session.add(MessageRow(application_id=number, at=now(), author=author, kind=kind, text=text))


def state_conflict(row: ApplicationRow) -> Conflict:
    """The refusal of a change that the application's state does not allow."""
    return Conflict(f"This application is {row.state}.", field="state")


def _newest(session: Session, person: str) -> int:
    """Number of the person's newest application, 0 if there is none."""
    query = select(func.max(ApplicationRow.id))
    query = query.where(ApplicationRow.owner == person, ApplicationRow.state != ApplicationState.DELETED)
    return session.scalar(query) or 0


def _begun_elsewhere() -> Conflict:
    return Conflict("You began this application in another tab or on another device.", field="after")


def _own(session: Session, person: str, number: int) -> ApplicationRow:
    row = session.get(ApplicationRow, number)
    if row is None or row.owner != person:
        raise _unknown_application(number)
    return _unless_deleted(row)


def _unless_deleted(row: ApplicationRow) -> ApplicationRow:
    if row.state is ApplicationState.DELETED:
        raise NotFound("You deleted this draft.", field="number", hint="Start another application.")
    return row


def _readable(session: Session, person: str, number: int) -> ApplicationRow:
    row = session.get(ApplicationRow, number)
    if row is not None and row.owner != person:
        organisation = organisations.organisation_of(session, person)
        row = row if organisation is not None and row.organisation_id == organisation else None
    if row is None:
        raise _unknown_application(number)
    return _unless_deleted(row)


def _unknown_application(number: int) -> NotFound:
    return NotFound(f"You have no application {views.reference(number)}.")


def _claim(session: Session, row: ApplicationRow, revision: int, columns: dict[str, object]) -> None:
    """Change an editable application that is still at ``revision``; raises :class:`Conflict` for the second of two."""
    result = session.execute(
        update(ApplicationRow)
        .where(ApplicationRow.id == row.id, ApplicationRow.revision == revision, ApplicationRow.state.in_(EDITABLE))
        .values(columns)
        .execution_options(synchronize_session=False)
    )
    if result.rowcount != 1:  # type: ignore[attr-defined]
        session.rollback()
        session.refresh(row)
        if row.state not in EDITABLE:
            raise state_conflict(row)
        raise Conflict("This application was changed on another device after you opened it here.", field="revision")


def _update_in_state(
    session: Session, row: ApplicationRow, states: Sequence[ApplicationState], columns: dict[str, object]
) -> None:
    result = session.execute(
        update(ApplicationRow)
        .where(ApplicationRow.id == row.id, ApplicationRow.state.in_(states))
        .values(columns)
        .execution_options(synchronize_session=False)
    )
    if result.rowcount != 1:  # type: ignore[attr-defined]
        session.rollback()
        session.refresh(row)
        raise state_conflict(row)


def _status(
    session: Session, programme: Programme, row: ApplicationRow, form: Form, moment: datetime
) -> CallStatus | None:
    """Status of the call that the draft names, for this application; None if it names none."""
    if form.call is None or programme.call(form.call) is None:
        return None
    status = calls.status(session, programme, form.call, moment)
    if row.state is not ApplicationState.CHANGES_REQUESTED or row.call is None or programme.call(row.call) is None:
        return status
    if form.call != row.call:
        return status.model_copy(update={"accepts": False, "why_not": f"Reviewers wait for changes to {row.call}."})
    return _status_of_amendment(session, programme, row, status)


def _status_of_amendment(session: Session, programme: Programme, row: ApplicationRow, status: CallStatus) -> CallStatus:
    """Status of its call for an application that arrived in time: it may be amended whatever became of the call."""
    submitted = versions.submitted_versions(session, row.id)
    arrived = min(version.submitted for version in submitted if version.form.call == row.call)
    at_arrival = calls.status(session, programme, status.call.slug, arrived)
    full_systems = set(status.full_systems) - set(submitted[-1].form.resources.systems)
    return status.model_copy(
        update={
            "accepts": True,
            "why_not": "",
            "full_systems": tuple(sorted(full_systems)),
            "next_cut_off": at_arrival.next_cut_off,
            "planned": at_arrival.planned,
        }
    )


def _gaps(
    session: Session, programme: Programme, row: ApplicationRow, profile: Profile, moment: datetime
) -> tuple[Gap, ...]:
    form = Form.model_validate(row.form)
    status = _status(session, programme, row, form, moment)
    organisation = profile.organisation.form if profile.organisation else None
    accepted_kind = _accepted_kind(session, row, form)
    return checks.gaps(programme, status, form, profile.form, organisation, moment=moment, accepted_kind=accepted_kind)


def _accepted_kind(session: Session, row: ApplicationRow, form: Form) -> OrganisationKind | None:
    """Kind of the organisation of the last version, if reviewers wait for changes to it in the same call."""
    if row.state is not ApplicationState.CHANGES_REQUESTED or form.call != row.call:
        return None
    return versions.stored_version(session, row.id, row.version).organisation.kind


def _application(session: Session, programme: Programme, row: ApplicationRow, reader: str) -> Application:
    gaps: tuple[Gap, ...] = ()
    moment = now()
    if row.state in EDITABLE and row.owner == reader:
        gaps = _gaps(session, programme, row, organisations.profile(session, programme, row.owner), moment)
    self_check = _self_check(session, programme, row, moment)
    return views.application(session, row, reader, self_check=self_check, gaps=gaps)


def _self_check(session: Session, programme: Programme, row: ApplicationRow, moment: datetime) -> SelfCheck:
    """Of the draft by today's questions, or of the last version by those that it answered."""
    if row.version and row.state not in EDITABLE:
        return versions.stored_version(session, row.id, row.version).self_check
    return aiact.check(programme, Form.model_validate(row.form), day_in(programme.zone, moment))
