"""A PostgreSQL server of one test process: a cluster in a temporary directory, reached by a Unix socket alone."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from hub import migrations
from hub.db.engine import make_engine
from tests.polling import eventually

ACCOUNT = "postgres"
START_SECONDS = 60
STOP_SECONDS = 20
UNSAFE_AND_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "listen_addresses=")
_TEMPLATE = "migrated"


class Postgres:
    """Makes databases, each for one test."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._numbers = count()
        self._template_is_ready = False
        self._admin = create_engine(self._url("postgres"), isolation_level="AUTOCOMMIT")

    def empty_database(self) -> str:
        """URL of a new database without tables."""
        return self._create("template0")

    def migrated_database(self) -> str:
        """URL of a new database in the current schema; migrated once, then copied."""
        if not self._template_is_ready:
            self._run(f"CREATE DATABASE {_TEMPLATE} TEMPLATE template0")
            engine = make_engine(self._url(_TEMPLATE))
            migrations.upgrade(engine)
            engine.dispose()
            self._template_is_ready = True
        return self._create(_TEMPLATE)

    def drop(self, url: str) -> None:
        """Remove a database of ours, whoever is still connected."""
        self._run(f"DROP DATABASE {make_url(url).database} WITH (FORCE)")

    def close(self) -> None:
        self._admin.dispose()

    def answers(self) -> bool:
        try:
            self._run("SELECT 1")
        except OperationalError:
            return False
        return True

    def _create(self, template: str) -> str:
        name = f"test_{next(self._numbers)}"
        self._run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return self._url(name)

    def _run(self, statement: str) -> None:
        with self._admin.connect() as connection:
            connection.execute(text(statement))

    def _url(self, database: str) -> str:
        return f"postgresql+psycopg://{ACCOUNT}@/{database}?host={self._socket}"


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A server that ends with this process at the latest; what it stored is thrown away."""
    programs = _programs()
    home = Path(tempfile.mkdtemp(prefix="postgres-", dir="/tmp"))
    account = pwd.getpwnam(ACCOUNT) if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    os.chown(home, account.pw_uid, account.pw_gid)
    # PostgreSQL refuses to run as root.
    identity = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"] if os.geteuid() == 0 else []
    as_account = ["setpriv", "--pdeathsig=INT", *identity]
    initialise = [programs / "initdb", "--auth=trust", "--no-sync", f"--username={ACCOUNT}", "--encoding=UTF8"]
    subprocess.run(
        [*as_account, *initialise, "--locale=C.UTF-8", "--pgdata", home / "data"],
        check=True,
        capture_output=True,
        timeout=START_SECONDS,
    )
    options = [argument for option in UNSAFE_AND_FAST for argument in ("-c", option)]
    with (home / "log").open("w") as log:
        server = subprocess.Popen(
            [*as_account, programs / "postgres", "-D", home / "data", "-k", home, *options],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    postgres = Postgres(home)
    try:
        eventually(postgres.answers, within=START_SECONDS, what=f"PostgreSQL answers (its log: {home}/log)", every=0.05)
        yield postgres
    finally:
        postgres.close()
        server.terminate()
        server.wait(timeout=STOP_SECONDS)
        shutil.rmtree(home, ignore_errors=True)


def _programs() -> Path:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    assert folders, "PostgreSQL is not installed here: make test installs it"
    return folders[-1]
