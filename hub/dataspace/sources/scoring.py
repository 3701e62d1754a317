"""Scores the quality of records in batches, by the statements of their source. Runs in the worker."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session, sessionmaker

from hub.dataspace.metadata import dcat
from hub.dataspace.models import Quality
from hub.dataspace.readers import sandbox, shacl
from hub.dataspace.sources.staging import Staging
from hub.dataspace.sources.tables import SourceRow
from hub.dataspace.tables import RecordRow
from hub.db.base import now
from hub.loops import by_itself

logger = logging.getLogger(__name__)

BATCH = 200
_LIMITS = sandbox.Limits(seconds=120.0)
_ROWS = RecordRow.__table__.c
_Statement = tuple[str, str, list[Any]]
_STORE = (
    update(RecordRow.__table__)  # type: ignore[arg-type]
    .where(_ROWS.id == bindparam("record_id"), _ROWS.version == bindparam("scored_version"))
    .values(checked=True, quality=bindparam("quality_json"), indexed=False, version=_ROWS.version + 1)
)
"""A record that changed while it was scored is scored again."""


def score_records(sessions: sessionmaker[Session], folder: Path, *, seconds: float) -> int:
    """Score records until none is left or the time is over; returns their number. A source that fails stops no others.

    :param folder: of the sources' staging files.
    """
    until, scored, last_id = time.monotonic() + seconds, 0, 0
    while time.monotonic() < until:
        with sessions() as session:
            rows = session.scalars(
                select(RecordRow)
                .where(~RecordRow.checked, RecordRow.removed.is_(None), RecordRow.source_id.is_not(None))
                .where(RecordRow.id > last_id)
                .order_by(RecordRow.id)
                .limit(BATCH)
            ).all()
            if not rows:
                break
            source_id, of_source = next(groupby(rows, key=attrgetter("source_id")))
            batch = list(of_source)
            session.commit()  # no transaction stays open while the shapes are checked
            last_id = batch[-1].id
            with by_itself(f"quality of records {batch[0].id} to {last_id}", session=session):
                scored += _score(session, folder, source_id, batch)
    return scored


def _score(session: Session, folder: Path, source_id: int, batch: Sequence[RecordRow]) -> int:
    """Score these records of a source; returns how many could be scored."""
    source = session.get_one(SourceRow, source_id)
    session.commit()
    qualities = _qualities(folder / f"{source.name}.sqlite", [row.uri for row in batch])
    checked = [
        {"record_id": row.id, "scored_version": row.version, "quality_json": qualities[row.uri]}
        for row in batch
        if row.uri in qualities
    ]
    if checked:
        session.connection().execute(_STORE, checked)
    session.commit()
    return len(checked)


def _qualities(path: Path, uris: Sequence[str]) -> dict[str, str | None]:
    """Quality as JSON by record; None for one that crashes the check also alone.

    A record about which nothing is staged is left out: it is harvested at this moment, and is scored later.
    """
    staging = Staging(path)
    try:
        statements_by_uri = {uri: list(dcat.statements(uri, staging)) for uri in uris}
    finally:
        staging.close()
    staged = {uri: statements for uri, statements in statements_by_uri.items() if statements}
    qualities = _checked(staged)
    if qualities is not None:
        return dict(qualities)
    return {uri: (_checked({uri: statements}) or {}).get(uri) for uri, statements in staged.items()}


def _checked(statements_by_uri: Mapping[str, Sequence[_Statement]]) -> dict[str, str] | None:
    """Quality as JSON by record; None if the check crashes."""
    quads: list[_Statement] = []
    records: list[list[str]] = []
    for uri, statements in statements_by_uri.items():
        quads += statements
        records.append(list(dict.fromkeys([uri, *(shacl.name_of(subject) for subject, _, _ in statements)])))
    with tempfile.NamedTemporaryFile(prefix="atrium-quality-") as file:
        file.write(shacl.triples(quads))
        file.flush()
        try:
            lines = list(sandbox.run("shapes", {"path": file.name, "records": records}, _LIMITS))
        except sandbox.Crashed as crash:
            logger.warning("the quality check of %d records crashed: %s", len(records), crash)
            return None
    moment = now()
    return {line["record"]: Quality.model_validate({**line, "checked": moment}).model_dump_json() for line in lines}
