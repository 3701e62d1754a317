"""What is older than the settings say is removed, and nothing else."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from hub.audit import service as audit
from hub.audit.tables import EventRow
from hub.db.base import now
from hub.mail import service as mail
from hub.mail.models import EmailState
from hub.mail.tables import LetterRow
from hub.programs.retention import remove_old_rows
from hub.servers import service as servers
from hub.servers.models import Ending, Verdict
from hub.servers.tables import ServerAttempt
from hub.settings import Retention, Settings

OLD = now() - timedelta(days=800)


@pytest.fixture
def month(settings: Settings) -> Settings:
    return settings.model_copy(update={"retention": Retention(attempts_days=30, mail_days=30, audit_days=400)})


def begin(session: Session, *, ended: bool, old: bool) -> int:
    owner = {"gateway": "atrium", "person": "founder", "os_account": "founder", "server": ""}
    number = servers.begin(session, request={}, **owner).id
    if ended:
        servers.ended(session, number, Verdict(ending=Ending.STOPPED, message=""))
    row = session.get_one(ServerAttempt, number)
    row.created, row.ended = (OLD if old else row.created), (OLD if ended and old else row.ended)
    session.commit()
    return number


def test_old_attempts_are_removed_after_their_end(
    session: Session, sessions: sessionmaker[Session], month: Settings
) -> None:
    begin(session, ended=True, old=True)
    kept_ids = {begin(session, ended=False, old=True), begin(session, ended=True, old=False)}
    remove_old_rows(sessions, month)
    assert {attempt.id for attempt in servers.history(session, "founder")} == kept_ids


def event(at: datetime, what: str) -> EventRow:
    return EventRow(at=at, who="founder", what=what, on="project/demo", before={}, after={})


def test_old_events_are_removed(session: Session, sessions: sessionmaker[Session], month: Settings) -> None:
    session.add_all(event(OLD, "old") for _ in range(audit.ROWS_AT_ONCE + 1))
    session.add(event(now() - timedelta(days=399), "younger"))
    session.commit()
    remove_old_rows(sessions, month)
    assert [event.what for event in audit.events(session)] == ["younger"]


def test_the_database_keeps_the_events_of_a_year_whoever_asks(session: Session) -> None:
    session.add(event(now() - timedelta(days=360), "young"))
    session.commit()
    with pytest.raises(DBAPIError, match="append-only"):
        audit.remove_before(session, now())


@pytest.mark.parametrize("days", [1, 365])
def test_settings_that_the_database_would_refuse_are_refused(days: int) -> None:
    with pytest.raises(ValidationError, match="365"):
        Retention(audit_days=days)


def test_old_mails_are_cleared_and_not_written_again(
    session: Session, sessions: sessionmaker[Session], month: Settings
) -> None:
    def write(key: str) -> None:
        mail.enqueue(session, to="maria@example.eu", subject="Ready", text="Open it", key=key)
        session.commit()

    for key in ("old", "waiting", "new"):
        write(key)
    for key, state in (("old", EmailState.SENT), ("waiting", EmailState.WAITING)):
        session.query(LetterRow).filter_by(key=key).update({"written": OLD, "state": state})
    session.query(LetterRow).filter_by(key="new").update({"state": EmailState.SENT})
    session.commit()
    remove_old_rows(sessions, month)
    write("old")
    rows = {row.key: (row.to, row.text) for row in session.query(LetterRow)}
    assert rows["old"] == ("", "")
    assert rows["waiting"] == rows["new"] == ("maria@example.eu", "Open it")
    assert len(mail.mails(session)) == 2


def test_zero_days_keep_everything(session: Session, sessions: sessionmaker[Session], settings: Settings) -> None:
    begin(session, ended=True, old=True)
    forever = settings.model_copy(update={"retention": Retention(attempts_days=0, mail_days=0, audit_days=0)})
    remove_old_rows(sessions, forever)
    assert len(servers.history(session, "founder")) == 1


def test_a_kind_of_rows_that_cannot_be_removed_stops_no_other(
    session: Session, sessions: sessionmaker[Session], month: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(_session: Session, _moment: datetime) -> int:
        raise ValueError("a row")

    session.add(event(OLD, "old"))
    session.commit()
    monkeypatch.setattr(servers, "remove_ended_before", unreadable)
    remove_old_rows(sessions, month)
    assert [row.what for row in session.scalars(select(EventRow))] == []
