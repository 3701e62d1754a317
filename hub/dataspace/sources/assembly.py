"""Records out of everything staged, compared with those in the database: new, changed or removed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from hub.dataspace.metadata import dcat
from hub.dataspace.metadata.distributions import MOST_FILES
from hub.dataspace.models import Record
from hub.dataspace.sources.models import SourceForm
from hub.dataspace.sources.report import MOST_REFUSALS, Report
from hub.dataspace.sources.staging import Staging
from hub.dataspace.tables import RecordRow
from hub.db.base import now

BATCH = 500
LONGEST_URI = 2000


class Assembly:
    """Puts the records of one source together and stores them."""

    def __init__(self, session: Session, form: SourceForm, *, staging: Staging, report: Report) -> None:
        self._session = session
        self._form = form
        self._staging = staging
        self._report = report
        self._run = report.run
        self._source_id = report.run.source_id
        self._content_by_address: dict[str, str] = {}

    def store_records(self) -> None:
        """Store what is new or changed, and mark as removed what is no longer there.

        After an incomplete harvest only those records are removed that the source says are deleted.
        """
        staging, run, report = self._staging, self._run, self._report
        # The other counts go on: what an interrupted attempt has stored is not new again.
        run.read, run.same, run.listed_only = run.refused, 0, 0
        records_read = self._count_unchanged() if staging.unchanged() else self._assemble()
        self._report_left_out()
        if report.complete and not records_read and self._has_records():
            report.mark_incomplete("The catalogue is empty, so the records it had before are kept.")
        self._mark_removed(staging.not_assembled if report.complete else staging.deleted)
        if report.complete:
            run.reason = "" if records_read else "The catalogue contains no dataset, series, service or model."
            staging.end_assembly()

    def _assemble(self) -> int:
        """Store all records; returns their number."""
        self._staging.start_assembly()
        records_read = 0
        for identities in _batches(self._staging.records()):
            records = list(self._read_records(identities))
            self._staging.add_assembled(record.uri for record in records)
            self._store(records)
            records_read += len(records)
            self._run.read += len(records)
            self._session.commit()
        return records_read

    def _count_unchanged(self) -> int:
        """Count the records of the last harvest, which are still the same, and show them as the source has it now."""
        self._report.require_source()
        is_shown_otherwise = or_(RecordRow.space != self._form.space, RecordRow.visibility != self._form.visibility)
        show = update(RecordRow).where(*self._not_removed(), is_shown_otherwise)
        changes = {"space": self._form.space, "visibility": self._form.visibility, "changed": now(), "indexed": False}
        values = changes | {"version": RecordRow.version + 1}
        result = self._session.execute(show.values(values), execution_options={"synchronize_session": False})
        self._run.changed += result.rowcount  # type: ignore[attr-defined]
        is_same = RecordRow.changed < self._run.started
        self._run.same = self._session.scalar(select(func.count()).where(*self._not_removed(), is_same)) or 0
        records_read = self._staging.assembled_count()
        self._run.read += records_read
        self._session.commit()
        return records_read

    def _report_left_out(self) -> None:
        """Report what is only listed, and what was left out of records."""
        undescribed = self._staging.not_described(self._run.id)
        if undescribed:
            self._run.listed_only = len(undescribed)
            self._run.read += len(undescribed)
            number, listed = f"{len(undescribed):,}", f"{self._staging.listed_count():,}"
            example = f", such as {undescribed[0]}" if not undescribed[0].startswith("_:") else ""
            reason = f"{number} of {listed} listed datasets are described nowhere{example}"
            self._report.note(self._form.address, None, reason)
        for uri, text in self._staging.notes(MOST_REFUSALS):
            self._report.note(uri, None, text)

    def _read_records(self, identities: Iterable[str]) -> Iterator[Record]:
        for identity in identities:
            try:
                record = dcat.record(identity, self._staging)
            except (ValueError, TypeError, LookupError, RecursionError) as error:
                self._report.refuse(identity, None, f"the record cannot be read ({type(error).__name__})")
                continue
            if record is None:
                continue
            if identity.startswith("_:"):
                record = self._with_address(record, identity)
                if record is None:
                    continue
                self._staging.name(identity, record.uri)
            if record.distributions_stated is not None:
                text = f"it has {record.distributions_stated:,} files, of which the first {MOST_FILES} are kept"
                self._staging.add_note(record.uri, text)
            if len(record.uri) > LONGEST_URI:
                self._report.refuse(identity, None, f"an identifier longer than {LONGEST_URI:,} characters")
                continue
            yield record

    def _with_address(self, nameless: Record, identity: str) -> Record | None:
        """A record that is a blank node, with an address; None if it is the same as another one in everything."""
        content = dcat.content_hash(nameless.model_copy(update={"uri": ""}))
        for more in ("", content):
            record = dcat.with_address(nameless, self._staging.about(identity), self._form.address, more)
            if record.uri not in self._content_by_address:
                self._content_by_address[record.uri] = content
                return record
            if self._content_by_address[record.uri] == content:
                break
        return None

    def _store(self, records: Sequence[Record]) -> None:
        self._report.require_source()
        uris = [record.uri for record in records]
        stored = select(RecordRow).where(RecordRow.source_id == self._source_id, RecordRow.uri.in_(uris))
        rows = {row.uri: row for row in self._session.scalars(stored)}
        moment = now()
        for record in records:
            row, content_hash = rows.get(record.uri), dcat.content_hash(record)
            if row is None:
                row = RecordRow(source_id=self._source_id, uri=record.uri, first_seen=moment, version=0)
                self._session.add(row)
                self._run.new += 1
            elif row.hash == content_hash and row.removed is None and self._is_shown_as_now(row):
                self._run.same += row.changed < self._run.started
                continue
            else:
                self._run.changed += row.changed < self._run.started  # else an interrupted attempt has counted it
            row.content, row.hash, row.changed = record.model_dump_json(exclude_defaults=True), content_hash, moment
            row.space, row.visibility, row.removed = self._form.space, self._form.visibility, None
            row.version, row.indexed, row.checked = row.version + 1, False, False

    def _is_shown_as_now(self, row: RecordRow) -> bool:
        """Whether a row has the data space and visibility that its source has now."""
        return (row.space, row.visibility) == (self._form.space, self._form.visibility)

    def _has_records(self) -> bool:
        return self._session.scalar(select(RecordRow.id).where(*self._not_removed()).limit(1)) is not None

    def _not_removed(self) -> tuple[ColumnElement[bool], ...]:
        return RecordRow.source_id == self._source_id, RecordRow.removed.is_(None)

    def _mark_removed(self, missing: Callable[[Iterable[str]], list[str]]) -> None:
        """Tombstones for records that are no longer there. ``missing``: those of a batch of addresses."""
        last = 0
        page = select(RecordRow.id, RecordRow.uri).where(*self._not_removed()).order_by(RecordRow.id).limit(BATCH)
        while rows := self._session.execute(page.where(RecordRow.id > last)).all():
            last = rows[-1].id
            self._report.require_source()
            missing_uris = set(missing(row.uri for row in rows))
            ids = [row.id for row in rows if row.uri in missing_uris]
            if ids:
                tombstone = update(RecordRow).where(RecordRow.id.in_(ids)).execution_options(synchronize_session=False)
                changes = {"removed": now(), "changed": now(), "indexed": False, "version": RecordRow.version + 1}
                self._session.execute(tombstone.values(changes))
                self._run.removed += len(ids)
            self._session.commit()


def _batches(values: Iterator[str]) -> Iterator[tuple[str, ...]]:
    while batch := tuple(islice(values, BATCH)):
        yield batch
