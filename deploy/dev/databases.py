"""Databases of the API and the Hub: schema, files that were lost, and Atrium's own commands about them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from deploy.dev import files, running
from deploy.dev.command import run
from deploy.dev.layout import SERVICE_USER, Layout
from deploy.dev.programs import Program, atrium_environment
from deploy.dev.supervisor import Supervisor

_DEADLINE = 120.0
_USERS = ("hub", "api", "worker")
"""Programs that have the API's database open."""


def database_files(layout: Layout) -> list[Path]:
    """The SQLite files with Atrium's state: the Hub's, and the API's unless that is in another database."""
    own = [layout.state / "jupyterhub.sqlite"]
    return own if layout.options.database_url else [layout.state / "atrium.sqlite", *own]


def prepare(layout: Layout, supervisor: Supervisor, programs: list[Program]) -> str:
    """Bring the API's database to the current schema; returns what was done or lost, as a sentence.

    The schema is asked for each time: a database may have been restored or lost while nothing else changed.
    """
    lost = [path.name for path in _remembered(layout) if not path.exists()]
    is_current = _state(layout)["schema"] == "current"
    if not is_current:
        for program in programs:
            if program.name in _USERS and supervisor.programs()[program.name].starting_or_running:
                supervisor.stop(program.name)
    if not is_current or any(running.is_due(supervisor, program) for program in programs if program.name == "api"):
        atrium(layout, "migrate")
        atrium(layout, "check")
    if lost:
        return f"{' and '.join(lost)} in {layout.state} was lost, a new one is empty: make restore brings a backup back"
    return "unchanged" if is_current else "migrated"


def remember(layout: Layout) -> None:
    """Store which files there are, so that the next ``make up`` notices a lost one."""
    existing = [str(path) for path in database_files(layout) if path.exists()]
    files.put(_stamp(layout), json.dumps(existing) + "\n")


def has_project(layout: Layout, slug: str) -> bool:
    """Whether the API's database has a project."""
    return bool(_state(layout, f"--project={slug}")["has_project"])


def atrium(layout: Layout, *arguments: str) -> str:
    """Run an Atrium command as the service user and return what it prints."""
    environment = atrium_environment(layout, layout.state)
    argv = [f"{layout.hub_env}/bin/atrium", *arguments]
    return run(argv, deadline=_DEADLINE, user=SERVICE_USER, environment=environment)


def _state(layout: Layout, *arguments: str) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(atrium(layout, "database", *arguments))
    return state


def _remembered(layout: Layout) -> list[Path]:
    stamp = _stamp(layout)
    return [Path(name) for name in json.loads(stamp.read_text())] if stamp.exists() else []


def _stamp(layout: Layout) -> Path:
    return layout.state / "stamps/databases"
