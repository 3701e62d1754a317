"""Servers after a restart of the Hub."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from jupyterhub import orm
from jupyterhub.auth import DummyAuthenticator

from hub.servers.models import AttemptState
from spawners import application
from spawners.job import recovery
from spawners.job.ledger import LedgerUnavailable


class Ledger:
    """Away at first."""

    def __init__(self, away: int) -> None:
        self.away = away

    async def run(self, _work, attempt):
        if self.away:
            self.away -= 1
            raise LedgerUnavailable("The database does not answer (OperationalError).")
        return SimpleNamespace(state=AttemptState.READY)


async def test_a_server_is_taken_up_once_the_ledger_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    recovered_servers = []
    ledger = Ledger(away=3)
    monkeypatch.setattr(application, "site", lambda: SimpleNamespace(ledger=ledger))
    monkeypatch.setattr(application, "LEDGER_SECONDS", 0)
    monkeypatch.setattr(
        recovery, "keep", lambda user, name, row: recovered_servers.append((user.name, name, row.state))
    )
    user = SimpleNamespace(name="founder", spawners={"": SimpleNamespace(attempt=1, _log_name="founder")})
    hub = application.AtriumHub()
    try:
        assert not await hub._taken_up(user, "")
        await hub._take_up_in_the_end(user, "")
    finally:
        application.AtriumHub.clear_instance()
    assert recovered_servers == [("founder", "", AttemptState.READY)]
    assert not ledger.away


@pytest.fixture
def hub() -> Iterator[application.AtriumHub]:
    """With a database of its own, before anything is read from it."""
    hub = application.AtriumHub(db_url="sqlite://")
    hub.init_db()
    hub.authenticator = DummyAuthenticator(parent=hub)
    try:
        yield hub
    finally:
        application.AtriumHub.clear_instance()


async def test_a_group_of_the_settings_has_the_members_that_they_name(hub: application.AtriumHub) -> None:
    hub.load_groups = {"admins": {"users": ["chief", "former"]}, "reviewers": {"users": ["Former"]}}
    await hub.init_role_creation()
    await hub.init_groups()
    project = orm.Group(name="project-steel", users=[orm.User.find(hub.db, "former")])
    hub.db.add(project)
    hub.db.commit()

    hub.load_groups = {"admins": {"users": ["chief", "newcomer"]}, "reviewers": {"users": []}}
    await hub.init_groups()

    members = {group.name: {user.name for user in group.users} for group in hub.db.query(orm.Group)}
    assert members == {"admins": {"chief", "newcomer"}, "reviewers": set(), "project-steel": {"former"}}
