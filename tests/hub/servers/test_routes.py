"""``/people/{name}/attempts``, through the app and through the client."""

import pytest

from hub.client import Api
from hub.servers import service
from hub.servers.models import Ending, Verdict
from tests.hub.test_client import URL, Through


@pytest.fixture
def past(session):
    for server in ("", "big"):
        row = service.begin(
            session, gateway="atrium", person="maria", os_account="maria", server=server, request={"cpus": 2}
        )
    service.ended(session, row.id, Verdict(ending=Ending.SILENT, message="It said nothing.", hint="Try."), None, "log")
    service.begin(session, gateway="atrium", person="jan", os_account="jan", server="", request={})


def ask(api, token, path):
    return api.get(path, headers={"Authorization": f"token {token}"})


def test_attempts_are_listed_newest_first_of_one_server_or_all(api, hub, past):
    maria = hub.sign_in("maria")
    both = ask(api, maria, "/people/maria/attempts").json()
    assert [attempt["server"] for attempt in both] == ["big", ""]
    assert (both[0]["ending"], both[0]["message"], both[0]["log_tail"]) == ("silent", "It said nothing.", "log")
    assert [attempt["server"] for attempt in ask(api, maria, "/people/maria/attempts?server=").json()] == [""]
    assert len(ask(api, maria, "/people/maria/attempts?limit=1").json()) == 1
    assert ask(api, maria, "/people/maria/attempts?limit=1000").status_code == 422


@pytest.mark.parametrize(
    ("name", "kind", "groups", "status"),
    [
        ("maria", "user", [], 200),
        ("pages", "service", [], 200),
        ("boss", "user", ["admins"], 200),
        ("jan", "user", [], 403),
        ("jan", "user", ["reviewers", "trainers"], 403),
        ("pages", "user", [], 403),
        ("dashboards", "service", [], 403),
    ],
)
def test_who_may_read_attempts(api, hub, past, name, kind, groups, status):
    assert ask(api, hub.sign_in(name, kind=kind, groups=groups), "/people/maria/attempts").status_code == status


def test_the_client_reads_attempts(api, hub, past):
    with Api(URL, hub.sign_in("maria"), transport=Through(api)) as client:
        assert [attempt.server for attempt in client.attempts("maria")] == ["big", ""]
        assert [attempt.server for attempt in client.attempts("maria", server="")] == [""]
