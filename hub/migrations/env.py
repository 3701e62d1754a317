"""Run by Alembic: which database, which tables."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Connection, Engine
from sqlalchemy.types import TypeDecorator

import hub.announcements.tables
import hub.applications.tables
import hub.audit.tables
import hub.calls.tables
import hub.dataspace.publications.tables
import hub.dataspace.saved_searches.tables
import hub.dataspace.sources.tables
import hub.dataspace.tables
import hub.dataspace.transfers.tables
import hub.health.tables
import hub.home.tables
import hub.mail.tables
import hub.organisations.tables
import hub.projects.tables
import hub.reports.tables
import hub.reviews.tables
import hub.servers.tables
import hub.store.tables
import hub.usage.tables  # noqa: F401  a table is known once its module is loaded
from hub import settings
from hub.db.base import Base
from hub.db.engine import make_engine

# hub.migrations hands an engine over; Alembic's own command line (in a checkout) has the settings.
_engine: Engine = context.config.attributes.get("engine") or make_engine(settings.load().api.database_url)


def _plain(kind: str, thing: Any, _context: AutogenContext) -> str | Literal[False]:
    """Columns of our own types are written as what they are in the database: history outlives our classes."""
    if kind == "type" and isinstance(thing, TypeDecorator):
        return f"sa.{thing.impl!r}"
    return False


def _run(connection: Connection) -> None:
    sqlite = connection.dialect.name == "sqlite"
    if sqlite:
        # Batch changes copy a table and drop the old one: nothing may cascade. And Python's driver would commit
        # before each change of a table, leaving half a migration after a crash.
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=sqlite,
        render_item=_plain,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
    if sqlite:
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")


with _engine.connect() as connection:
    _run(connection)
