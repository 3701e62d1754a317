"""Current state of calls, from the programme's dates and the last change by an admin."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from hub.audit import service as audit
from hub.calls.calendar import day_in
from hub.calls.models import Call, CallChange, CallState, CallStatus, Helper, Programme
from hub.calls.tables import CallRow
from hub.db.base import now
from hub.errors import Conflict, InvalidInput, NotFound
from hub.formats import day


def statuses(session: Session, programme: Programme, moment: datetime) -> tuple[CallStatus, ...]:
    """States of all calls, in the programme's order."""
    rows = {row.slug: row for row in session.scalars(select(CallRow))}
    return tuple(_status(programme, call, rows.get(call.slug), moment) for call in programme.calls)


def status(session: Session, programme: Programme, slug: str, moment: datetime) -> CallStatus:
    """State of one call; raises :class:`NotFound`."""
    call = programme.call(slug)
    if call is None:
        raise NotFound("There is no such call.", field="call")
    return _status(programme, call, session.get(CallRow, slug), moment)


def change(session: Session, programme: Programme, slug: str, wish: CallChange, *, who: str) -> CallStatus:
    """Open, pause or close a call, or mark systems as full.

    :raises Conflict: somebody else has changed it since it was read.
    """
    before = status(session, programme, slug, now())
    if unknown := sorted(set(wish.full_systems) - set(before.call.systems)):
        raise InvalidInput(f"The call does not offer the system {unknown[0]}.", field="full_systems")
    if wish.seen is not None and wish.seen != before.changed:
        raise _changed_meanwhile()
    _store(session, slug, wish, before.changed)
    previous = CallChange(state=before.state, full_systems=before.full_systems, note=before.note)
    audit.record(
        session,
        who=who,
        what="call changed",
        on=f"call/{slug}",
        before=previous.model_dump(mode="json", exclude={"seen"}),
        after=wish.model_dump(mode="json", exclude={"seen"}),
    )
    session.commit()
    session.expire_all()
    return status(session, programme, slug, now())


def _store(session: Session, slug: str, change: CallChange, changed: datetime) -> None:
    """Store the change of a call that was changed last at ``changed``; raises :class:`Conflict` if it was not."""
    values = {"state": change.state, "full_systems": list(change.full_systems), "note": change.note, "changed": now()}
    stored = (CallRow.slug == slug, CallRow.changed == changed)
    replace = update(CallRow).where(*stored).values(values).execution_options(synchronize_session=False)
    if session.execute(replace).rowcount:  # type: ignore[attr-defined]
        return
    try:
        session.execute(insert(CallRow).values(slug=slug, **values))
    except IntegrityError as error:
        session.rollback()
        raise _changed_meanwhile() from error


def _changed_meanwhile() -> Conflict:
    hint = "Look at what is stored now, then make your change again."
    return Conflict("Somebody else changed this call in the meantime.", field="seen", hint=hint)


def helpers(programme: Programme, *, country: str | None, sector: str | None) -> tuple[Helper, ...]:
    """Helpers for a country and sector, nearest first."""
    helpers = [
        helper
        for helper in programme.helpers
        if (not helper.countries or country in helper.countries) and (not helper.sectors or sector in helper.sectors)
    ]
    return tuple(sorted(helpers, key=lambda helper: (not helper.sectors, not helper.countries)))


def _status(programme: Programme, call: Call, row: CallRow | None, moment: datetime) -> CallStatus:
    cut_offs = sorted({*call.cut_offs, *call.planned_cut_offs})
    cut_off = next((cut_off for cut_off in cut_offs if cut_off >= moment), None)
    today = day_in(programme.zone, moment)
    why_not = _why_not(call, row, cut_off, today)
    full = tuple(row.full_systems) if row else ()
    return CallStatus(
        call=call,
        state=CallState.CLOSED if _is_over(call, cut_off, today) else row.state if row else CallState.OPEN,
        full_systems=full,
        note=row.note if row else "",
        next_cut_off=cut_off,
        planned=cut_off is not None and cut_off not in call.cut_offs,
        accepts=not why_not,
        why_not=why_not,
        **({"changed": row.changed} if row else {}),
    )


def _is_over(call: Call, cut_off: datetime | None, today: date) -> bool:
    past = call.closes is not None and today > call.closes
    return past or (bool(call.cut_offs or call.planned_cut_offs) and cut_off is None)


def _why_over(call: Call, today: date) -> str:
    is_past = call.closes is not None and today > call.closes
    if is_past or not call.planned_cut_offs:
        return "The call is closed."
    last = max(*call.cut_offs, *call.planned_cut_offs)
    return f"No cut-off of this call is known after {day(last)}. Ask the factory for the next one."


def _why_not(call: Call, row: CallRow | None, cut_off: datetime | None, today: date) -> str:
    if today < call.opens:
        return f"The call opens on {day(call.opens)}."
    if row and row.state is CallState.CLOSED:
        return "The call is closed."
    if _is_over(call, cut_off, today):
        return _why_over(call, today)
    if row and row.state is CallState.PAUSED:
        return f"The call is paused. {row.note}".strip()
    if row and set(call.systems) <= set(row.full_systems):
        return "All systems of the call are full."
    return ""
