"""Servers after a restart of the Hub."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from jupyterhub import orm
from jupyterhub.auth import DummyAuthenticator

from hub.errors import SlurmUnavailable
from hub.servers.models import AttemptState
from spawners import application
from spawners.job import recovery
from spawners.job.ledger import LedgerUnavailable
from spawners.job.orphans import Followed


class TwoUnknowns:
    """A spawner whose row cannot be told at first: neither the ledger nor Slurm answers."""

    _log_name = "founder"
    was_ready = True

    def __init__(self) -> None:
        self.errors: list[Exception] = [LedgerUnavailable("The database does not answer."), SlurmUnavailable("Silent.")]

    async def row(self):
        if self.errors:
            raise self.errors.pop()
        return SimpleNamespace(state=AttemptState.READY)


async def taken_up(monkeypatch: pytest.MonkeyPatch, spawner: object) -> list[tuple[str, str]]:
    """What is done with a server at the start of the Hub, and the state of its row."""
    actions: list[tuple[str, str]] = []
    monkeypatch.setattr(application, "LEDGER_SECONDS", 0)
    monkeypatch.setattr(recovery, "keep", lambda user, name, row: actions.append(("keep", row.state)))
    monkeypatch.setattr(recovery, "resume", lambda user, name: actions.append(("resume", "")))
    user = SimpleNamespace(name="founder", spawners={"": spawner})
    hub = application.AtriumHub()
    hub.authenticator = DummyAuthenticator(parent=hub)
    try:
        await hub._take_up_in_the_end(user, "")
    finally:
        application.AtriumHub.clear_instance()
    return actions


async def test_a_server_is_taken_up_once_the_ledger_and_slurm_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    spawner = TwoUnknowns()
    assert await taken_up(monkeypatch, spawner) == [("keep", AttemptState.READY)]
    assert not spawner.errors


async def test_a_server_whose_address_the_hub_does_not_know_yet_is_resumed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Hub's database is older than the ledger: its own state says that the server is still starting."""
    spawner = TwoUnknowns()
    spawner.was_ready = False
    assert await taken_up(monkeypatch, spawner) == [("resume", "")]


async def test_the_hub_follows_the_jobs_of_servers_that_are_not_taken_up_yet() -> None:
    waiting = SimpleNamespace(
        attempt=None, job_id="", orm_spawner=SimpleNamespace(state={"attempt": 3, "job_id": "41"})
    )
    ready = SimpleNamespace(attempt=5, job_id="42", orm_spawner=SimpleNamespace(state=None))
    hub = application.AtriumHub()
    hub._trait_values["users"] = {"founder": SimpleNamespace(spawners={"": waiting, "b": ready})}
    try:
        assert hub._followed() == Followed(attempts=frozenset({3, 5}), jobs=frozenset({41, 42}))
    finally:
        application.AtriumHub.clear_instance()


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
