"""The outbox, and real SMTP: aiosmtpd listens where the settings say."""

import smtplib
import threading
from datetime import timedelta
from email import message_from_bytes
from email.policy import default

import pytest
from aiosmtpd.controller import Controller
from sqlalchemy import select

from hub.db.base import now
from hub.errors import InvalidInput
from hub.mail import service
from hub.mail.models import EmailState
from hub.mail.tables import LetterRow
from hub.settings import Mail


class Sink:
    """Takes what comes; ``answers`` are given first, one a mail."""

    def __init__(self):
        self.mails, self.answers = [], []

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 5.1.1 nobody of that name"
        if address.startswith("full@"):
            return "450 4.2.1 mailbox is full"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if self.answers:
            return self.answers.pop(0)
        self.mails.append(message_from_bytes(envelope.content, policy=default))
        return "250 taken"


class AnyPort(Controller):
    """Listens where there is room, and then knows where that is."""

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@pytest.fixture
def sink():
    return Sink()


@pytest.fixture
def smtp(settings, sink):
    controller = AnyPort(sink, hostname="127.0.0.1", port=0)
    controller.start()
    mail = Mail(smtp_host="127.0.0.1", smtp_port=controller.port, smtp_security="none", domain="factory.example")
    yield settings.model_copy(update={"mail": mail})
    controller.stop()


def write(session, key="welcome-1", to="ada@factory.example", subject="Welcome", text="Hello\nAda"):
    service.enqueue(session, to=to, subject=subject, text=text, key=key)
    session.commit()


def states(session):
    session.expire_all()
    return [row.state for row in session.scalars(select(LetterRow).order_by(LetterRow.id))]


def due_again(session):
    for row in session.scalars(select(LetterRow)):
        row.due = now()
    session.commit()


def test_a_mail_goes_out_once(sessions, session, smtp, sink):
    write(session)
    write(session)
    assert service.deliver(sessions, smtp) == 1
    assert service.deliver(sessions, smtp) == 0
    [mail] = sink.mails
    assert (mail["To"], mail["Subject"], mail["From"]) == ("ada@factory.example", "Welcome", "atrium@localhost")
    assert mail.get_content().split() == ["Hello", "Ada"]
    assert states(session) == [EmailState.SENT]
    assert session.scalar(select(LetterRow.text)) == ""


def test_a_mail_of_a_transaction_that_fails_was_never_written(sessions, session, smtp, sink):
    service.enqueue(session, to="ada@factory.example", subject="No", text="", key="no")
    session.rollback()
    assert service.deliver(sessions, smtp) == 0
    assert sink.mails == []


def test_two_writers_of_one_key_both_commit(sessions):
    barrier, failures = threading.Barrier(2), []

    def writer():
        try:
            with sessions() as session:
                barrier.wait(10)
                write(session, key="same")
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=writer) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    with sessions() as session:
        assert (failures, states(session)) == ([], [EmailState.WAITING])


def test_text_of_all_the_world_arrives(sessions, session, smtp, sink):
    text = "Grüße, 你好, 😀 \u202eevil\u202c <b>bold</b>\n.\nQUIT\n" + "x" * 3000
    write(session, subject="Zażółć 😀", text=text)
    assert service.deliver(sessions, smtp) == 1
    [mail] = sink.mails
    assert mail["Subject"] == "Zażółć 😀"
    assert mail.get_content().strip().replace("\r\n", "\n") == text


@pytest.mark.parametrize(
    "subject", ["Hello\r\nBcc: all@example.org", "Hello\nBcc: x", "Hello\x0bBcc: x", "Hello\u2028Bcc: x", "a\0b" * 300]
)
def test_a_subject_ends_no_header(sessions, session, smtp, sink, subject):
    write(session, subject=subject)
    assert service.deliver(sessions, smtp) == 1
    [mail] = sink.mails
    assert mail["Bcc"] is None
    assert len(mail["Subject"].splitlines()) == 1


@pytest.mark.parametrize(
    "to",
    [
        "ada",
        "",
        "ada@",
        "@b.example",
        "a b@c.example",
        "ada@c.example\nBcc: x@y.example",
        "ada@c.example, bob@c.example",
        "<ada@c.example>",
        "ada@-c.example",
        "ä@c.example",
        "a" * 300 + "@c.example",
    ],
)
def test_an_invalid_address_is_refused(session, to):
    with pytest.raises(InvalidInput) as refused:
        write(session, to=to)
    assert refused.value.field == "to"


def test_what_the_server_does_not_take_now_is_tried_later_and_later(sessions, session, smtp, sink):
    write(session)
    for attempt in (1, 2, 3):
        sink.answers = ["451 4.3.0 try later"]
        assert service.deliver(sessions, smtp) == 0
        session.expire_all()
        [first] = session.scalars(select(LetterRow))
        assert (first.attempts, first.state) == (attempt, EmailState.WAITING)
        assert "451" in first.reason
        assert first.due - now() > timedelta(seconds=55) * 2 ** (attempt - 1)
        sink.answers = []
        first.due = now()
        session.commit()
    assert service.deliver(sessions, smtp) == 1


@pytest.mark.parametrize("trouble", ["full", "data", "size", "faulty", "old address"])
def test_a_mail_that_is_not_accepted_now_holds_up_no_other(sessions, session, smtp, sink, monkeypatch, trouble):
    write(session, to="full@factory.example" if trouble == "full" else "ada@factory.example")
    write(session, key="welcome-2", to="bob@factory.example")
    if trouble == "data":
        sink.answers = ["451 4.3.0 try later"]
    if trouble == "size":
        monkeypatch.setattr(Sink, "handle_MAIL", refuse_the_first_sender, raising=False)
    if trouble == "faulty":
        fail_for(monkeypatch, "ada@factory.example")
    if trouble == "old address":  # stored before addresses were checked
        monkeypatch.setattr(smtplib.SMTP, "has_extn", lambda _self, name: name != "smtputf8")
        session.scalars(select(LetterRow).order_by(LetterRow.id)).first().to = "adä@factory.example"
        session.commit()
    assert service.deliver(sessions, smtp) == 1
    assert [mail["To"] for mail in sink.mails] == ["bob@factory.example"]
    first, second = session.scalars(select(LetterRow).order_by(LetterRow.id).execution_options(populate_existing=True))
    assert second.state is EmailState.SENT
    assert first.state is (EmailState.FAILED if trouble in ("size", "old address") else EmailState.WAITING)
    assert first.due > now()


async def refuse_the_first_sender(sink, server, session, envelope, address, options):
    if not hasattr(sink, "refused"):
        sink.refused = True
        return "552 5.3.4 too large"
    envelope.mail_from = address
    return "250 OK"


def fail_for(monkeypatch, address):
    send = service.Smtp.send

    def faulty(self, message):
        if message["To"] == address:
            raise KeyError(address)
        send(self, message)

    monkeypatch.setattr(service.Smtp, "send", faulty)


def test_a_mail_that_was_delayed_waits_behind_those_that_were_not(sessions, session, smtp, sink):
    write(session)
    sink.answers = ["421 4.3.2 shutting down"]
    assert service.deliver(sessions, smtp) == 0
    write(session, key="welcome-2", to="bob@factory.example")
    session.scalars(select(LetterRow).order_by(LetterRow.id)).first().due = now()
    session.commit()
    sink.answers = ["250 taken", "421 4.3.2 shutting down"]
    assert service.deliver(sessions, smtp) == 1
    assert states(session) == [EmailState.WAITING, EmailState.SENT]


def test_nobody_of_that_name_holds_up_nobody_else(sessions, session, smtp, sink):
    write(session, to="nobody@factory.example")
    write(session, key="welcome-2")
    assert service.deliver(sessions, smtp) == 1
    assert states(session) == [EmailState.FAILED, EmailState.SENT]


def test_a_server_that_is_away(sessions, session, settings, smtp, sink):
    away = settings.model_copy(update={"mail": Mail(smtp_host="127.0.0.1", smtp_port=1, smtp_security="none")})
    write(session)
    assert service.deliver(sessions, away) == 0
    assert service.deliver(sessions, smtp) == 0  # not due yet
    due_again(session)
    assert service.deliver(sessions, smtp) == 1


def test_a_server_that_offers_no_encryption_gets_nothing(sessions, session, smtp, sink):
    strict = smtp.model_copy(update={"mail": smtp.mail.model_copy(update={"smtp_security": "starttls"})})
    write(session)
    assert service.deliver(sessions, strict) == 0
    assert (sink.mails, states(session)) == ([], [EmailState.WAITING])


def test_after_days_it_is_given_up(sessions, session, smtp, sink):
    write(session)
    session.scalars(select(LetterRow)).one().written = now() - service.GIVE_UP_AFTER - timedelta(hours=1)
    session.commit()
    sink.answers = ["451 later"]
    assert service.deliver(sessions, smtp) == 0
    assert states(session) == [EmailState.FAILED]


def test_killed_after_the_server_took_it_the_second_one_has_the_same_id(sessions, session, smtp, sink, monkeypatch):
    class Killed(BaseException): ...

    send = service.Smtp.send

    def die(self, message):
        send(self, message)
        raise Killed

    write(session)
    monkeypatch.setattr(service.Smtp, "send", die)
    with pytest.raises(Killed):
        service.deliver(sessions, smtp)
    monkeypatch.undo()
    assert service.deliver(sessions, smtp) == 0
    due_again(session)
    assert service.deliver(sessions, smtp) == 1
    first, second = sink.mails
    assert first["Message-ID"] == second["Message-ID"]


def test_without_a_server_it_lies_in_the_mailbox(sessions, session, settings):
    write(session)
    assert service.deliver(sessions, settings) == 1
    assert service.deliver(sessions, settings) == 0
    [letter] = service.mails(session)
    assert (letter.state, letter.text) == (EmailState.KEPT, "Hello\nAda")


def test_the_address_of_a_person(session, smtp):
    assert service.address_of(session, "founder", smtp) == "founder@factory.example"
