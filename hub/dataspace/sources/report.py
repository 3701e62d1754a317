"""The report of one harvest: what could not be read, how many records changed, and how the harvest ended."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from hub.dataspace.sources.models import Refusal, RunState, SourceForm
from hub.dataspace.sources.tables import RunRow, SourceRow
from hub.db.base import now

logger = logging.getLogger(__name__)

MOST_REFUSALS = 200
"""Refusals listed in a report; the rest is counted."""


class Report:
    """Writes the row of a harvest. ``complete`` is false as soon as something could not be read."""

    def __init__(self, session: Session, source: SourceRow, run: RunRow) -> None:
        self.run = run
        self.complete = not run.reason
        self._session = session
        self._source = source
        self._refusals: list[Any] = json.loads(run.refusals or "[]")

    def refuse(self, page: str, line: int | None, reason: str, *, minor: bool = False) -> None:
        """List something that could not be read. ``minor``: a value, for which no record can be missing."""
        if not minor and self.complete:
            self.mark_incomplete("Something could not be read, so no records were removed.")
        self.run.refused += 1
        if len(self._refusals) < MOST_REFUSALS:
            self._refusals.append(Refusal(page=page[:500], line=line, reason=reason[:300]).model_dump())
            self.run.refusals = json.dumps(self._refusals)
        self._session.commit()

    def mark_incomplete(self, reason: str) -> None:
        """From now on no record counts as removed from the catalogue."""
        self.complete, self.run.reason = False, reason[:500]

    def end(self, state: RunState, reason: str) -> None:
        """Close the report, and schedule the next harvest if the source is switched on."""
        form = SourceForm.model_validate_json(self._source.form)
        run = self.run
        run.state, run.reason, run.ended = state, reason[:500], now()
        self._source.due = run.ended + timedelta(hours=form.every_hours) if form.enabled else None
        self._session.commit()
        logger.info(
            "harvest of %s: %s, %d pages, %d records read, %d new, %d changed, %d removed, %d refused %s",
            self._source.name, state, run.pages, run.read, run.new, run.changed, run.removed, run.refused, reason,
        )  # fmt: skip
