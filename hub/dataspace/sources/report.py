"""The report of one harvest: what could not be read, how many records changed, and how the harvest ended."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from hub.dataspace.sources.models import Refusal, RunState, SourceForm
from hub.dataspace.sources.tables import RunRow, SourceRow
from hub.db.base import now
from hub.errors import AtriumError

logger = logging.getLogger(__name__)

MOST_REFUSALS = 200
"""Refusals listed in a report, and at most as many notes; the rest is counted."""


class SourceRemoved(AtriumError):
    """The source was removed while it was harvested."""


class Report:
    """Writes the row of a harvest. ``complete`` is false as soon as something could not be read."""

    def __init__(self, session: Session, source: SourceRow, run: RunRow) -> None:
        self.run = run
        self.complete = not run.reason
        self._session = session
        self._source = source
        self._refusals: list[Any] = json.loads(run.refusals or "[]")

    def require_source(self) -> None:
        """Keep the source from being removed until this transaction ends, with a lock that every database has.

        :raises SourceRemoved: it was removed.
        """
        lock = update(SourceRow).where(SourceRow.id == self.run.source_id, ~SourceRow.removed).values(removed=False)
        result = self._session.execute(lock, execution_options={"synchronize_session": False})
        if result.rowcount != 1:  # type: ignore[attr-defined]
            raise SourceRemoved("The source was removed.")

    def refuse(self, page: str, line: int | None, reason: str, *, minor: bool = False) -> None:
        """List and count something that could not be read. ``minor``: no record can be missing for it."""
        if not minor and self.complete:
            self.mark_incomplete(
                "Something could not be read, so only records that the source calls deleted were removed."
            )
        self.run.refused += 1
        self.run.read += 1
        self._list(Refusal(page=page[:500], line=line, reason=reason[:300]))

    def note(self, page: str, line: int | None, reason: str) -> None:
        """List what is left out of a page or a record that was read; it is not counted."""
        self._list(Refusal(page=page[:500], line=line, reason=reason[:300], note=True))

    def _list(self, refusal: Refusal) -> None:
        if sum(listed.get("note", False) == refusal.note for listed in self._refusals) < MOST_REFUSALS:
            self._refusals.append(refusal.model_dump())
            self.run.refusals = json.dumps(self._refusals)
        self._session.commit()

    def mark_incomplete(self, reason: str) -> None:
        """From now on no record counts as removed from the catalogue."""
        self.complete, self.run.reason = False, reason[:500]

    def end(self, state: RunState, reason: str) -> None:
        """Close the report, and schedule the next harvest if the source is switched on.

        A source that became due during this harvest stays due: it was changed, or somebody wants it harvested again.
        """
        content = self._session.scalar(select(SourceRow.form).where(SourceRow.id == self._source.id))
        if content is None:
            self._session.rollback()  # the reports went with the source
            return
        form, run = SourceForm.model_validate_json(content), self.run
        run.state, run.reason, run.ended = state, reason[:500], now()
        due = run.ended + timedelta(hours=form.every_hours) if form.enabled else None
        is_as_at_start = or_(SourceRow.due.is_(None), SourceRow.due <= run.started)
        schedule = update(SourceRow).where(SourceRow.id == self._source.id, is_as_at_start, ~SourceRow.removed)
        self._session.execute(schedule.values(due=due), execution_options={"synchronize_session": False})
        self._session.commit()
        logger.info(
            "harvest of %s: %s, %d pages, %d read, %d new, %d changed, %d same, %d refused, %d listed, %d removed %s",
            self._source.name, state, run.pages, run.read, run.new, run.changed, run.same, run.refused,
            run.listed_only, run.removed, reason,
        )  # fmt: skip
