"""Projects of the person who asks, as far as they decide what may be seen."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from cachetools import TTLCache
from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.projects.tables import Member, Project

MEMBERSHIP_SECONDS = 15.0
MOST_PEOPLE = 10_000


class Memberships:
    """Projects of people who ask, remembered for a few seconds, so that a keystroke costs no query."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._known: TTLCache[str, frozenset[str]] = TTLCache(MOST_PEOPLE, MEMBERSHIP_SECONDS, clock)
        self._lock = threading.Lock()

    def known(self, person: str) -> frozenset[str] | None:
        with self._lock:
            return self._known.get(person)

    def ask(self, session: Session, person: str) -> frozenset[str]:
        projects = projects_of(session, person)
        with self._lock:
            self._known[person] = projects
        return projects


def projects_of(session: Session, person: str) -> frozenset[str]:
    """Slugs of the projects somebody is a member of."""
    return frozenset(session.scalars(select(Project.slug).join(Member).where(Member.person == person)))
