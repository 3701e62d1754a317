"""One record, if a person may see it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy.orm import Session

from hub.dataspace import local_files
from hub.dataspace.metadata import odrl, usability, vocabularies
from hub.dataspace.models import (
    Distribution,
    LocalFile,
    Quality,
    Record,
    RecordPage,
    Visibility,
)
from hub.dataspace.sources.models import SourceForm
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


def record_page(
    session: Session, record_id: int, projects: frozenset[str], language: str, folders: Sequence[Path] = ()
) -> RecordPage:
    """Everything about one record, with labels in the reader's language.

    :param folders: folders of the settings that sources may be read from.
    """
    row = row_for(session, record_id, projects)
    record = Record.model_validate_json(row.content)
    source = session.get(SourceRow, row.source_id) if row.source_id is not None else None
    codes = {("sector", code) for code in record.themes} | {("language", code) for code in record.languages}
    codes |= {("licence", record.licence.kind.value), ("access", record.access.value)}
    return RecordPage(
        id=row.id,
        record=record,
        paths=tuple(_path(source, file, folders) for file in record.distributions),
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


def local_file(session: Session, row: RecordRow, file: Distribution, folders: Sequence[Path]) -> LocalFile | None:
    """The file of this machine that a distribution of a record names; None if it names none.

    :raises LocalFileRefused: it names one that may not be read.
    """
    return _local_file(session.get(SourceRow, row.source_id) if row.source_id is not None else None, file, folders)


def _local_file(source: SourceRow | None, file: Distribution, folders: Sequence[Path]) -> LocalFile | None:
    if source is None or not file.download_url:
        return None
    form = SourceForm.model_validate_json(source.form)
    return local_files.named_by(file.download_url, source=form.name, folder=form.files, allowed=folders)


def _path(source: SourceRow | None, file: Distribution, folders: Sequence[Path]) -> str:
    try:
        local = _local_file(source, file, folders)
    except local_files.LocalFileRefused:
        return ""
    return local.path if local else ""


def distribution(
    session: Session, record_id: int, projects: frozenset[str], number: int, folders: Sequence[Path] = ()
) -> tuple[Distribution, LocalFile | None]:
    """One of a record's files, counted from 0, and the file of this machine that it names, if it names one."""
    row = row_for(session, record_id, projects)
    files = Record.model_validate_json(row.content).distributions
    if not 0 <= number < len(files):
        raise NotFound("The record has no such file.")
    return files[number], local_file(session, row, files[number], folders)
