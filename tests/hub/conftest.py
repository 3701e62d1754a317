"""Fixtures: settings, database, fake Slurm and fake Hub."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, get_args

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from hub import migrations
from hub.app import lifespan, routed_app
from hub.client import Api
from hub.db.engine import make_engine, make_sessions
from hub.errors import SlurmError, SlurmUnavailable
from hub.settings import Api as ApiSettings
from hub.settings import Paths, SecretName, Settings
from hub.slurm.client import AccountUsage, Minutes, Seconds, Share
from hub.slurm.cluster import Partition
from tests.hub.fakes import URL, Clock, Through
from tests.postgres import Postgres, running_postgres

POSTGRES = pytest.param("postgres", marks=pytest.mark.process)
"""Every test with a database runs on PostgreSQL, too, except in ``make check``."""

FOR_ATRIUM = "access:services!service=atrium"


class FakeSlurm:
    """Accounts and members as slurmdbd keeps them. ``break_after`` calls, every further one fails with ``error``."""

    def __init__(self) -> None:
        self.accounts: dict[str, tuple[int, int]] = {}
        self.members: dict[str, list[str]] = {}
        self.used: dict[str, tuple[int, int]] = {}
        self.parents: dict[str, str] = {}
        self.closed: dict[str, bool] = {}
        self.barred: dict[str, set[str]] = {}
        self.stuck: set[str] = set()
        """People whose jobs do not end."""
        self.days: dict[date, dict[Share, Seconds]] = {}
        self.calls = 0
        self.break_after: int | None = None
        self.error: SlurmError = SlurmUnavailable("Slurm has not answered for 15 s.")

    def _called(self) -> None:
        if self.break_after is not None and self.calls >= self.break_after:
            raise self.error
        self.calls += 1

    async def ensure_account(
        self,
        account: str,
        *,
        description: str,
        cpu_minutes: int,
        gpu_minutes: int,
        parent: str = "",
        qos: Sequence[str] = (),
        closed: bool = False,
    ) -> None:
        self._called()
        self.accounts[account] = (cpu_minutes, gpu_minutes)
        self.parents[account], self.closed[account] = parent, closed
        self.members.setdefault(account, [])

    async def ensure_members(self, account: str, users: Sequence[str], partitions: Sequence[str] = ()) -> None:
        self._called()
        self.members[account].extend(user for user in users if user not in self.members[account])
        self.barred[account] = self.barred.get(account, set()) - set(users)

    async def bar(self, account: str, user: str) -> bool:
        self._called()
        self.barred.setdefault(account, set()).add(user)
        return user in self.members[account]

    async def revoke(self, account: str, user: str) -> None:
        if not await self.bar(account, user):
            return
        if user in self.stuck:
            raise SlurmError(f"Jobs of {user} are being cancelled.")
        self.members[account].remove(user)

    async def used_on(self, day: date, accounts: Sequence[str]) -> dict[Share, Seconds]:
        self._called()
        return {share: used for share, used in self.days.get(day, {}).items() if share.account in accounts}

    async def usage(self, accounts: Sequence[str]) -> dict[str, AccountUsage]:
        self._called()
        return {
            name: AccountUsage(*(Minutes(limit, used) for limit, used in zip(limits, self._used(name), strict=True)))
            for name, limits in self.accounts.items()
            if name in accounts
        }

    def _used(self, account: str) -> tuple[int, int]:
        return self.used.get(account, (0, 0))

    async def ping(self) -> bool:
        self._called()
        return True

    async def partitions(self) -> tuple[Partition, ...]:
        self._called()
        return (Partition("cpu"),)

    async def configuration(self) -> dict[str, str]:
        self._called()
        return {"proctracktype": "proctrack/linuxproc", "taskplugin": "task/cgroup", "privatedata": "jobs"}


class FakeHub:
    """The Hub's REST API as far as Atrium asks it. ``owners``: token -> what the Hub tells about it."""

    def __init__(self) -> None:
        self.owners: dict[str, dict[str, Any]] = {}
        self.answer: httpx2.Response | Exception | None = None
        self.requested_paths: list[str] = []

    def sign_in(
        self, name: str, *, kind: str = "user", groups: Sequence[str] = (), scopes: Sequence[str] = (FOR_ATRIUM,)
    ) -> str:
        """A token of ``name``."""
        token = f"token-of-{name}-{len(self.owners)}"
        model: dict[str, Any] = {"kind": kind, "name": name, "scopes": list(scopes), "session_id": None}
        self.owners[token] = model | ({"groups": list(groups), "admin": False} if kind == "user" else {})
        return token

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requested_paths.append(request.url.path)
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is not None:
            return self.answer
        token = request.headers["Authorization"].removeprefix("token ")
        if request.url.path == "/hub/api/user":
            model = self.owners.get(token)
            return httpx2.Response(200, json=model) if model else httpx2.Response(403, json={"message": token})
        name = request.url.path.removeprefix("/hub/api/users/")
        matching_users = [owner for owner in self.owners.values() if owner["name"] == name and owner["kind"] == "user"]
        if token != "secret-of-atrium" or not matching_users:
            return httpx2.Response(404, json={"status": 404})
        return httpx2.Response(200, json={key: matching_users[0][key] for key in ("kind", "name", "groups")})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", POSTGRES])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of a database for this test: in the current schema where the test has an engine, without tables elsewhere."""
    migrated = "engine" in request.fixturenames
    if request.param == "sqlite":
        path = tmp_path / "atrium.sqlite"
        if migrated:
            shutil.copy(request.getfixturevalue("migrated_sqlite"), path)
        yield f"sqlite:///{path}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    url = server.migrated_database() if migrated else server.empty_database()
    yield url
    server.drop(url)


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    secrets = tmp_path / "secrets"
    secrets.mkdir(mode=0o700)
    for name in get_args(SecretName):
        path = secrets / name
        path.write_text(f"secret-of-{name}\n")
        path.chmod(0o600)
    return Settings(paths=Paths(etc=tmp_path, state=tmp_path), api=ApiSettings(database_url=database_url))


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database in the current schema without rows, made once and copied for each test."""
    path = tmp_path_factory.mktemp("migrated") / "atrium.sqlite"
    engine = make_engine(f"sqlite:///{path}")
    migrations.upgrade(engine)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    return path


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    """A database in the current schema."""
    engine = make_engine(settings.api.database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def sessions(engine: Engine) -> sessionmaker[Session]:
    return make_sessions(engine)


@pytest.fixture
def session(sessions: sessionmaker[Session]) -> Iterator[Session]:
    with sessions() as session:
        yield session


@pytest.fixture
def slurm() -> FakeSlurm:
    return FakeSlurm()


@pytest.fixture
def hub() -> FakeHub:
    return FakeHub()


@pytest.fixture
def person(api: TestClient, hub: FakeHub) -> Callable[..., Api]:
    """``person("founder", groups=[…])``: the API's client in somebody's hands."""

    def sign_in(name: str, *, groups: Sequence[str] = (), kind: str = "user") -> Api:
        return Api(URL, hub.sign_in(name, groups=groups, kind=kind), transport=Through(api))

    return sign_in


@pytest.fixture(scope="session")
def routes() -> FastAPI:
    """All routes of the API; to check and prepare them takes longer than most tests."""
    return routed_app()


@pytest.fixture
def api(settings: Settings, engine: Engine, hub: FakeHub, routes: FastAPI) -> Iterator[TestClient]:
    """The app with its database, behind the Hub."""
    routes.router.lifespan_context = lifespan(settings, hub=httpx2.MockTransport(hub))
    with TestClient(routes, base_url="http://api/services/atrium/api") as client:
        yield client
