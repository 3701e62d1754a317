"""Connections: SQLite by default, PostgreSQL by address."""

from __future__ import annotations

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.engine.url import make_url
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry

WAIT_SECONDS = 5


def make_engine(url: str) -> Engine:
    """An engine with deadlines (neither a lock nor a silent server holds anybody up for long) that logs no values."""
    address = make_url(url)
    if address.get_backend_name() == "sqlite":
        engine = create_engine(address, connect_args={"timeout": WAIT_SECONDS}, hide_parameters=True)
        event.listen(engine, "connect", _prepare_sqlite)
        return engine
    if address.drivername == "postgresql":
        address = address.set(drivername="postgresql+psycopg")
    waits = {"connect_timeout": WAIT_SECONDS}
    return create_engine(address, pool_pre_ping=True, connect_args=waits, hide_parameters=True)


def make_sessions(engine: Engine) -> sessionmaker[Session]:
    return sessionmaker(engine, expire_on_commit=False)


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    """WAL: readers and the one writer do not wait for each other. The wait itself is the driver's ``timeout``."""
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
