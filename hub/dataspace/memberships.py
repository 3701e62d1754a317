"""Projects of a person, which decide what records they may see, and identifiers of their organisation."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from cachetools import TTLCache
from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.organisations.tables import OrganisationRow, ProfileRow
from hub.projects.service import slugs_of

MEMBERSHIP_SECONDS = 15.0
MOST_PEOPLE = 10_000


def party_identifiers(session: Session, person: str) -> frozenset[str]:
    """Identifiers in the profile of a person's organisation, by which a policy may name it: number and website."""
    form = session.scalar(select(OrganisationRow.form).join(ProfileRow).where(ProfileRow.person == person)) or {}
    return frozenset(filter(None, (form.get("registration"), form.get("website"))))


class Memberships:
    """Projects of people, cached for a few seconds: a search as you type needs no query per key."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._cache: TTLCache[str, frozenset[str]] = TTLCache(MOST_PEOPLE, MEMBERSHIP_SECONDS, clock)
        self._lock = threading.Lock()

    def cached(self, person: str) -> frozenset[str] | None:
        """Slugs of a person's projects, if they are in the cache."""
        with self._lock:
            return self._cache.get(person)

    def load(self, session: Session, person: str) -> frozenset[str]:
        """Slugs of a person's projects, from the database into the cache."""
        projects = slugs_of(session, person)
        with self._lock:
            self._cache[person] = projects
        return projects
