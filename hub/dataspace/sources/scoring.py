"""Scores the quality of records in batches, by the statements of their source. Runs in the worker."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Iterable, Sequence
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

logger = logging.getLogger(__name__)

BATCH = 200
_LIMITS = sandbox.Limits(seconds=120.0)
_ROWS = RecordRow.__table__.c
_STORE = (
    update(RecordRow.__table__)  # type: ignore[arg-type]
    .where(_ROWS.id == bindparam("record_id"), _ROWS.version == bindparam("scored_version"))
    .values(checked=True, quality=bindparam("quality_json"), indexed=False, version=_ROWS.version + 1)
)
"""A record that changed while it was scored is scored again."""


def score_records(sessions: sessionmaker[Session], folder: Path, *, seconds: float) -> int:
    """Score records until none is left or the time is over; returns their number.

    :param folder: of the sources' staging files.
    """
    until, scored = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        with sessions() as session:
            rows = session.scalars(
                select(RecordRow)
                .where(~RecordRow.checked, RecordRow.removed.is_(None), RecordRow.source_id.is_not(None))
                .order_by(RecordRow.id)
                .limit(BATCH)
            ).all()
            if not rows:
                break
            source = session.get_one(SourceRow, rows[0].source_id)
            batch = [row for row in rows if row.source_id == source.id]
            session.commit()  # no transaction stays open while the shapes are checked
            qualities = _qualities(folder / f"{source.name}.sqlite", [row.uri for row in batch])
            session.connection().execute(
                _STORE,
                [
                    {"record_id": row.id, "scored_version": row.version, "quality_json": qualities.get(row.uri)}
                    for row in batch
                ],
            )
            session.commit()
            scored += len(batch)
    return scored


def _qualities(path: Path, uris: Sequence[str]) -> dict[str, str]:
    """Quality as JSON by record. After a crash each record is scored alone; one that crashes again has no quality."""
    staging = Staging(path)
    try:
        qualities = _checked(staging, uris)
        if qualities is None:
            alone = (_checked(staging, [uri]) for uri in uris)
            qualities = {uri: quality for result in alone if result for uri, quality in result.items()}
        return qualities
    finally:
        staging.close()


def _checked(staging: Staging, uris: Iterable[str]) -> dict[str, str] | None:
    """Quality as JSON by record; None if the check crashes."""
    quads: list[tuple[str, str, list[Any]]] = []
    records: list[list[str]] = []
    for uri in uris:
        statements = list(dcat.statements(uri, staging))
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
