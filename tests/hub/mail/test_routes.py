import pytest

from hub.client import Api
from hub.errors import NotAllowed
from hub.mail import service
from hub.mail.models import Email
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
