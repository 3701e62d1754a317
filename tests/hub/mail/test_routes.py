import pytest

from hub.client import Api
from hub.errors import NotAllowed
from hub.mail import service
from hub.mail.models import Email
from hub.settings import Mail
from tests.hub.fakes import URL, Through


def test_admins_read_the_mailbox(api, hub, sessions, settings, session):
    for number in range(120):
        service.enqueue(session, to="a@b.example", subject=f"{number}", text="<script>", key=f"{number}")
    session.commit()
    service.deliver(sessions, settings)
    admin = Api(URL, hub.sign_in("admin", groups=["admins"]), transport=Through(api))
    first = admin.letters()
    rest = admin.letters(before=first[-1].id)
    assert [letter.subject for letter in (*first, *rest)] == [str(number) for number in reversed(range(120))]
    assert isinstance(first[0], Email)
    assert {letter.state.value for letter in first} == {"kept", "waiting"}


@pytest.mark.parametrize(
    ("name", "kind", "groups"),
    [("founder", "user", ["reviewers", "trainers", "analysts"]), ("pages", "service", []), ("admins", "service", [])],
)
def test_only_admins_read_the_mailbox(api, hub, name, kind, groups):
    client = Api(URL, hub.sign_in(name, kind=kind, groups=groups), transport=Through(api))
    with pytest.raises(NotAllowed):
        client.letters()


def write(session, *addresses):
    for number, address in enumerate(addresses):
        service.enqueue(session, to=address, subject=f"To {address}", text="https://a.example/#/x", key=f"key-{number}")
    session.commit()


def test_people_read_what_is_addressed_to_them_and_nothing_else(api, hub, sessions, settings, session):
    own = ["founder@localhost", "Founder@LOCALHOST"]
    write(session, *own, "founder@example.eu", "colleague@localhost", "founder2@localhost", "xfounder@localhost")
    service.deliver(sessions, settings)
    for client in (
        Api(URL, hub.sign_in("founder"), transport=Through(api)),
        Api(URL, hub.sign_in("pages", kind="service"), transport=Through(api)),
    ):
        mailbox = client.mailbox("founder")
        assert (mailbox.address, mailbox.is_sent) == ("founder@localhost", False)
        assert [mail.to for mail in mailbox.mails] == [own[1], own[0]]
        assert mailbox.mails[0].text == "https://a.example/#/x"


def test_a_mailbox_has_pages(api, hub, sessions, settings, session):
    for number in range(102):
        service.enqueue(session, to="founder@localhost", subject=f"{number}", text="text", key=f"{number}")
    session.commit()
    for _ in range(3):
        service.deliver(sessions, settings)
    client = Api(URL, hub.sign_in("founder"), transport=Through(api))
    first = client.mailbox("founder").mails
    rest = client.mailbox("founder", before=first[-1].id).mails
    assert [mail.subject for mail in (*first, *rest)] == [str(number) for number in reversed(range(102))]


def test_an_address_that_somebody_enters_opens_no_mailbox(sessions, session, settings):
    service.set_address(session, "colleague", "founder@localhost")
    service.enqueue(session, to=service.address_of(session, "founder", settings), subject="Code", text="", key="1")
    session.commit()
    service.deliver(sessions, settings)
    assert service.mailbox(session, "colleague", settings).mails == ()
    assert len(service.mailbox(session, "founder", settings).mails) == 1


def test_without_a_mail_server_mail_stays_where_its_person_reads_it(session, settings):
    service.set_address(session, "founder", "ada@example.eu")
    assert service.address_of(session, "founder", settings) == "founder@localhost"


def test_mail_that_waits_for_a_mail_server_is_in_no_mailbox(session, settings):
    write(session, "founder@localhost")
    with_server = settings.model_copy(update={"mail": Mail(smtp_host="mail.example.eu")})
    mailbox = service.mailbox(session, "founder", with_server)
    assert mailbox.is_sent and mailbox.mails == ()


@pytest.mark.parametrize(
    ("name", "kind", "groups"),
    [("colleague", "user", []), ("admin", "user", ["admins"]), ("pages", "user", []), ("dashboards", "service", [])],
)
def test_a_mailbox_is_for_nobody_else(api, hub, sessions, settings, session, name, kind, groups):
    hub.sign_in("founder")
    write(session, "founder@localhost")
    service.deliver(sessions, settings)
    client = Api(URL, hub.sign_in(name, kind=kind, groups=groups), transport=Through(api))
    with pytest.raises(NotAllowed):
        client.mailbox("founder")
