"""The key of text that the API does not have yet: one for each person, until they sign out."""

from __future__ import annotations

from base64 import b64decode

import httpx2

from hub.pages.sign_out import end_sessions
from tests.hub.pages.test_sign_out import RunningHub, hub

__all__ = ["hub"]  # a fixture


async def answer_for(hub: RunningHub, token: str) -> httpx2.Response:
    async with httpx2.AsyncClient(base_url=hub.address, trust_env=False) as client:
        headers = {"Authorization": f"token {token}"} if token else {}
        return await client.get("/hub/api/atrium/text-key", headers=headers)


async def key_of(hub: RunningHub, token: str) -> str:
    response = await answer_for(hub, token)
    assert response.status_code == 200
    assert response.json()["person"] in ("maria", "jan")
    assert response.headers["cache-control"] == "no-store"
    return str(response.json()["key"])


async def test_each_person_has_a_key_of_their_own(hub: RunningHub) -> None:
    maria, jan = [await key_of(hub, hub.token(name)) for name in ("maria", "jan")]
    assert maria != jan
    assert len(b64decode(maria)) == 32
    assert hub.cookie_id("maria") not in maria


async def test_another_session_has_the_same_key_and_a_sign_out_ends_it(hub: RunningHub) -> None:
    before = await key_of(hub, hub.token("maria"))
    assert await key_of(hub, hub.token("maria")) == before
    end_sessions(hub.app.db, hub.user("maria"))
    assert await key_of(hub, hub.token("maria")) != before


async def test_nobody_gets_none(hub: RunningHub) -> None:
    for token in ("", "made-up"):
        assert (await answer_for(hub, token)).status_code == 403
