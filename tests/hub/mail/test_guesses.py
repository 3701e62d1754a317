"""The mail to admins about many wrong passwords, tokens or codes."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from hub.mail import guesses, service
from hub.settings import Login, Settings


def test_each_admin_gets_one_mail_an_hour(settings: Settings, session: Session) -> None:
    settings = settings.model_copy(update={"login": Login(admins=frozenset({"chief", "deputy"}))})
    for count in (100, 200):
        guesses.enqueue(settings, "the Hub", "passwords", count)
    mails = service.mails(session)
    assert {mail.to for mail in mails} == {"chief@localhost", "deputy@localhost"} and len(mails) == 2
    assert "100 attempts with wrong passwords" in mails[0].text


def test_a_database_that_fails_is_logged(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    login = Login(admins=frozenset({"chief"}))
    api = settings.api.model_copy(update={"database_url": "sqlite:////nowhere/atrium.sqlite"})
    guesses.enqueue(settings.model_copy(update={"login": login, "api": api}), "the Hub", "passwords", 100)
    assert "admins get no mail" in caplog.text
