"""Searches that people keep, and the mail they get when something new matches."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from urllib.parse import urlencode

from sqlalchemy import func, or_, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from hub.dataspace.memberships import projects_of
from hub.dataspace.metadata.vocabularies import in_language
from hub.dataspace.models import Card, Query
from hub.dataspace.saved_searches.models import SavedSearch, SavedSearchForm
from hub.dataspace.saved_searches.tables import SavedSearchRow
from hub.dataspace.search.answers import wanted
from hub.dataspace.search.index import Engine, SearchRequest
from hub.dataspace.tables import RecordRow
from hub.db.base import now
from hub.errors import AtriumError, InvalidInput, NotFound
from hub.mail import service as mail
from hub.settings import Settings

logger = logging.getLogger(__name__)

SAVED_AT_MOST = 100
MAIL_EVERY = timedelta(days=1)
TOLD = 10
"""Records named in a mail; the rest is counted."""
LOOKED_AT = 50
SETTLED = timedelta(minutes=2)
"""A record is stored some seconds after the moment it says it changed at; by then it certainly is."""


# -- what a person keeps ----------------------------------------------------------------------------------------------


def saved(session: Session, person: str) -> tuple[SavedSearch, ...]:
    rows = session.scalars(select(SavedSearchRow).where(SavedSearchRow.person == person).order_by(SavedSearchRow.title))
    return tuple(_saved(row) for row in rows)


def save(session: Session, person: str, form: SavedSearchForm) -> SavedSearch:
    """Keep a search under a title, or change the one of that title; news count from now."""
    mine = session.scalars(select(SavedSearchRow).where(SavedSearchRow.person == person)).all()
    seen = heard(session, now())
    row = next((one for one in mine if one.title == form.title), None)
    if row is None:
        if len(mine) >= SAVED_AT_MOST:
            raise InvalidInput(f"You have {SAVED_AT_MOST} saved searches.", hint="Delete one first.")
        row = SavedSearchRow(person=person, title=form.title, created=now())
        session.add(row)
    row.query, row.mail, row.seen = form.query.model_dump_json(), form.mail, seen
    session.commit()
    return _saved(row)


def forget(session: Session, person: str, search_id: int) -> None:
    row = session.get(SavedSearchRow, search_id)
    if row is None or row.person != person:
        raise NotFound("There is no such saved search.")
    session.delete(row)
    session.commit()


def _saved(row: SavedSearchRow) -> SavedSearch:
    query = Query.model_validate_json(row.query)
    return SavedSearch(id=row.id, title=row.title, query=query, mail=row.mail, created=row.created, mailed=row.mailed)


# -- what is new ------------------------------------------------------------------------------------------------------


def heard(session: Session, moment: datetime) -> datetime:
    """The moment, not after ``moment``, up to which the index has heard of every change; in whole seconds."""
    waiting = session.scalar(select(func.min(RecordRow.changed)).where(~RecordRow.indexed))
    if waiting is not None:
        moment = min(moment, waiting - timedelta(seconds=1))
    return moment.replace(microsecond=0)


def news(session: Session, index: Engine, row: SavedSearchRow, until: datetime) -> tuple[int, tuple[Card, ...]]:
    """What a saved search finds that was new or changed after ``row.seen`` and not after ``until``.

    :returns: how many, and the first of them. Only what the person may see now counts.
    """
    asked = wanted(Query.model_validate_json(row.query), projects_of(session, row.person))

    def after(moment: datetime, limit: int) -> SearchRequest:
        since = int(moment.timestamp())
        return SearchRequest(
            asked.text, asked.chips, asked.projects, sort="date", limit=limit, changed_after=since, counts=False
        )

    found = index.search(after(row.seen, LOOKED_AT))
    later = index.search(after(until, LOOKED_AT))
    too_new = set(later.cards)
    cards = [Card.model_validate_json(card) for card in found.cards if card not in too_new]
    return max(0, found.total - later.total), tuple(cards[:TOLD])


def write_news(
    sessions: sessionmaker[Session], settings: Settings, index: Engine, moment: datetime | None = None
) -> int:
    """A mail for each saved search that has news and had no mail for a day; how many.

    Mail and what has been told are one transaction: nothing is told twice, and nothing is lost.
    """
    moment = moment or now()
    with sessions() as session:
        until = heard(session, moment - SETTLED)
        rested = or_(SavedSearchRow.mailed.is_(None), SavedSearchRow.mailed <= moment - MAIL_EVERY)
        due = select(SavedSearchRow.id).where(SavedSearchRow.mail, rested, SavedSearchRow.seen < until)
        numbers = session.scalars(due.order_by(SavedSearchRow.id)).all()
    written = 0
    for number in numbers:
        try:
            with sessions() as session:
                written += _write(session, settings, index, session.get(SavedSearchRow, number), until, moment)
        except (AtriumError, SQLAlchemyError, ValueError, OSError):
            logger.exception("news of the saved search %d could not be written; it is tried again", number)
    return written


def _write(  # noqa: PLR0917
    session: Session, settings: Settings, index: Engine, row: SavedSearchRow | None, until: datetime, moment: datetime
) -> bool:
    if row is None:
        return False
    total, cards = news(session, index, row, until)
    if not total:
        return False
    title = mail.one_line(row.title)
    mail.enqueue(
        session,
        to=mail.address_of(row.person, settings),
        subject=f"{_records(total)} for “{title}”",
        text="\n".join(_letter(settings, row, total, cards)),
        key=f"saved-search-{row.id}-{int(until.timestamp())}",
    )
    row.seen, row.mailed = until, moment
    session.commit()
    return True


def _letter(settings: Settings, row: SavedSearchRow, total: int, cards: Iterable[Card]) -> Iterator[str]:
    """Titles are somebody else's words: each is one line here, and a link is always ours."""
    page = f"{settings.service_url('dashboards')}voila/render/dataspaces.ipynb"
    query = Query.model_validate_json(row.query)
    what = f"Your saved search “{mail.one_line(row.title)}” finds {_records(total)}"
    yield f"{what}, new or changed since {row.seen:%-d %B %Y}."
    yield ""
    told = 0
    for told, card in enumerate(cards, 1):  # noqa: B007
        title = mail.one_line(in_language(card.title, query.language)) or "A record without a title"
        whose = mail.one_line(in_language(card.publisher, query.language))
        yield f"- {title} ({', '.join(filter(None, (whose, card.space)))})"
        yield f"  {page}#record={card.id}"
    if total > told:
        yield f"and {total - told:,} more."
    yield ""
    yield "The whole search, the newest first:"
    yield f"{page}#{_address(query.model_copy(update={'sort': 'date'}))}"
    yield ""
    yield "You asked for this mail when you saved the search; it comes at most once a day. To stop it, sign in and open"
    yield f"{page}#view=saved"
    yield "then choose “Stop mail” beside the search, or delete it."
    yield ""


def _address(query: Query) -> str:
    """A search as the page's address has it (widgets/dataspace/front.js)."""
    told = [("q", query.text)] if query.text else []
    told += [("chip", chip) for chip in query.chips]
    return urlencode([*told, ("sort", query.sort)])


def _records(total: int) -> str:
    return "1 record" if total == 1 else f"{total:,} records"
