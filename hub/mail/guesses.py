"""Mail to admins about many wrong passwords, tokens or codes. Used by the Hub and by the API."""

from __future__ import annotations

import logging
from threading import Thread

from sqlalchemy.exc import SQLAlchemyError

from hub.db.base import now
from hub.db.engine import make_engine, make_sessions
from hub.mail import service
from hub.settings import Settings

logger = logging.getLogger(__name__)


def report(settings: Settings, program: str, kind: str, count: int) -> None:
    """Write to each admin, in a thread: whoever waits for a sign-in does not wait for the database too.

    :param program: where the attempts were counted, as its log is called.
    :param kind: ``passwords``, ``tokens`` or ``codes``.
    :param count: attempts within the last hour.
    """
    Thread(target=enqueue, args=(settings, program, kind, count), name="guesses", daemon=True).start()


def enqueue(settings: Settings, program: str, kind: str, count: int) -> None:
    """Add the mails to the outbox, at most one an hour about each program and kind. A failure is logged."""
    moment = now()
    text = (
        f"Within an hour, {count} attempts with wrong {kind} were counted at {settings.site.name}. Each further one "
        f"has to wait, so guessing is slow. You get this mail at most once an hour.\n\n"
        f"The log of {program} shows names and addresses. If one address stands out, block it in the firewall. If one "
        f"name does, ask that person to choose a new password.\n"
    )
    engine = make_engine(settings.api.database_url, existing=True)
    try:
        with make_sessions(engine)() as session:
            for admin in sorted(settings.login.admins):
                service.write_to(
                    session,
                    admin,
                    settings,
                    subject=f"Many wrong {kind} at {settings.site.name}",
                    text=text,
                    key=f"guesses-{program}-{kind}-{moment:%Y%m%d%H}-{admin}",
                )
            session.commit()
    except SQLAlchemyError as error:
        logger.warning("admins get no mail about %i wrong %s: %s", count, kind, type(error).__name__)
    finally:
        engine.dispose()
