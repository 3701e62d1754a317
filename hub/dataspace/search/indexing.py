"""From the database to the index: the worker tells the index what has changed, in batches, and may be killed in it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session, sessionmaker

from hub.dataspace.metadata import odrl
from hub.dataspace.metadata.vocabularies import in_language, licence_label
from hub.dataspace.metadata.vocabularies import language as language_of
from hub.dataspace.models import Card, Quality, Record, Text, Visibility
from hub.dataspace.search.index import STEMMERS, Entry, TantivyIndex, Writer
from hub.dataspace.tables import RecordRow

logger = logging.getLogger(__name__)

BATCH = 20_000
"""Some 150 MB of rows. Each batch is a change of the index, after which common searches are answered anew."""
_TITLE = 150
_SUMMARY = 200
_SUMMARIES = 3
_WORDS = 20_000
_ROWS = RecordRow.__table__.c
_MARK = (
    update(RecordRow.__table__)  # type: ignore[arg-type]
    .where(_ROWS.id == bindparam("told"), _ROWS.version == bindparam("as_of"))
    .values(indexed=True)
)
"""A change that came while the index was told keeps its mark."""


def start_over(sessions: sessionmaker[Session], index: TantivyIndex) -> None:
    """An index that is empty while there are records was lost, or has a new shape: everything is told again."""
    with sessions() as session:
        if not index.size() and session.scalar(select(func.count()).where(RecordRow.indexed)):
            session.execute(update(RecordRow).where(RecordRow.indexed).values(indexed=False))
            session.commit()


def bring_up_to_date(sessions: sessionmaker[Session], writer: Writer) -> int:
    """Tell the index every change it has not heard of; how many there were.

    The index is told first and the row marked after: what a crash leaves unmarked is told twice, which changes nothing.
    """
    told = 0
    while True:
        with sessions() as session:
            rows = session.scalars(
                select(RecordRow).where(~RecordRow.indexed).order_by(RecordRow.id).limit(BATCH)
            ).all()
            session.commit()
            if not rows:
                return told
            gone = [row.id for row in rows if row.removed is not None]
            writer.replace((entry(row) for row in rows if row.removed is None), gone)
            session.connection().execute(_MARK, [{"told": row.id, "as_of": row.version} for row in rows])
            session.commit()
            told += len(rows)


def entry(row: RecordRow) -> Entry:
    """A record as the index takes it."""
    record = Record.model_validate_json(row.content)
    return Entry(
        id=row.id,
        card=_card(row, record).model_dump_json(exclude_defaults=True),
        title=" ".join(record.title.values()),
        texts=_texts(record),
        facets={
            "sector": record.themes,
            "space": (row.space,),
            "publisher": tuple(filter(None, (in_language(record.publisher.name, "en")[:200],))),
            "licence": (record.licence.kind.value,),
            "access": (record.access.value,),
            "format": tuple(sorted({d.format for d in record.distributions if d.format})),
            "language": tuple(sorted(record.languages)),
            "updated": (str(updated.year),) if (updated := record.modified or record.issued) else (),
        },
        project=row.project if row.visibility == Visibility.PROJECT else None,
        updated=updated.toordinal() if updated else 0,
        bytes=record.bytes or 0,
        changed=int(row.changed.timestamp()),
    )


def _card(row: RecordRow, record: Record) -> Card:
    usable = odrl.usable_now(record)
    quality = Quality.model_validate_json(row.quality) if row.quality else None
    licence = in_language(record.licence.label, "en") or in_language(licence_label(record.licence.uri), "en")
    return Card(
        id=row.id,
        uri=record.uri,
        kind=record.kind,
        title={tag: _cut(text, _TITLE) for tag, text in record.title.items()},
        summary=dict(_summaries(record.description)),
        publisher={tag: _cut(text, _TITLE) for tag, text in record.publisher.name.items()},
        space=row.space,
        licence=(licence or record.licence.uri)[:_TITLE],
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


def _summaries(description: Text) -> Iterator[tuple[str, str]]:
    """Beginnings in a few languages, those that people wrote before those that machines translated."""
    for tag in sorted(description, key=lambda tag: ("-t-" in tag, tag != "en", tag))[:_SUMMARIES]:
        yield tag, _cut(" ".join(description[tag].split()), _SUMMARY)


def _cut(text: str, most: int) -> str:
    """At most about ``most`` letters, ended between words and with a sign that there is more."""
    return text if len(text) <= most else text[:most].rsplit(" ", 1)[0] + " …"


def _texts(record: Record) -> dict[str, str]:
    """Everything that can be found by words, by language; a text of no stated language has the record's only one."""
    unstated = record.languages[0] if len(record.languages) == 1 else "xx"
    found: dict[str, list[str]] = {}

    def add(tag: str, *texts: str) -> None:
        language = unstated if tag == "und" else language_of(tag) or "xx"
        found.setdefault(language if language in STEMMERS else "xx", []).extend(texts)

    for text in (record.title, record.description, record.publisher.name):
        for tag, words in text.items():
            add(tag, words[:_WORDS])
    for tag, keywords in record.keywords.items():
        add(tag, *keywords)
    for distribution in record.distributions:
        for tag, words in distribution.title.items():
            add(tag, words[:_TITLE])
    return {language: "\n".join(texts) for language, texts in found.items()}
