"""``make up`` asks for the schema each time, and says which file was lost."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest

from deploy.dev import databases, down, running, slurm, status
from deploy.dev.layout import Layout, Options
from deploy.dev.processes import lost_databases
from deploy.dev.programs import Program
from deploy.dev.supervisor import Running, Supervisor


class Programs:
    """A supervisor under which everything runs."""

    def __init__(self) -> None:
        self.states = dict.fromkeys(("proxy", "hub", "api", "worker"), "RUNNING")

    def programs(self) -> dict[str, Running]:
        return {name: Running(name, state, 0, 1000) for name, state in self.states.items()}

    def stop(self, name: str) -> None:
        self.states[name] = "STOPPED"


PROGRAMS = [Program(name, (name,), "atrium", lambda: "") for name in ("proxy", "hub", "api", "worker")]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(Options(prefix=str(tmp_path)))
    (layout.state / "stamps").mkdir(parents=True)
    return layout


@pytest.fixture
def supervisor() -> Programs:
    return Programs()


def prepare(
    layout: Layout, supervisor: Programs, monkeypatch: pytest.MonkeyPatch, schema: str
) -> tuple[str, list[str]]:
    """What the step says, and Atrium's commands that it ran."""
    commands: list[str] = []

    def atrium(_layout: Layout, *arguments: str) -> str:
        commands.append(arguments[0])
        return json.dumps({"schema": schema, "has_project": False})

    monkeypatch.setattr(databases, "atrium", atrium)
    return databases.prepare(layout, cast(Supervisor, supervisor), PROGRAMS), commands


def test_a_current_schema_stops_nothing(layout: Layout, supervisor: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    assert prepare(layout, supervisor, monkeypatch, "current") == ("unchanged", ["database"])
    assert set(supervisor.states.values()) == {"RUNNING"}


@pytest.mark.parametrize("schema", ["outdated", "missing"])
def test_another_schema_is_migrated_while_nobody_uses_it(
    layout: Layout, supervisor: Programs, monkeypatch: pytest.MonkeyPatch, schema: str
) -> None:
    outcome, commands = prepare(layout, supervisor, monkeypatch, schema)
    assert (outcome, commands) == ("migrated", ["database", "migrate", "check"])
    assert supervisor.states == {"proxy": "RUNNING", "hub": "STOPPED", "api": "STOPPED", "worker": "STOPPED"}


@pytest.mark.parametrize("name", ["atrium.sqlite", "jupyterhub.sqlite"])
def test_a_lost_file_is_named(layout: Layout, supervisor: Programs, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for path in databases.database_files(layout):
        path.touch()
    databases.remember(layout)
    assert prepare(layout, supervisor, monkeypatch, "current")[0] == "unchanged"
    (layout.state / name).unlink()
    outcome, _ = prepare(layout, supervisor, monkeypatch, "current")
    assert outcome.startswith(f"{name} in {layout.state} was lost")


def test_a_process_with_a_removed_database_is_not_healthy_and_is_restarted(tmp_path: Path) -> None:
    file = tmp_path / "jupyterhub.sqlite"
    program = Running("hub", "RUNNING", os.getpid(), 1000)

    class Hub(Programs):
        def programs(self) -> dict[str, Running]:
            return {"hub": program}

    supervisor = cast(Supervisor, Hub())
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE words (word)")
        assert lost_databases(os.getpid()) == []
        assert not running.is_due(supervisor, PROGRAMS[1])
        file.unlink()
        assert lost_databases(os.getpid()) == ["jupyterhub.sqlite"]
        assert running.is_due(supervisor, PROGRAMS[1])
        assert status.lost_file(program) == "its file jupyterhub.sqlite was removed: make up"
    assert not running.is_due(supervisor, PROGRAMS[1])


def test_make_down_stores_which_jobs_it_cancelled(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm, "cancel_everything", lambda _layout: [7, 8])
    monkeypatch.setattr(slurm, "is_empty", lambda _layout: True)
    down._cancel_jobs(layout)
    assert json.loads((layout.state / "shut-down-jobs.json").read_text()) == [7, 8]
