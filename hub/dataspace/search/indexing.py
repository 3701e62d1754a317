"""Brings the index up to date with the database, in batches. Runs in the worker, which may be killed at any moment."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session, sessionmaker

from hub.dataspace.metadata import usability
from hub.dataspace.metadata.countries import country
from hub.dataspace.metadata.high_value import is_high_value
from hub.dataspace.metadata.vocabularies import in_language, licence_label
from hub.dataspace.metadata.vocabularies import language as language_of
from hub.dataspace.models import Card, Quality, Record, Text, Visibility
from hub.dataspace.search.analysis import LANGUAGES, NO_LANGUAGE
from hub.dataspace.search.engine import Entry, Writer
from hub.dataspace.search.index import TantivyIndex
from hub.dataspace.search.schema import document
from hub.dataspace.tables import RecordRow

logger = logging.getLogger(__name__)

BATCH = 20_000
"""Rows of one batch, some 150 MB. Each batch changes the index, after which answers to common searches are prepared."""
_LONGEST_TITLE = 150
_LONGEST_SUMMARY = 200
_MOST_SUMMARIES = 3
_LONGEST_TEXT = 20_000
_ROWS = RecordRow.__table__.c
_MARK_INDEXED = (
    update(RecordRow.__table__)  # type: ignore[arg-type]
    .where(_ROWS.id == bindparam("record_id"), _ROWS.version == bindparam("indexed_version"))
    .values(indexed=True)
)
"""A record that changed while it was indexed stays unmarked, and is indexed again."""


def reset_if_empty(sessions: sessionmaker[Session], index: TantivyIndex) -> None:
    """Unmark all records if the index is empty and should not be: it was lost, or has a new schema."""
    with sessions() as session:
        should_be_there = select(RecordRow.id).where(RecordRow.indexed, RecordRow.removed.is_(None)).limit(1)
        if not index.size() and session.scalar(should_be_there) is not None:
            session.execute(update(RecordRow).where(RecordRow.indexed).values(indexed=False))
            session.commit()


def bring_up_to_date(sessions: sessionmaker[Session], writer: Writer) -> int:
    """Index every record that changed since it was indexed; returns their number.

    A row is marked after it is indexed: rows that a crash leaves unmarked are indexed twice, which changes nothing.

    A record that cannot be read leaves the index until it changes, and stops no others.
    """
    indexed = 0
    while True:
        with sessions() as session:
            rows = session.scalars(
                select(RecordRow).where(~RecordRow.indexed).order_by(RecordRow.id).limit(BATCH)
            ).all()
            session.commit()
            if not rows:
                return indexed
            _replace(writer, rows)
            session.connection().execute(
                _MARK_INDEXED, [{"record_id": row.id, "indexed_version": row.version} for row in rows]
            )
            session.commit()
            indexed += len(rows)


def _replace(writer: Writer, rows: Sequence[RecordRow]) -> None:
    removed = [row.id for row in rows if row.removed is not None]
    present = [row for row in rows if row.removed is None]
    try:
        writer.replace(map(entry, present), removed)
    except Exception:
        readable = [row for row in present if _is_readable(row)]
        if len(readable) == len(present):
            raise  # of the index, not of a record
        unreadable = {row.id for row in present} - {row.id for row in readable}
        writer.replace(map(entry, readable), [*removed, *unreadable])


def _is_readable(row: RecordRow) -> bool:
    """Whether a record can be indexed; else it is not known any more who may see it."""
    try:
        document(entry(row))
    except Exception:
        logger.exception("record %d cannot be indexed, and is not shown until it changes", row.id)
        return False
    return True


def entry(row: RecordRow) -> Entry:
    """A record as the index stores it."""
    record = Record.model_validate_json(row.content)
    return Entry(
        id=row.id,
        card=_card(row, record).model_dump_json(exclude_defaults=True),
        title=" ".join(record.title.values()),
        name=in_language(record.title, "en"),
        texts=_texts(record),
        keywords=tuple({keyword: None for keywords in record.keywords.values() for keyword in keywords}),
        facets={
            "sector": record.themes,
            "space": (row.space,),
            "publisher": tuple(filter(None, (in_language(record.publisher.name, "en")[:200],))),
            "licence": (record.licence.kind.value,),
            "access": (record.access.value,),
            "format": tuple(sorted({d.format for d in record.distributions if d.format})),
            "language": tuple(sorted(record.languages)),
            "updated": (str(updated.year),) if (updated := record.modified or record.issued) else (),
            "country": tuple(sorted(set(filter(None, map(country, record.spatial))))),
            "kind": (record.kind.value,),
            "quality": (quality.badge,) if (quality := _quality(row)) else (),
            "high_value": ("yes",) if is_high_value(record) else (),
        },
        project=row.project if row.visibility == Visibility.PROJECT else None,
        updated=updated.toordinal() if updated else 0,
        bytes=record.bytes or 0,
        changed=int(row.changed.timestamp()),
    )


def _card(row: RecordRow, record: Record) -> Card:
    usable = usability.usable_now(record)
    quality = _quality(row)
    licence = in_language(record.licence.label, "en") or in_language(licence_label(record.licence.uri), "en")
    return Card(
        id=row.id,
        uri=record.uri,
        kind=record.kind,
        title={tag: _cut(text, _LONGEST_TITLE) for tag, text in record.title.items()},
        summary=dict(_summaries(record.description)),
        publisher={tag: _cut(text, _LONGEST_TITLE) for tag, text in record.publisher.name.items()},
        space=row.space,
        licence=(licence or record.licence.uri)[:_LONGEST_TITLE],
        licence_class=record.licence.kind,
        access=record.access,
        formats=tuple(sorted({d.format for d in record.distributions if d.format}))[:12],
        themes=record.themes,
        bytes=record.bytes,
        updated=record.modified or record.issued,
        usable=usable.verdict,
        reason=usable.reason,
        quality=quality.badge if quality else None,
    )


def _quality(row: RecordRow) -> Quality | None:
    """Quality of a record's description; None if it is not checked yet."""
    return Quality.model_validate_json(row.quality) if row.quality else None


def _summaries(description: Text) -> Iterator[tuple[str, str]]:
    """The beginning of a description in a few languages, machine translations last."""
    for tag in sorted(description, key=lambda tag: ("-t-" in tag, tag != "en", tag))[:_MOST_SUMMARIES]:
        yield tag, _cut(" ".join(description[tag].split()), _LONGEST_SUMMARY)


def _cut(text: str, most: int) -> str:
    """At most ``most`` characters, cut between words and ended with an ellipsis."""
    return text if len(text) <= most else text[:most].rsplit(" ", 1)[0] + " …"


def _texts(record: Record) -> dict[str, str]:
    """All searchable text by language; text without a language tag has the record's language if it has only one."""
    unstated = record.languages[0] if len(record.languages) == 1 else NO_LANGUAGE
    texts_by_language: dict[str, list[str]] = {}

    def add(tag: str, *texts: str) -> None:
        language = unstated if tag == "und" else language_of(tag) or NO_LANGUAGE
        texts_by_language.setdefault(language if language in LANGUAGES else NO_LANGUAGE, []).extend(texts)

    for text in (record.title, record.description, record.publisher.name):
        for tag, value in text.items():
            add(tag, value[:_LONGEST_TEXT])
    for tag, keywords in record.keywords.items():
        add(tag, *keywords)
    for distribution in record.distributions:
        for tag, title in distribution.title.items():
            add(tag, title[:_LONGEST_TITLE])
    return {language: "\n".join(texts) for language, texts in texts_by_language.items()}
