"""Quality in the background: records are judged in batches by what their source said; the index gets the badge."""

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
    .where(_ROWS.id == bindparam("judged"), _ROWS.version == bindparam("as_of"))
    .values(checked=True, quality=bindparam("told"), indexed=False, version=_ROWS.version + 1)
)
"""What has changed meanwhile is judged again."""


def judge(sessions: sessionmaker[Session], folder: Path, *, seconds: float) -> int:
    """Judge records until there are none left or the time is over; how many were judged.

    :param folder: of the sources' staging files.
    """
    until, judged = time.monotonic() + seconds, 0
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
            mine = [row for row in rows if row.source_id == source.id]
            session.commit()  # no transaction stays open while the shapes are checked
            found = _judged(folder / f"{source.name}.sqlite", [row.uri for row in mine])
            session.connection().execute(
                _STORE, [{"judged": row.id, "as_of": row.version, "told": found.get(row.uri)} for row in mine]
            )
            session.commit()
            judged += len(mine)
    return judged


def _judged(path: Path, uris: Sequence[str]) -> dict[str, str]:
    """Quality as JSON by record. One that breaks the check is judged alone, and has none if it does so again."""
    staging = Staging(path)
    try:
        found = _checked(staging, uris)
        if found is None:
            alone = (_checked(staging, [uri]) for uri in uris)
            found = {uri: told for one in alone if one for uri, told in one.items()}
        return found
    finally:
        staging.close()


def _checked(staging: Staging, uris: Iterable[str]) -> dict[str, str] | None:
    quads: list[tuple[str, str, list[Any]]] = []
    records: list[list[str]] = []
    for uri in uris:
        said = list(dcat.statements(uri, staging))
        quads += said
        records.append(list(dict.fromkeys([uri, *(shacl.name_of(subject) for subject, _, _ in said)])))
    with tempfile.NamedTemporaryFile(prefix="atrium-quality-") as file:
        file.write(shacl.triples(quads))
        file.flush()
        try:
            lines = list(sandbox.run("shapes", {"path": file.name, "records": records}, _LIMITS))
        except sandbox.Crashed as crash:
            logger.warning("%d records could not be judged together: %s", len(records), crash)
            return None
    moment = now()
    return {line["record"]: Quality.model_validate({**line, "checked": moment}).model_dump_json() for line in lines}
