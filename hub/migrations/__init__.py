"""The history of the database's tables (Alembic)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from hub.db.engine import sqlite_file


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Upgrade the database to the current schema: all steps or none. Does nothing if it is current.

    :param revision: an earlier shape, for tests of what a migration does with rows.
    """
    command.upgrade(_config(engine), revision)


def check(engine: Engine) -> None:
    """Raise :class:`alembic.util.CommandError` when the tables in the code are not those of the migrations."""
    command.check(_config(engine))


def at_head(engine: Engine) -> bool:
    """Whether the database has the current schema."""
    newest = ScriptDirectory.from_config(_config(engine)).get_current_head()
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() == newest


def schema(engine: Engine) -> Literal["missing", "outdated", "current"]:
    """The state of the database's schema; "missing" without any table of ours. Creates no SQLite file."""
    file = sqlite_file(engine.url.render_as_string(hide_password=False))
    if file is not None and not file.exists():
        return "missing"
    with engine.connect() as connection:
        revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None:
        return "missing"
    return "current" if at_head(engine) else "outdated"


def _config(engine: Engine) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["engine"] = engine
    return config
