"""Sources of records: added, changed and removed by the settings and by admins, with the reports of their harvests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from hub.audit import service as audit
from hub.dataspace.fetch import Fetcher, FetchFailed, FetchRefused
from hub.dataspace.sources.models import Run, RunState, Source, SourceForm
from hub.dataspace.sources.tables import RunRow, SourceRow
from hub.dataspace.tables import RecordRow
from hub.db.base import now
from hub.errors import InvalidInput, NotFound
from hub.loops import by_itself

RUNS_SHOWN = 20
RUNS_KEPT = 200


def listed(session: Session) -> tuple[Source, ...]:
    """Every source with its last report, ordered by name."""
    rows = session.scalars(select(SourceRow).where(~SourceRow.removed).order_by(SourceRow.name)).all()
    return tuple(_source(session, row) for row in rows)


def put(session: Session, form: SourceForm, *, who: str = audit.WORKER, from_settings: bool = False) -> Source:
    """Add a source, or change the one of that name; it is due at once when something changed.

    :param who: the admin who does it, for the audit trail.
    :raises InvalidInput: the source is in the settings, which are changed in a file; or it is being removed.
    """
    row = session.scalar(select(SourceRow).where(SourceRow.name == form.name))
    if row is not None and row.removed:
        raise InvalidInput(f"A source {form.name} is being removed.", field="name", hint="Try again in a minute.")
    if row is not None and row.from_settings and not from_settings:
        raise InvalidInput(f"The source {form.name} is in the settings.", field="name", hint="Change it there.")
    content = form.model_dump_json()
    if row is None:
        row = SourceRow(name=form.name)
        session.add(row)
    if row.form != content or row.from_settings != from_settings:
        what, before = ("source changed", json.loads(row.form)) if row.form else ("source added", None)
        audit.record(session, who=who, what=what, on=_on(form.name), before=before, after=form.model_dump(mode="json"))
        row.form, row.from_settings = content, from_settings
        row.due = now() if form.enabled else None
    session.commit()
    return _source(session, row)


def check_address(form: SourceForm, fetcher: Fetcher, folders: Sequence[Path]) -> None:
    """Check that the settings let a source be harvested. A host that is not known now may be known later.

    :raises InvalidInput: its address is not public, or its path is not in a folder for sources; names the setting.
    """
    if form.address.startswith("/"):
        path = Path(form.address).resolve()
        if not any(path.is_relative_to(folder.resolve()) for folder in folders):
            raise InvalidInput(
                f"{form.address} is not below a folder for sources.",
                field="address",
                hint="Add its folder to dataspace.folders in the settings.",
            )
        return
    try:
        fetcher.check(form.address)
    except FetchRefused as error:
        raise InvalidInput(error.message, field="address", hint=error.hint) from error
    except FetchFailed:
        return


def follow_settings(session: Session, forms: Iterable[SourceForm]) -> None:
    """Add and change sources as in the settings; sources that are no longer there are removed with their records.

    One that cannot be stored now, such as one that is still being removed, stops no others and is tried again.
    """
    forms_by_name = {form.name: form for form in forms}
    rows = session.scalars(select(SourceRow).where(SourceRow.from_settings, ~SourceRow.removed)).all()
    for row in rows:
        if row.name not in forms_by_name:
            _mark_removed(session, row, who=audit.WORKER)
    for form in forms_by_name.values():
        with by_itself(f"source {form.name} of the settings", session=session):
            put(session, form, from_settings=True)


def remove(session: Session, name: str, *, who: str = audit.WORKER) -> None:
    """Remove a source. Its records leave the index first; then the worker deletes them."""
    row = _row(session, name)
    if row.from_settings:
        raise InvalidInput(f"The source {name} is in the settings.", field="name", hint="Remove it there.")
    _mark_removed(session, row, who=who)


def run_now(session: Session, name: str, *, who: str = audit.WORKER) -> Source:
    """Make a source due, also one that is switched off.

    The worker harvests it after those that are due already; one that is being harvested is harvested once more after
    that, since what has changed on pages that are read already would be missed.
    """
    row = _row(session, name)
    row.due = now()
    audit.record(session, who=who, what="harvest requested", on=_on(name))
    session.commit()
    return _source(session, row)


def runs(session: Session, name: str) -> tuple[Run, ...]:
    """Reports, the newest first."""
    row = _row(session, name)
    query = select(RunRow).where(RunRow.source_id == row.id).order_by(RunRow.id.desc()).limit(RUNS_SHOWN)
    return tuple(run_of(run) for run in session.scalars(query))


def names(session: Session) -> frozenset[str]:
    """Names of all sources, also of those that are being removed."""
    return frozenset(session.scalars(select(SourceRow.name)))


def delete_removed(session: Session) -> list[str]:
    """Delete removed sources whose records have left the index, and old reports; returns the names of these sources."""
    deleted = []
    for row in session.scalars(select(SourceRow).where(SourceRow.removed)).all():
        of_source = RecordRow.source_id == row.id
        _bury(session, row.id)
        session.execute(delete(RecordRow).where(of_source, RecordRow.removed.is_not(None), RecordRow.indexed))
        if session.scalar(select(RecordRow.id).where(of_source).limit(1)) is None:
            session.delete(row)
            deleted.append(row.name)
    for source in session.scalars(select(SourceRow.id)).all():
        oldest = select(RunRow.id).where(RunRow.source_id == source).order_by(RunRow.id.desc()).offset(RUNS_KEPT)
        session.execute(delete(RunRow).where(RunRow.id.in_(oldest.limit(1000))))
    session.commit()
    return deleted


def run_of(row: RunRow) -> Run:
    """The report of a harvest."""
    names = ("id", "state", "started", "ended", "pages", "read", "new", "changed", "same", "listed_only", "removed")
    values = {name: getattr(row, name) for name in (*names, "refused", "reason")}
    return Run.model_validate({**values, "refusals": json.loads(row.refusals)})


def _on(name: str) -> str:
    return f"source/{name}"


def _mark_removed(session: Session, row: SourceRow, *, who: str) -> None:
    row.removed, row.due = True, None
    audit.record(session, who=who, what="source removed", on=_on(row.name), before=json.loads(row.form))
    session.flush()  # a harvest that stores records holds this row until they are there to be buried
    _bury(session, row.id)
    session.commit()


def _bury(session: Session, source_id: int) -> None:
    """Tombstones for all records of a source."""
    tombstone = update(RecordRow).where(RecordRow.source_id == source_id, RecordRow.removed.is_(None))
    tombstone = tombstone.values(removed=now(), changed=now(), indexed=False, version=RecordRow.version + 1)
    session.execute(tombstone, execution_options={"synchronize_session": False})


def _row(session: Session, name: str) -> SourceRow:
    row = session.scalar(select(SourceRow).where(SourceRow.name == name, ~SourceRow.removed))
    if row is None:
        raise NotFound(f"There is no source {name}.")
    return row


def _source(session: Session, row: SourceRow) -> Source:
    record_count = select(func.count()).where(RecordRow.source_id == row.id, RecordRow.removed.is_(None))
    last = session.scalar(select(RunRow).where(RunRow.source_id == row.id).order_by(RunRow.id.desc()).limit(1))
    is_running = last is not None and last.state is RunState.RUNNING
    return Source(
        form=SourceForm.model_validate_json(row.form),
        records=session.scalar(record_count) or 0,
        from_settings=row.from_settings,
        due=row.due,
        waiting=row.due is not None and row.due <= now() and not is_running,
        last=run_of(last) if last else None,
    )
