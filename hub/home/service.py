"""Data of the start page, put together from projects, announcements and applications."""

from __future__ import annotations

import pwd

from sqlalchemy.orm import Session

from hub.announcements import service as announcements
from hub.applications import service as applications
from hub.db.base import now
from hub.home.models import Me, Overview
from hub.identity.models import Person
from hub.usage import service as usage


def me(session: Session, person: Person) -> Me:
    """A person with their projects."""
    return Me(
        name=person.name,
        display_name=display_name(person.name),
        roles=person.roles,
        projects=usage.hours_of(session, person.name),
    )


def overview(session: Session, person: Person) -> Overview:
    return Overview(
        me=me(session, person),
        announcements=announcements.active(session, now()),
        application=applications.latest(session, person.name),
    )


def display_name(name: str) -> str:
    """Full name of a person's OS account, or else the account's name."""
    try:
        full = pwd.getpwnam(name).pw_gecos.partition(",")[0].strip()
    except KeyError:
        full = ""
    return full or name
