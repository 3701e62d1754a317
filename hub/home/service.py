"""Data of the start page, put together from projects, announcements and applications."""

from __future__ import annotations

import pwd

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from hub.announcements import service as announcements
from hub.applications import service as applications
from hub.dataspace.transfers import service as transfers
from hub.db.base import now
from hub.home.models import Me, Overview, Step, Steps
from hub.home.tables import FirstStepRow
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
        steps=Steps(
            data=transfers.has_brought(session, person.name),
            scaling=session.get(FirstStepRow, (person.name, Step.SCALING)) is not None,
        ),
    )


def take_step(session: Session, person: str, step: Step) -> None:
    """Store that a person has taken a first step; safe to repeat, also at the same time."""
    if session.get(FirstStepRow, (person, step)) is not None:
        return
    session.add(FirstStepRow(person=person, step=step))
    try:
        session.commit()
    except IntegrityError:
        session.rollback()


def display_name(name: str) -> str:
    """Full name of a person's OS account, or else the account's name."""
    try:
        full = pwd.getpwnam(name).pw_gecos.partition(",")[0].strip()
    except KeyError:
        full = ""
    return full or name
