"""Removes rows that are older than the settings' ``[retention]`` says; the worker calls it once a day."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy.orm import Session, sessionmaker

from hub.audit import service as audit
from hub.db.base import now
from hub.loops import by_itself
from hub.mail import service as mail
from hub.servers import service as servers
from hub.settings import Retention, Settings

logger = logging.getLogger(__name__)

EVERY_SECONDS = 24 * 3600

Remove = Callable[[Session, datetime], int]
"""Removes or clears some of the rows older than a moment, commits, and returns how many they were."""


def remove_old_rows(sessions: sessionmaker[Session], settings: Settings) -> None:
    """Remove in small transactions, so that nobody waits for long. A kind of rows that fails stops no others."""
    for name, days, remove in _kinds(settings.retention):
        if days:
            with by_itself(f"removal of old {name}"):
                _remove_all(sessions, name, days, remove)


def _remove_all(sessions: sessionmaker[Session], name: str, days: int, remove: Remove) -> None:
    total = 0
    with sessions() as session:
        while count := remove(session, now() - timedelta(days=days)):
            total += count
    if total:
        logger.info("removed %i %s older than %i days", total, name, days)


def _kinds(retention: Retention) -> tuple[tuple[str, int, Remove], ...]:
    return (
        ("attempts", retention.attempts_days, servers.remove_ended_before),
        ("mails", retention.mail_days, mail.clear_before),
        ("audit events", retention.audit_days, audit.remove_before),
    )
