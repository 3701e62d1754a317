"""Saved searches, and the mail about new results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import urlencode

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session, sessionmaker

from hub.dataspace.metadata.vocabularies import in_language
from hub.dataspace.models import Card, Query
from hub.dataspace.saved_searches.models import SavedSearch, SavedSearchForm
from hub.dataspace.saved_searches.tables import SavedSearchRow
from hub.dataspace.search.answers import search_request
from hub.dataspace.search.engine import Engine, SearchRequest
from hub.dataspace.tables import RecordRow
from hub.db.base import now
from hub.errors import InvalidInput, NotFound
from hub.formats import day, quantity
from hub.loops import by_itself
from hub.mail import service as mail
from hub.projects.service import slugs_of
from hub.settings import Settings

MOST_SAVED = 100
"""Saved searches of one person."""
MAIL_EVERY = timedelta(days=1)
RECORDS_IN_MAIL = 10
"""Records named in a mail; the rest is counted."""
NEWEST_COMPARED = 50
STORED_AFTER = timedelta(minutes=2)
"""A record is stored some seconds after its time of change, and certainly after this."""


# -- saved searches --------------------------------------------------------------------------------------------------


def saved(session: Session, person: str) -> tuple[SavedSearch, ...]:
    """The saved searches of a person, ordered by title."""
    rows = session.scalars(select(SavedSearchRow).where(SavedSearchRow.person == person).order_by(SavedSearchRow.title))
    return tuple(_saved(row) for row in rows)


def save(session: Session, person: str, form: SavedSearchForm) -> SavedSearch:
    """Save a search under a title, in place of one with the same title. Records new or changed from now on are news."""
    own = session.scalars(select(SavedSearchRow).where(SavedSearchRow.person == person)).all()
    seen = indexed_until(session, now())
    row = next((saved_row for saved_row in own if saved_row.title == form.title), None)
    if row is None:
        if len(own) >= MOST_SAVED:
            raise InvalidInput(f"You have {MOST_SAVED} saved searches.", hint="Delete one first.")
        row = SavedSearchRow(person=person, title=form.title, created=now())
        session.add(row)
    row.query, row.mail, row.seen = form.query.model_dump_json(), form.mail, seen
    session.commit()
    return _saved(row)


def forget(session: Session, person: str, search_id: int) -> None:
    """Delete a saved search; raises :class:`NotFound` if it is not the person's."""
    row = session.get(SavedSearchRow, search_id)
    if row is None or row.person != person:
        raise NotFound("There is no such saved search.")
    session.delete(row)
    session.commit()


def _saved(row: SavedSearchRow) -> SavedSearch:
    query = Query.model_validate_json(row.query)
    return SavedSearch(id=row.id, title=row.title, query=query, mail=row.mail, created=row.created, mailed=row.mailed)


# -- mail about news -------------------------------------------------------------------------------------------------


def indexed_until(session: Session, moment: datetime) -> datetime:
    """The latest moment, at most ``moment``, up to which every change is indexed; in whole seconds."""
    oldest_waiting = session.scalar(select(func.min(RecordRow.changed)).where(~RecordRow.indexed))
    if oldest_waiting is not None:
        moment = min(moment, oldest_waiting - timedelta(seconds=1))
    return moment.replace(microsecond=0)


def news(session: Session, index: Engine, row: SavedSearchRow, until: datetime) -> tuple[int, tuple[Card, ...]]:
    """Hits of a saved search that are new or changed after ``row.seen`` and not after ``until``.

    :returns: their number, and the newest of them. Only records that the person may see now count.
    """
    request = search_request(Query.model_validate_json(row.query), slugs_of(session, row.person))

    def after(moment: datetime, limit: int) -> SearchRequest:
        since = int(moment.timestamp())
        return replace(request, sort="date", offset=0, limit=limit, typing=False, changed_after=since, counts=False)

    unseen = index.search(after(row.seen, NEWEST_COMPARED))
    too_new = index.search(after(until, NEWEST_COMPARED))
    too_new_cards = set(too_new.cards)
    cards = [Card.model_validate_json(card) for card in unseen.cards if card not in too_new_cards]
    return max(0, unseen.total - too_new.total), tuple(cards[:RECORDS_IN_MAIL])


def write_news(
    sessions: sessionmaker[Session], settings: Settings, index: Engine, moment: datetime | None = None
) -> int:
    """Write a mail for each saved search that has news and had no mail for a day; returns the number of mails.

    A mail and the moment up to which it reports are one transaction: no record is reported twice, and none is lost.
    """
    moment = moment or now()
    with sessions() as session:
        until = indexed_until(session, moment - STORED_AFTER)
        no_mail_today = or_(SavedSearchRow.mailed.is_(None), SavedSearchRow.mailed <= moment - MAIL_EVERY)
        due = select(SavedSearchRow.id).where(SavedSearchRow.mail, no_mail_today, SavedSearchRow.seen < until)
        search_ids = session.scalars(due.order_by(SavedSearchRow.id)).all()
    mails = 0
    for search_id in search_ids:
        with by_itself(f"mail about saved search {search_id}"), sessions() as session:
            row = session.get(SavedSearchRow, search_id)
            mails += _write(session, settings, index, row, until, moment)
    return mails


def _write(  # noqa: PLR0917
    session: Session, settings: Settings, index: Engine, row: SavedSearchRow | None, until: datetime, moment: datetime
) -> bool:
    if row is None:
        return False
    total, cards = news(session, index, row, until)
    if not total:
        return False
    title = mail.one_line(row.title)
    mail.write_to(
        session,
        row.person,
        settings,
        subject=f"{_records(total)} for “{title}”",
        text="\n".join(_mail_lines(settings, row, total, cards)),
        key=f"saved-search-{row.id}-{int(until.timestamp())}",
    )
    row.seen, row.mailed = until, moment
    session.commit()
    return True


def _mail_lines(settings: Settings, row: SavedSearchRow, total: int, cards: Iterable[Card]) -> Iterator[str]:
    """Lines of a mail. Titles come from sources: each is put on one line, and links lead to our own page only."""
    page = f"{settings.service_url('dashboards')}voila/render/dataspaces.ipynb"
    query = Query.model_validate_json(row.query)
    summary = f"Your saved search “{mail.one_line(row.title)}” finds {_records(total)}"
    yield f"{summary}, new or changed since {day(row.seen)}."
    yield ""
    listed = 0
    for listed, card in enumerate(cards, 1):  # noqa: B007
        title = mail.one_line(in_language(card.title, query.language)) or "A record without a title"
        publisher = mail.one_line(in_language(card.publisher, query.language))
        yield f"- {title} ({', '.join(filter(None, (publisher, card.space)))})"
        yield f"  {page}#record={card.id}"
    if total > listed:
        yield f"and {quantity(total - listed)} more."
    yield ""
    yield "The whole search, the newest first:"
    yield f"{page}#{_address(query.model_copy(update={'sort': 'date'}))}"
    yield ""
    yield "You asked for this mail when you saved the search; it comes at most once a day. To stop it, sign in and open"
    yield f"{page}#view=saved"
    yield "then choose “Stop mail” beside the search, or delete it."
    yield ""


def _address(query: Query) -> str:
    """A search as a fragment of the page's address (widgets/dataspace/front.js)."""
    parameters = [("q", query.text)] if query.text else []
    parameters += [("chip", chip) for chip in query.chips]
    days = [("from", query.updated_from), ("to", query.updated_to)]
    parameters += [(name, day.isoformat()) for name, day in days if day]
    return urlencode([*parameters, ("sort", query.sort)])


def _records(total: int) -> str:
    return "1 record" if total == 1 else f"{quantity(total)} records"
