"""The Hub, a real one, when its database fails: nobody is told that their token is unknown."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest
from jupyterhub.handlers.base import BaseHandler
from sqlalchemy import event

from hub.pages import database_errors
from tests.hub.pages.test_sign_out import RunningHub, hub  # noqa: F401  a fixture

CORRUPT = 11


@pytest.fixture(autouse=True)
def installed(hub: RunningHub) -> Iterator[None]:  # noqa: F811
    """As the Hub's configuration does."""
    names = ("prepare", "get_current_user", "_handle_request_exception")
    before = {name: getattr(BaseHandler, name) for name in names}
    database_errors.install()
    yield
    for name, method in before.items():
        setattr(BaseHandler, name, method)


@contextmanager
def failing(target: RunningHub, code: int, *verbs: str) -> Iterator[None]:
    """Statements that begin with one of ``verbs`` fail with SQLite's error ``code``."""

    def fail(_cursor: object, statement: str, _parameters: object, _context: object) -> None:
        if statement.split(maxsplit=1)[0] in verbs:
            error = sqlite3.OperationalError("database or disk is full") if code == 13 else sqlite3.DatabaseError("x")
            error.sqlite_errorcode = code
            raise error

    engine = target.app.db.get_bind()
    event.listen(engine, "do_execute", fail)
    try:
        yield
    finally:
        event.remove(engine, "do_execute", fail)


def person(target: RunningHub, token: str) -> httpx2.AsyncClient:
    headers = {"Authorization": f"token {token}"}
    return httpx2.AsyncClient(base_url=f"{target.address}/hub/api", headers=headers, trust_env=False)


async def test_on_a_full_disk_people_are_known_and_can_read(hub: RunningHub) -> None:  # noqa: F811
    async with person(hub, hub.token("maria")) as maria:
        assert (await maria.get("/user")).status_code == 200
        with failing(hub, sqlite3.SQLITE_FULL, "INSERT", "UPDATE", "DELETE"):
            answer = await maria.get("/user")
    assert answer.status_code == 200, answer.text
    assert answer.json()["name"] == "maria"


async def test_what_cannot_be_stored_is_507(hub: RunningHub) -> None:  # noqa: F811
    async with person(hub, hub.token("maria")) as maria:
        assert (await maria.get("/user")).status_code == 200
        with failing(hub, sqlite3.SQLITE_FULL, "INSERT", "UPDATE", "DELETE"):
            answer = await maria.post("/users/maria/tokens", json={"note": "new"})
        assert answer.status_code == 507, answer.text
        assert answer.json()["message"].startswith("Storage is full")
        assert (await maria.get("/user")).status_code == 200


async def test_a_page_says_that_storage_is_full(hub: RunningHub) -> None:  # noqa: F811
    """Of somebody who comes for the first time, so that something has to be stored."""
    async with hub.browser("maria") as browser:
        with failing(hub, sqlite3.SQLITE_FULL, "INSERT", "UPDATE", "DELETE"):
            answer = await browser.get("/hub/token")
        assert answer.status_code == 507
        assert "Storage is full" in answer.text
        assert (await browser.get("/hub/token")).status_code == 200


@pytest.mark.parametrize("verbs", [("SELECT",), ("UPDATE",)])
async def test_a_broken_database_is_503_and_not_an_unknown_token(hub: RunningHub, verbs: tuple[str, ...]) -> None:  # noqa: F811
    async with person(hub, hub.token("maria")) as maria:
        with failing(hub, CORRUPT, *verbs):
            assert (await maria.get("/user")).status_code == 503
            assert (await maria.post("/users/maria/tokens", json={"note": "new"})).status_code == 503
        assert (await maria.get("/user")).status_code == 200
