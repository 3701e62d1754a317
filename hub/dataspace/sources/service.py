"""Sources: what the settings and the admins say shall be harvested, and how it went."""

from __future__ import annotations

import json
from collections.abc import Iterable

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from hub.dataspace.sources.models import Run, Source, SourceForm
from hub.dataspace.sources.tables import RunRow, SourceRow
from hub.dataspace.tables import RecordRow
from hub.db.base import now
from hub.errors import InvalidInput, NotFound

RUNS_SHOWN = 20
RUNS_KEPT = 200


def listed(session: Session) -> tuple[Source, ...]:
    rows = session.scalars(select(SourceRow).where(~SourceRow.removed).order_by(SourceRow.name)).all()
    return tuple(_source(session, row) for row in rows)


def put(session: Session, form: SourceForm, *, from_settings: bool = False) -> Source:
    """Add a source, or change the one of that name; it is due at once when something changed.

    :raises InvalidInput: it is in the settings, which are changed in a file; or it is just being removed.
    """
    row = session.scalar(select(SourceRow).where(SourceRow.name == form.name))
    if row is not None and row.removed:
        raise InvalidInput(f"A source {form.name} is being removed.", field="name", hint="Try again in a minute.")
    if row is not None and row.from_settings and not from_settings:
        raise InvalidInput(f"The source {form.name} stands in the settings.", field="name", hint="Change it there.")
    told = form.model_dump_json()
    if row is None:
        row = SourceRow(name=form.name)
        session.add(row)
    if row.form != told or row.from_settings != from_settings:
        row.form, row.from_settings = told, from_settings
        row.due = now() if form.enabled else None
    session.commit()
    return _source(session, row)


def follow_settings(session: Session, forms: Iterable[SourceForm]) -> None:
    """Sources as the settings say; one that is not there any more is removed with its records."""
    wanted = {form.name: form for form in forms}
    rows = session.scalars(select(SourceRow).where(SourceRow.from_settings, ~SourceRow.removed)).all()
    for row in rows:
        if row.name not in wanted:
            _forget(session, row)
    for form in wanted.values():
        put(session, form, from_settings=True)


def remove(session: Session, name: str) -> None:
    """Take a source away. Its records leave the index first; the worker deletes them after that."""
    row = _row(session, name)
    if row.from_settings:
        raise InvalidInput(f"The source {name} stands in the settings.", field="name", hint="Take it out there.")
    _forget(session, row)


def run_now(session: Session, name: str) -> Source:
    """Have the worker harvest a source at its next look, also one that is switched off."""
    row = _row(session, name)
    row.due = now()
    session.commit()
    return _source(session, row)


def runs(session: Session, name: str) -> tuple[Run, ...]:
    """Reports, the newest first."""
    row = _row(session, name)
    query = select(RunRow).where(RunRow.source_id == row.id).order_by(RunRow.id.desc()).limit(RUNS_SHOWN)
    return tuple(run_of(run) for run in session.scalars(query))


def clear_away(session: Session) -> list[str]:
    """Delete sources that were removed and that the index has forgotten; their names. Old reports go, too."""
    gone = []
    for row in session.scalars(select(SourceRow).where(SourceRow.removed)).all():
        waiting = select(RecordRow.id).where(RecordRow.source_id == row.id, ~RecordRow.indexed).limit(1)
        if session.scalar(waiting) is None:
            session.execute(delete(RecordRow).where(RecordRow.source_id == row.id))
            session.delete(row)
            gone.append(row.name)
    for source in session.scalars(select(SourceRow.id)).all():
        oldest = select(RunRow.id).where(RunRow.source_id == source).order_by(RunRow.id.desc()).offset(RUNS_KEPT)
        session.execute(delete(RunRow).where(RunRow.id.in_(oldest.limit(1000))))
    session.commit()
    return gone


def run_of(row: RunRow) -> Run:
    names = ("id", "state", "started", "ended", "pages", "read", "new", "changed", "removed", "refused", "reason")
    told = {name: getattr(row, name) for name in names}
    return Run.model_validate({**told, "refusals": json.loads(row.refusals)})


def _forget(session: Session, row: SourceRow) -> None:
    row.removed, row.due = True, None
    gone = update(RecordRow).where(RecordRow.source_id == row.id)
    gone = gone.values(removed=now(), changed=now(), indexed=False, version=RecordRow.version + 1)
    session.execute(gone, execution_options={"synchronize_session": False})
    session.commit()


def _row(session: Session, name: str) -> SourceRow:
    row = session.scalar(select(SourceRow).where(SourceRow.name == name, ~SourceRow.removed))
    if row is None:
        raise NotFound(f"There is no source {name}.")
    return row


def _source(session: Session, row: SourceRow) -> Source:
    living = select(func.count()).where(RecordRow.source_id == row.id, RecordRow.removed.is_(None))
    last = session.scalar(select(RunRow).where(RunRow.source_id == row.id).order_by(RunRow.id.desc()).limit(1))
    return Source(
        form=SourceForm.model_validate_json(row.form),
        records=session.scalar(living) or 0,
        from_settings=row.from_settings,
        due=row.due,
        last=run_of(last) if last else None,
    )
