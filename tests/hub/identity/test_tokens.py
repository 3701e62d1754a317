"""From a token to a person. The models are those a real JupyterHub 6.1.1 sends."""

import httpx2
import pytest

from hub.errors import HubUnavailable, NotAllowed, NotFound, NotSignedIn
from hub.identity.models import Person, Role
from hub.identity.tokens import REFUSED_SECONDS, REMEMBER_AT_MOST, REMEMBER_SECONDS, Directory, token_in


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def directory(hub, clock):
    async with httpx2.AsyncClient(base_url="http://hub/hub/api", transport=httpx2.MockTransport(hub)) as http:
        yield Directory(http, "secret-of-atrium", clock=clock)


async def test_a_person_with_their_roles(directory, hub):
    token = hub.sign_in("founder", groups=["reviewers", "people"])
    assert await directory.owner_of(token) == Person(name="founder", kind="user", roles=(Role.REVIEWER,))


async def test_a_service_has_no_groups(directory, hub):
    token = hub.sign_in("pages", kind="service", scopes=["access:services"])
    assert await directory.owner_of(token) == Person(name="pages", kind="service")


@pytest.mark.parametrize("scope", ["access:services!service=dashboards", "access:servers!user=founder", "read:users"])
async def test_a_token_for_something_else_is_not_allowed(directory, hub, scope):
    token = hub.sign_in("founder", scopes=[scope])
    for _ in range(2):  # fresh, and remembered
        with pytest.raises(NotAllowed):
            await directory.owner_of(token)


async def test_an_unknown_token_is_nobody_every_time_and_the_hub_is_asked_once_a_minute(directory, hub, clock):
    for _ in range(2):
        with pytest.raises(NotSignedIn):
            await directory.owner_of("made-up")
    assert len(hub.requested_paths) == 1 and directory.remembers("made-up")
    clock.now += REFUSED_SECONDS
    assert not directory.remembers("made-up")
    with pytest.raises(NotSignedIn):
        await directory.owner_of("made-up")
    assert len(hub.requested_paths) == 2


async def test_the_hub_is_asked_once_in_a_while(directory, hub, clock):
    token = hub.sign_in("founder")
    await directory.owner_of(token)
    await directory.owner_of(token)
    assert len(hub.requested_paths) == 1

    del hub.owners[token]  # revoked
    clock.now += REMEMBER_SECONDS
    with pytest.raises(NotSignedIn):
        await directory.owner_of(token)


async def test_the_memory_holds_no_token_and_has_an_end(hub, monkeypatch):
    monkeypatch.setattr("hub.identity.tokens.REMEMBER_AT_MOST", 10)
    async with httpx2.AsyncClient(base_url="http://hub/hub/api", transport=httpx2.MockTransport(hub)) as http:
        directory = Directory(http, "secret-of-atrium")
        for number in range(25):
            await directory.owner_of(hub.sign_in(f"user{number}"))
    assert len(directory._remembered) == 10 < REMEMBER_AT_MOST
    assert not any("token-of" in str(part) for part in directory._remembered.items())


@pytest.mark.parametrize(
    "answer",
    [
        httpx2.ConnectError("refused"),
        httpx2.ReadTimeout("late"),
        httpx2.Response(500),
        httpx2.Response(429),
        httpx2.Response(302, headers={"Location": "/login"}),
        httpx2.Response(200, text="<html>"),
        httpx2.Response(200, json=[]),
        httpx2.Response(200, json={"name": "founder", "kind": "cat"}),
    ],
    ids=str,
)
async def test_a_hub_that_cannot_be_asked_makes_nobody_a_stranger(directory, hub, answer):
    token = hub.sign_in("founder")
    hub.answer = answer
    with pytest.raises(HubUnavailable):
        await directory.owner_of(token)
    hub.answer = None
    assert (await directory.owner_of(token)).name == "founder"


async def test_a_person_is_looked_up_by_name(directory, hub):
    hub.sign_in("trainer", groups=["trainers"])
    assert await directory.named("trainer") == Person(name="trainer", roles=(Role.TRAINER,))
    with pytest.raises(NotFound):
        await directory.named("nobody")


async def test_a_name_stays_one_step_of_the_path(directory, hub):
    with pytest.raises(NotFound):
        await directory.named("../user")
    assert hub.requested_paths == ["/hub/api/users/../user"] or "users" in hub.requested_paths[0]


@pytest.mark.parametrize("header", [None, "", "token", "token ", "Basic abc", "abc"])
def test_a_header_without_a_token(header):
    with pytest.raises(NotSignedIn):
        token_in(header)
