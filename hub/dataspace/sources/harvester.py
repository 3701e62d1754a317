"""Harvests: pages in, records new, changed and removed. Runs in the worker.

A harvest may be killed at any moment and goes on at the page it was at. No record is removed unless every page was
read, or its source says that it is deleted: what cannot be read keeps its last good version.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from hub.dataspace.fetch import Fetcher
from hub.dataspace.sources.assembly import Assembly
from hub.dataspace.sources.models import RunState, SourceForm
from hub.dataspace.sources.page_fetcher import PageFetcher
from hub.dataspace.sources.page_reader import PageReader
from hub.dataspace.sources.report import Report, SourceRemoved
from hub.dataspace.sources.staging import Staging
from hub.dataspace.sources.tables import RunRow, SourceRow
from hub.db.base import now
from hub.errors import AtriumError
from hub.loops import by_itself

MOST_ATTEMPTS = 5
"""Times that one harvest may be interrupted before it has failed."""


@dataclass(frozen=True)
class Harvester:
    """Harvests sources, one after the other.

    :param folder: folder of the staging files.
    :param readable: folders that sources on this machine may lie in.
    :param pause: waits for a number of seconds.
    """

    sessions: sessionmaker[Session]
    fetcher: Fetcher
    folder: Path
    readable: Sequence[Path] = ()
    pause: Callable[[float], None] = time.sleep

    def run_due(self) -> None:
        """Harvest every source that is due or was interrupted; one that fails does not hold up the others."""
        with self.sessions() as session:
            interrupted = select(RunRow.source_id).where(RunRow.state == RunState.RUNNING)
            is_due = (SourceRow.due <= now()) | SourceRow.id.in_(interrupted)
            due = select(SourceRow.id).where(is_due, ~SourceRow.removed).order_by(SourceRow.due)
            source_ids = session.scalars(due).all()
        for source_id in source_ids:
            with by_itself(f"harvest of source {source_id}"):
                self.run(source_id)

    def run(self, source_id: int) -> None:
        """Harvest one source; a harvest that was interrupted goes on."""
        with self.sessions() as session:
            source = session.get(SourceRow, source_id)
            if source is None:
                return
            run = _current_run(session, source_id)
            report = Report(session, source, run)
            if run.attempts > MOST_ATTEMPTS:
                report.end(RunState.FAILED, f"It was interrupted {MOST_ATTEMPTS} times.")
                return
            session.commit()
            staging = Staging(self.folder / f"{source.name}.sqlite")
            try:
                self._harvest(session, SourceForm.model_validate_json(source.form), staging, report)
            finally:
                staging.close()

    def _harvest(self, session: Session, form: SourceForm, staging: Staging, report: Report) -> None:
        pages = PageFetcher(form, self.fetcher, self.pause)
        try:
            PageReader(session, form, fetcher=pages, staging=staging, report=report).read_all(self.readable)
            if report.complete:
                staging.remove_pages_not_in(report.run.id)
            Assembly(session, form, staging=staging, report=report).store_records()
        except SourceRemoved as error:
            session.rollback()
            report.end(RunState.FAILED, error.message)
            return
        except AtriumError as error:
            report.refuse(form.address, None, error.message)
            report.end(RunState.FAILED, error.message)
            return
        state = RunState.COMPLETE if report.complete else RunState.INCOMPLETE
        if not report.complete and not staging.record_count():
            state = RunState.FAILED
        report.end(state, report.run.reason)


def _current_run(session: Session, source_id: int) -> RunRow:
    """The interrupted run of a source or a new one, with this attempt counted."""
    run = session.scalar(select(RunRow).where(RunRow.source_id == source_id, RunRow.state == RunState.RUNNING))
    if run is None:
        run = RunRow(source_id=source_id, state=RunState.RUNNING, started=now())
        session.add(run)
        session.flush()
    run.attempts = (run.attempts or 0) + 1
    return run
