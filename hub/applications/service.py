"""Applications of the people who write them: drafts, submission, messages, withdrawal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from hub.applications import aiact, checks
from hub.applications.models import (
    DECIDED,
    EDITABLE,
    Application,
    ApplicationState,
    ApplicationSummary,
    Decision,
    Draft,
    Form,
    Gap,
    Message,
    MessageKind,
    Version,
)
from hub.applications.tables import ApplicationRow, MessageRow, VersionRow
from hub.audit import service as audit
from hub.calls import programme as policy
from hub.calls import service as calls
from hub.calls.adviser import decision_by
from hub.calls.models import CallStatus, Programme
from hub.db.base import now
from hub.errors import Conflict, InvalidInput, NotFound
from hub.mail import service as mail
from hub.organisations import service as organisations
from hub.organisations.models import Profile
from hub.projects.tables import Project
from hub.settings import Settings

DRAFTS = 50
"""Of one person at a time: enough for anybody, and a bound for a script gone wild."""


def start(session: Session, programme: Programme, person: str, form: Form) -> Application:
    """A new draft; raises :class:`Conflict` when there are too many already."""
    open_drafts = session.scalars(
        select(ApplicationRow.id).where(ApplicationRow.owner == person, ApplicationRow.state == ApplicationState.DRAFT)
    ).all()
    if len(open_drafts) >= DRAFTS:
        raise Conflict(f"You have {len(open_drafts)} drafts; submit or withdraw one first.")
    moment = now()
    row = ApplicationRow(
        owner=person,
        state=ApplicationState.DRAFT,
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
    session.commit()
    return _application(session, programme, row, person)


def save(session: Session, programme: Programme, person: str, number: int, draft: Draft) -> Application:
    """Keep a step of a draft; raises :class:`Conflict` when another device saved since this one looked."""
    row = _own(session, person, number)
    changes = {
        "form": draft.form.model_dump(mode="json"),
        "revision": draft.revision + 1,
        "changed": now(),
        # What the queue shows stays what was submitted.
        **({"title": draft.form.title} if row.state is ApplicationState.DRAFT else {}),
    }
    _claim(session, row, draft.revision, changes)
    session.commit()
    session.refresh(row)
    return _application(session, programme, row, person)


def submit(session: Session, settings: Settings, person: str, number: int, revision: int) -> Application:
    """Make the draft a version that never changes, and put it on the review desk.

    :raises InvalidInput: something is missing; the field is the first such, and the draft is kept.
    :raises Conflict: it is not the revision that was read, or it is decided.
    """
    programme, moment = policy.current(settings), now()
    row = _own(session, person, number)
    form, profile = Form.model_validate(row.form), organisations.profile(session, programme, person)
    status = _status(session, programme, form, moment)
    found = _gaps(programme, status, form, profile)
    if row.state in EDITABLE and found:
        more = f"{len(found) - 1} more to do." if len(found) > 1 else ""
        raise InvalidInput(found[0].message, field=found[0].field, hint=more)
    if status is None or profile.organisation is None:  # said by the gaps, unless it is no longer a draft
        raise Conflict(f"This application is {row.state}.", field="state")
    mode = programme.mode(status.call.mode)
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
        "due": decision_by(programme, mode, status, moment),
        "reviews_needed": mode.reviewers,
    }
    _claim(session, row, revision, columns)
    _keep_version(session, row.id, _version(programme, row.version + 1, form, profile, moment))
    audit.record(session, who=person, what="application submitted", on=on(row.id), after={"version": row.version + 1})
    for reviewer in sorted(settings.login.reviewers - {person}):
        mail.enqueue(
            session,
            to=mail.address_of(reviewer, settings),
            subject=f"{reference(row.id)} waits for review",
            text=f"{mode.title}: {reference(row.id)} was submitted.\n"
            f"A decision is due by {columns['due']:%-d %B %Y}.\n",
            key=f"application-{row.id}-{row.version + 1}-to-{reviewer}",
        )
    _commit_version(session)
    session.refresh(row)
    return _application(session, programme, row, person)


def withdraw(session: Session, programme: Programme, person: str, number: int) -> Application:
    """Take an application back; raises :class:`Conflict` once it is decided."""
    row = _own(session, person, number)
    before = row.state
    still_open = (*EDITABLE, ApplicationState.SUBMITTED)
    _unless_moved_on(session, row, still_open, {"state": ApplicationState.WITHDRAWN, "changed": now()})
    audit.record(
        session,
        who=person,
        what="application withdrawn",
        on=on(number),
        before={"state": before},
        after={"state": ApplicationState.WITHDRAWN},
    )
    session.commit()
    session.refresh(row)
    return _application(session, programme, row, person)


def say(session: Session, programme: Programme, person: str, number: int, text: str) -> Application:
    """A message to those who review."""
    row = _own(session, person, number)
    add_message(session, number, person, MessageKind.MESSAGE, text)
    session.commit()
    return _application(session, programme, row, person)


def of_person(session: Session, person: str) -> tuple[ApplicationSummary, ...]:
    """One's own, and those that colleagues of the same organisation submitted; the last changed first."""
    own = organisations.organisation_of(session, person)
    readable = ApplicationRow.owner == person
    if own is not None:
        readable = or_(readable, ApplicationRow.organisation_id == own)
    rows = session.scalars(select(ApplicationRow).where(readable).order_by(ApplicationRow.changed.desc()).limit(200))
    return tuple(_summary(row, person) for row in rows)


def latest(session: Session, person: str) -> ApplicationSummary | None:
    """Of one's own the one that was changed last; one that was withdrawn counts no more."""
    row = session.scalar(
        select(ApplicationRow)
        .where(ApplicationRow.owner == person, ApplicationRow.state != ApplicationState.WITHDRAWN)
        .order_by(ApplicationRow.changed.desc())
        .limit(1)
    )
    return _summary(row, person) if row else None


def one(session: Session, programme: Programme, person: str, number: int) -> Application:
    """One's own, or one of a colleague's; raises :class:`NotFound` for any other, as if there were none."""
    return _application(session, programme, _readable(session, person, number), person)


def version_of(session: Session, person: str, number: int, version: int) -> Version:
    return stored_version(session, _readable(session, person, number).id, version)


def preview(session: Session, programme: Programme, person: str, number: int) -> Version:
    """The draft as it would be submitted now, numbered 0."""
    row = _own(session, person, number)
    profile = organisations.profile(session, programme, person)
    return _version(programme, 0, Form.model_validate(row.form), profile, now())


# -- for the review desk ----------------------------------------------------------------------------------------------


def stored_version(session: Session, number: int, version: int) -> Version:
    """An application as submitted; raises :class:`NotFound`."""
    row = session.scalar(select(VersionRow).where(VersionRow.application_id == number, VersionRow.number == version))
    if row is None:
        raise NotFound("There is no such version.", field="version")
    return Version.model_validate(row.content)


def add_message(session: Session, number: int, author: str, kind: MessageKind, text: str) -> None:
    session.add(MessageRow(application_id=number, at=now(), author=author, kind=kind, text=text))


def messages(session: Session, row: ApplicationRow, *, for_reviewers: bool) -> tuple[Message, ...]:
    """All messages, the oldest first. Applicants are not told who reviews."""
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


def reference(number: int) -> str:
    """What people call an application."""
    return f"A-{number:05}"


def on(number: int) -> str:
    """What the audit trail calls it."""
    return f"application/{number}"


# -- inside -----------------------------------------------------------------------------------------------------------


def _own(session: Session, person: str, number: int) -> ApplicationRow:
    row = session.get(ApplicationRow, number)
    if row is None or row.owner != person:
        raise NotFound("You have no such application.")
    return row


def _readable(session: Session, person: str, number: int) -> ApplicationRow:
    row = session.get(ApplicationRow, number)
    if row is not None and row.owner != person:
        own = organisations.organisation_of(session, person)
        row = row if own is not None and row.organisation_id == own else None
    if row is None:
        raise NotFound("You have no such application.")
    return row


def _claim(session: Session, row: ApplicationRow, revision: int, columns: dict[str, object]) -> None:
    """Change an editable application that is still at ``revision``: of two at once, one is told."""
    changed = session.execute(
        update(ApplicationRow)
        .where(ApplicationRow.id == row.id, ApplicationRow.revision == revision, ApplicationRow.state.in_(EDITABLE))
        .values(columns)
        .execution_options(synchronize_session=False)
    )
    if changed.rowcount != 1:  # type: ignore[attr-defined]
        session.rollback()
        session.refresh(row)
        if row.state not in EDITABLE:
            raise Conflict(f"This application is {row.state}.", field="state")
        raise Conflict("It was changed on another device since you opened it here.", field="revision")


def _unless_moved_on(
    session: Session, row: ApplicationRow, states: Sequence[ApplicationState], columns: dict[str, object]
) -> None:
    changed = session.execute(
        update(ApplicationRow)
        .where(ApplicationRow.id == row.id, ApplicationRow.state.in_(states))
        .values(columns)
        .execution_options(synchronize_session=False)
    )
    if changed.rowcount != 1:  # type: ignore[attr-defined]
        session.rollback()
        session.refresh(row)
        raise Conflict(f"This application is {row.state}.", field="state")


def _version(programme: Programme, number: int, form: Form, profile: Profile, moment: datetime) -> Version:
    """:raises InvalidInput: the profile names no organisation."""
    if profile.organisation is None:
        raise InvalidInput("Name the organisation you apply for.", field="organisation")
    return Version(
        number=number,
        submitted=moment,
        by=profile.person,
        form=form,
        profile=profile.form,
        organisation_id=profile.organisation.id,
        organisation=profile.organisation.form,
        sme=profile.organisation.sme,
        self_check=aiact.check(programme.ai_act, form.ai_act),
    )


def _keep_version(session: Session, number: int, version: Version) -> None:
    session.add(
        VersionRow(
            application_id=number,
            number=version.number,
            submitted=version.submitted,
            by=version.by,
            content=version.model_dump(mode="json"),
        )
    )


def _commit_version(session: Session) -> None:
    try:
        session.commit()
    except IntegrityError as error:
        session.rollback()
        raise Conflict("It was submitted from another device at the same moment.", field="revision") from error


def _status(session: Session, programme: Programme, form: Form, moment: datetime) -> CallStatus | None:
    if form.call is None or programme.call(form.call) is None:
        return None
    return calls.status(session, programme, form.call, moment)


def _gaps(programme: Programme, status: CallStatus | None, form: Form, profile: Profile) -> tuple[Gap, ...]:
    organisation = profile.organisation.form if profile.organisation else None
    return checks.gaps(programme, status, form, profile.form, organisation)


def _application(session: Session, programme: Programme, row: ApplicationRow, reader: str) -> Application:
    form = Form.model_validate(row.form)
    gaps: tuple[Gap, ...] = ()
    if row.state in EDITABLE and row.owner == reader:
        profile = organisations.profile(session, programme, row.owner)
        gaps = _gaps(programme, _status(session, programme, form, now()), form, profile)
    decided = decision(session, row)
    return Application(
        summary=_summary(row, reader),
        owner=row.owner,
        revision=row.revision,
        form=form,
        versions=row.version,
        self_check=aiact.check(programme.ai_act, form.ai_act),
        gaps=gaps,
        messages=messages(session, row, for_reviewers=False),
        decision=decided,
        next=_next(row, gaps, decided),
    )


def _summary(row: ApplicationRow, reader: str) -> ApplicationSummary:
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
    )


def _next(row: ApplicationRow, gaps: Sequence[Gap], decided: Decision | None) -> str:
    if row.state in EDITABLE:
        first = gaps[0].message if gaps else "Look it over and submit it."
        asked = "Reviewers asked for changes; their message is below. " if row.version else ""
        return asked + first
    if row.state is ApplicationState.SUBMITTED:
        return f"It is under review; a decision is due by {row.due:%-d %B %Y}."
    if row.state is ApplicationState.APPROVED:
        return f"Your project is {decided.project if decided else ''}. Start your first notebook."
    if row.state is ApplicationState.REJECTED:
        return "Read the reason; you may apply again with a new draft."
    return "It was withdrawn; start a new draft whenever you like."
