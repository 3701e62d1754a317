"""Connections: SQLite by default, PostgreSQL by address."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.engine.url import make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

WAIT_SECONDS = 5
_DISK_FULL = "53100"
"""PostgreSQL's code."""


def make_engine(url: str, *, existing: bool = False) -> Engine:
    """An engine with deadlines (neither a lock nor a silent server holds anybody up for long) that logs no values.

    :param existing: whether the database has to be there. A program that goes on running must not make an empty SQLite
        file in place of one that was lost.
    """
    address = make_url(url)
    if address.get_backend_name() == "sqlite":
        return _sqlite_engine(address, existing=existing)
    if address.drivername == "postgresql":
        address = address.set(drivername="postgresql+psycopg")
    waits = {"connect_timeout": WAIT_SECONDS}
    return create_engine(address, pool_pre_ping=True, connect_args=waits, hide_parameters=True)


def make_sessions(engine: Engine) -> sessionmaker[Session]:
    return sessionmaker(engine, expire_on_commit=False)


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite database; None for other databases."""
    address = make_url(url)
    is_file = address.get_backend_name() == "sqlite" and address.database not in (None, "", ":memory:")
    return Path(str(address.database)) if is_file else None


def is_storage_full(error: BaseException) -> bool:
    """Whether a write failed because the disk, the quota or the database's own storage is full."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, OSError):
        return cause.errno in (errno.ENOSPC, errno.EDQUOT)
    if isinstance(cause, sqlite3.Error):
        return (getattr(cause, "sqlite_errorcode", 0) & 0xFF) == sqlite3.SQLITE_FULL
    return getattr(cause, "sqlstate", None) == _DISK_FULL


def _sqlite_engine(address: URL, *, existing: bool) -> Engine:
    file = sqlite_file(address.render_as_string(hide_password=False))
    if existing and file is not None:
        address = address.set(database=f"file:{quote(str(file.absolute()))}").update_query_dict(
            {"mode": "rw", "uri": "true"}
        )
    engine = create_engine(address, connect_args={"timeout": WAIT_SECONDS}, hide_parameters=True)
    event.listen(engine, "connect", _prepare_sqlite)
    if existing and file is not None:
        _drop_connections_to_lost_files(engine, file)
    return engine


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    """WAL: readers and the one writer do not wait for each other. The wait itself is the driver's ``timeout``."""
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _drop_connections_to_lost_files(engine: Engine, file: Path) -> None:
    """Open the file again when it was removed or replaced: SQLite would go on with the file without a name."""

    def remember(_connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
        entry.info["file"] = _identity(file)

    def compare(_connection: DBAPIConnection, entry: ConnectionPoolEntry, _proxy: PoolProxiedConnection) -> None:
        if entry.info.get("file") != _identity(file):
            raise DisconnectionError("The file of the database was removed or replaced.")

    event.listen(engine, "connect", remember)
    event.listen(engine, "checkout", compare)


def _identity(file: Path) -> tuple[int, int] | None:
    """Device and number of a file; None if there is none."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
