"""One record, if a person may see it."""

from __future__ import annotations

from sqlalchemy.orm import Session

from hub.dataspace.metadata import odrl, usability, vocabularies
from hub.dataspace.models import (
    Distribution,
    Quality,
    Record,
    RecordPage,
    Visibility,
)
from hub.dataspace.sources.tables import SourceRow
from hub.dataspace.tables import RecordRow
from hub.errors import NotFound


def row_for(session: Session, record_id: int, projects: frozenset[str]) -> RecordRow:
    """A record that a member of ``projects`` may see; raises :class:`NotFound` also for one that they may not see."""
    row = session.get(RecordRow, record_id)
    hidden = row is not None and row.visibility == Visibility.PROJECT and row.project not in projects
    if row is None or row.removed is not None or hidden:
        raise NotFound("There is no such record.", hint="Its catalogue may have removed it: search again.")
    return row


def record_page(session: Session, record_id: int, projects: frozenset[str], language: str) -> RecordPage:
    """Everything about one record, with labels in the reader's language."""
    row = row_for(session, record_id, projects)
    record = Record.model_validate_json(row.content)
    source = session.get(SourceRow, row.source_id) if row.source_id is not None else None
    codes = {("sector", code) for code in record.themes} | {("language", code) for code in record.languages}
    codes |= {("licence", record.licence.kind.value), ("access", record.access.value)}
    return RecordPage(
        id=row.id,
        record=record,
        space=row.space,
        source=source.name if source else "",
        harvested=row.changed,
        visibility=row.visibility,
        project=row.project,
        sentences=odrl.sentences(odrl.every_policy(record)),
        usable=usability.usable_now(record),
        quality=Quality.model_validate_json(row.quality) if row.quality else None,
        labels={code: vocabularies.facet_label(facet, code, language) for facet, code in sorted(codes)},
    )


def distribution(session: Session, record_id: int, projects: frozenset[str], number: int) -> Distribution:
    """One of a record's files, counted from 0."""
    files = Record.model_validate_json(row_for(session, record_id, projects).content).distributions
    if not 0 <= number < len(files):
        raise NotFound("The record has no such file.")
    return files[number]
