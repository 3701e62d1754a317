"""The audit trail and submitted versions are append-only."""

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import DBAPIError

from hub.applications.tables import VersionRow
from hub.audit import service
from hub.audit.tables import EventRow
from hub.errors import NotAllowed
from tests.hub.fakes import settle, submitted


@pytest.fixture
def event(session):
    service.record(session, who="admin", what="tested", on="test/1", before={"a": 1}, after={"a": 2})
    session.commit()
    return session.scalars(select(EventRow)).one()


@pytest.mark.parametrize(
    "deed",
    [
        update(EventRow).values(who="somebody else"),
        delete(EventRow),
        text("UPDATE audit_events SET what = 'nothing'"),
        text("DELETE FROM audit_events"),
    ],
    ids=["update", "delete", "sql update", "sql delete"],
)
def test_events_stay_as_they_are(session, event, deed):
    with pytest.raises(DBAPIError, match="append-only"):
        session.execute(deed)
    session.rollback()
    assert session.scalars(select(EventRow.who)).all() == ["admin"]


def test_an_event_changed_through_the_orm_is_refused_too(session, event):
    event.who = "somebody else"
    with pytest.raises(DBAPIError, match="append-only"):
        session.commit()


def test_versions_stay_as_they_are(session, person):
    founder = person("founder")
    settle(founder)
    submitted(founder)
    for deed in (update(VersionRow).values(by="x"), delete(VersionRow)):
        with pytest.raises(DBAPIError, match="append-only"):
            session.execute(deed)
        session.rollback()


def test_an_event_of_a_change_that_fails_was_none(session):
    service.record(session, who="admin", what="tested", on="test/1")
    session.rollback()
    assert service.events(session) == ()


def test_admins_read_it_and_nobody_else(person, session):
    for number in range(150):
        service.record(session, who="admin" if number % 2 else "founder", what="tested", on=f"test/{number % 3}")
    session.commit()
    admin = person("admin", groups=["admins"])
    first = admin.audit()
    assert len((*first, *admin.audit(before=first[-1].id))) == 150
    assert {event.who for event in admin.audit(who="founder")} == {"founder"}
    assert {event.on for event in admin.audit(on="test/2")} == {"test/2"}
    with pytest.raises(NotAllowed):
        person("reviewer", groups=["reviewers", "trainers", "analysts"]).audit()
