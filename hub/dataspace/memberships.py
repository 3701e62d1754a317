"""Projects of the person who asks, as far as they decide what may be seen."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.projects.tables import Member, Project

MEMBERSHIP_SECONDS = 15.0


class Memberships:
    """Projects of people who ask, remembered for a few seconds, so that a keystroke costs no query."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[str, tuple[float, frozenset[str]]] = {}

    def known(self, person: str) -> frozenset[str] | None:
        until, projects = self._known.get(person, (0.0, None))
        return projects if self._clock() < until else None

    def ask(self, session: Session, person: str) -> frozenset[str]:
        projects = projects_of(session, person)
        if len(self._known) > 10_000:
            self._known.clear()
        self._known[person] = (self._clock() + MEMBERSHIP_SECONDS, projects)
        return projects


def projects_of(session: Session, person: str) -> frozenset[str]:
    """Slugs of the projects somebody is a member of."""
    return frozenset(session.scalars(select(Project.slug).join(Member).where(Member.person == person)))
