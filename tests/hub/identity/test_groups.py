"""Groups of a Hub that has a memory."""

import json

import httpx2
import pytest

from hub.errors import HubUnavailable
from hub.identity.groups import GroupError, HubGroups


class GroupHub:
    def __init__(self):
        self.groups, self.users, self.calls = {"admins": {"admin"}}, {"founder", "colleague"}, []

    def __call__(self, request):
        parts = request.url.raw_path.decode().removeprefix("/hub/api/groups/").split("/")
        assert request.headers["Authorization"] == "token secret"
        name, body = parts[0], json.loads(request.content or b"{}")
        self.calls.append((request.method, request.url.path))
        if request.method == "GET":
            members = self.groups.get(name)
            return (
                httpx2.Response(200, json={"users": sorted(members)}) if members is not None else httpx2.Response(404)
            )
        if len(parts) == 1:
            self.groups[name] = set()
            return httpx2.Response(201, json={})
        if request.method == "POST":
            if not set(body["users"]) <= self.users:
                return httpx2.Response(400)
            self.groups[name] |= set(body["users"])
        else:
            self.groups[name] -= set(body["users"])
        return httpx2.Response(200, json={})


def groups(hub):
    http = httpx2.AsyncClient(base_url="http://hub/hub/api", transport=httpx2.MockTransport(hub))
    return HubGroups(http, "secret")


async def test_exactly_the_members_the_hub_knows():
    hub = GroupHub()
    for _ in range(2):
        assert await groups(hub).ensure("demo", ["founder", "colleague"]) == ()
    assert await groups(hub).ensure("demo", ["founder", "learner01"]) == ("learner01",)
    assert hub.groups == {"admins": {"admin"}, "project-demo": {"founder"}}


async def test_who_left_is_removed_although_somebody_cannot_be_added():
    hub = GroupHub()
    await groups(hub).ensure("demo", ["founder"])

    def adds_nobody(request):
        return httpx2.Response(403) if request.method == "POST" else hub(request)

    with pytest.raises(GroupError):
        await groups(adds_nobody).ensure("demo", ["colleague"])
    assert hub.groups["project-demo"] == set()


async def test_no_name_of_a_project_reaches_a_role():
    hub = GroupHub()
    await groups(hub).ensure("../admins", ["founder"])
    assert hub.groups["admins"] == {"admin"}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx2.ConnectError("x"), HubUnavailable),
        (httpx2.Response(502), HubUnavailable),
        (httpx2.Response(403), GroupError),
    ],
)
async def test_a_hub_that_is_away_or_refuses(answer, error):
    def hub(_request):
        if isinstance(answer, Exception):
            raise answer
        return answer

    with pytest.raises(error):
        await groups(hub).ensure("demo", ["founder"])
