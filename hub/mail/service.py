"""The outbox: mails are stored in the caller's transaction and delivered by the worker."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Sequence
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from hashlib import sha256

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, sessionmaker

from hub.db.base import now
from hub.errors import InvalidInput
from hub.loops import by_itself
from hub.mail.models import Email, EmailState, MailAddress, Mailbox
from hub.mail.smtp import Delayed, Refused, Smtp, Unreachable, connection
from hub.mail.tables import AddressRow, LetterRow
from hub.settings import Settings

logger = logging.getLogger(__name__)

BATCH = 50
ROWS_AT_ONCE = 500
FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=6)
GIVE_UP_AFTER = timedelta(days=5)
"""As long as RFC 5321 (4.5.4.1) advises."""
LONGEST_SUBJECT = 200
LONGEST_KEY = 200

_ADDRESS = TypeAdapter(MailAddress)


def enqueue(session: Session, *, to: str, subject: str, text: str, key: str) -> None:
    """Add a mail to the outbox in the caller's transaction; it is sent only if that commits.

    :param key: unique name of the occasion (``invitation-17``); a second mail with the same key is dropped.
    :raises InvalidInput: ``to`` is not a mail address.
    """
    if not 0 < len(key) <= LONGEST_KEY:
        raise ValueError(f"a mail's key has between 1 and {LONGEST_KEY} characters")
    moment = now()
    values = {
        "key": key,
        "to": checked_address(to),
        "subject": one_line(subject)[:LONGEST_SUBJECT],
        "text": text.replace("\0", "\ufffd").encode(errors="replace").decode(),
        "state": EmailState.WAITING,
        "written": moment,
        "due": moment,
        "attempts": 0,
        "reason": "",
    }
    # Not an ORM add: of two processes that write the same key at once, both must be able to commit the rest.
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    session.execute(insert(LetterRow).values(values).on_conflict_do_nothing(index_elements=["key"]))


def write_to(session: Session, person: str, settings: Settings, *, subject: str, text: str, key: str) -> None:
    """Add a mail to a person to the outbox, as :func:`enqueue` does.

    An address that cannot be used stops neither the caller's work nor mails to others: it is logged.
    """
    for address in dict.fromkeys((address_of(session, person, settings), account_address(person, settings))):
        try:
            enqueue(session, to=address, subject=subject, text=text, key=key)
        except InvalidInput:
            logger.warning("the mail address of %s cannot be used", person)
        else:
            return


def address_of(session: Session, person: str, settings: Settings) -> str:
    """The mail address of a person: the one that they have given, or else their account's own.

    Without a mail server it is the account's own, so that they read their mail in their mailbox.
    """
    row = session.get(AddressRow, person) if settings.mail.smtp_host else None
    return row.address if row is not None else account_address(person, settings)


def account_address(person: str, settings: Settings) -> str:
    """The address that Atrium gives an account."""
    return f"{person}@{settings.mail.domain}"


def set_address(session: Session, person: str, address: str | None) -> None:
    """Set the mail address of a person in the caller's transaction; None: their account's own counts again."""
    if address is not None:
        session.merge(AddressRow(person=person, address=address))
    elif (row := session.get(AddressRow, person)) is not None:
        session.delete(row)


def checked_address(text: str) -> str:
    """``text`` without surrounding spaces; raises :class:`InvalidInput` unless it is a mail address."""
    try:
        return _ADDRESS.validate_python(text.strip())
    except ValidationError:
        raise InvalidInput("This is not a mail address.", field="to", hint="Enter one like ada@example.eu.") from None


def one_line(text: str) -> str:
    """``text`` without anything that could end a header or hide in one."""
    return " ".join("".join(" " if unicodedata.category(sign)[0] == "C" else sign for sign in text).split())


def deliver(sessions: sessionmaker[Session], settings: Settings) -> int:
    """Deliver due mails, the longest due first, and return their number. Safe to run twice and to be killed.

    A mail that is not accepted is delayed and stops no others, unless the server accepts none at all.

    An attempt is stored before it is made. If the worker is killed after the server accepted a mail and before that is
    stored, the mail is sent again with the same Message-ID, by which mail programs recognise it.
    """
    if not settings.mail.smtp_host:
        return _keep(sessions)
    sent = 0
    with connection(settings) as smtp:
        for number in _due(sessions):
            try:
                with by_itself(f"mail {number}", of_all=(Unreachable,)), sessions() as session:
                    sent += _send(session, smtp, session.get_one(LetterRow, number), settings)
            except Unreachable:
                break  # the next mail would fail too
    return sent


def mails(session: Session, *, before: int | None = None, limit: int = 100) -> tuple[Email, ...]:
    """Mails, newest first; ``before``: only those with a smaller number."""
    return _newest(session, LetterRow.to != "", before=before, limit=limit)


def mailbox(session: Session, person: str, settings: Settings, *, before: int | None = None) -> Mailbox:
    """Mail to ``person`` that no mail server got, 100 at most; ``before``: only mails with a smaller number.

    It is theirs by the address that Atrium gives their account, not by one that they enter: nobody has verified that.
    """
    address = account_address(person, settings)
    own = func.lower(LetterRow.to) == address.lower()
    letters = _newest(session, own, LetterRow.state == EmailState.KEPT, before=before, limit=100)
    return Mailbox(address=address, is_sent=bool(settings.mail.smtp_host), mails=letters)


def _newest(session: Session, *which: ColumnElement[bool], before: int | None, limit: int) -> tuple[Email, ...]:
    query = select(LetterRow).where(*which).order_by(LetterRow.id.desc()).limit(limit)
    if before is not None:
        query = query.where(LetterRow.id < before)
    return tuple(Email.model_validate(row) for row in session.scalars(query))


def clear_before(session: Session, moment: datetime) -> int:
    """Clear finished mails written before ``moment``, :data:`ROWS_AT_ONCE` at most, and return their number.

    The row stays with the key of its occasion, so that nobody gets the mail again.
    """
    chosen = LetterRow.written < moment, LetterRow.state != EmailState.WAITING, LetterRow.to != ""
    rows = session.scalars(select(LetterRow).where(*chosen).limit(ROWS_AT_ONCE)).all()
    for row in rows:
        row.to = row.subject = row.text = row.reason = ""
    session.commit()
    return len(rows)


def _keep(sessions: sessionmaker[Session]) -> int:
    """Move waiting mails to the mailbox, because there is no mail server."""
    with sessions() as session:
        waiting = session.scalars(select(LetterRow).where(LetterRow.state == EmailState.WAITING).limit(BATCH)).all()
        for row in waiting:
            row.state, row.delivered, row.reason = EmailState.KEPT, now(), ""
        session.commit()
    return len(waiting)


def _due(sessions: sessionmaker[Session]) -> Sequence[int]:
    query = (
        select(LetterRow.id)
        .where(LetterRow.state == EmailState.WAITING, LetterRow.due <= now())
        .order_by(LetterRow.due, LetterRow.id)
        .limit(BATCH)
    )
    with sessions() as session:
        return session.scalars(query).all()


def _send(session: Session, smtp: Smtp, row: LetterRow, settings: Settings) -> bool:
    row.attempts += 1
    row.due = now() + _pause(row.attempts)
    session.commit()  # no transaction stays open during the call
    try:
        smtp.send(_message(row, settings))
    except (Refused, Delayed, Unreachable) as error:
        logger.warning("the mail server did not accept mail %d: %s", row.id, error)
        row.reason = str(error)[:500]
        if isinstance(error, Refused) or now() - row.written > GIVE_UP_AFTER:
            row.state = EmailState.FAILED
        session.commit()
        if isinstance(error, Unreachable):
            raise
        return False
    # The text may contain a link that only its reader may open, so it is deleted.
    row.state, row.delivered, row.reason, row.text = EmailState.SENT, now(), "", ""
    session.commit()
    return True


def _pause(attempts: int) -> timedelta:
    """Pause after an attempt; it doubles each time."""
    doubled: timedelta = FIRST_PAUSE * 2 ** min(attempts - 1, 16)
    return min(doubled, LONGEST_PAUSE)


def _message(row: LetterRow, settings: Settings) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["From"] = settings.mail.sender
    message["To"] = row.to
    message["Subject"] = row.subject
    message["Date"] = format_datetime(row.written)
    message["Message-ID"] = f"<{sha256(row.key.encode()).hexdigest()[:32]}@{settings.mail.domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(row.text)
    return message
