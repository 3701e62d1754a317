"""``make up`` checks edited settings before it changes a running copy."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from deploy.dev import environments, up, versions
from deploy.dev.errors import DeployError
from deploy.dev.layout import Layout, Options


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A copy whose Hub environment is the one of the tests."""
    layout = Layout(Options(prefix=str(tmp_path)))
    python = environments.base(layout, "hub") / "bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    layout.etc.mkdir(parents=True)
    return layout


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What ``up`` does beside the check, in order."""
    done: list[str] = []

    def note(name: str, result: object) -> object:
        return lambda *_arguments, **_options: done.append(name) or result

    monkeypatch.setattr(up.preflight, "check", note("preflight", None))
    monkeypatch.setattr(up.packages, "ensure", note("packages", []))
    monkeypatch.setattr(environments, "ensure", note("environments", []))
    monkeypatch.setattr(versions, "ensure", note("code", False))
    monkeypatch.setattr(up, "_lay_down", note("files", []))
    monkeypatch.setattr(up, "_supervise", note("supervisor", None))
    monkeypatch.setattr(up, "_start_slurm", note("slurm", None))
    monkeypatch.setattr(up, "_start_web", note("web", None))
    monkeypatch.setattr(up, "_demo_project", note("project", None))
    monkeypatch.setattr(up, "accounts_locked", nullcontext)
    monkeypatch.setattr(up.running, "settle", note("settled", None))
    monkeypatch.setattr(up, "_remove_unused", note("unused", None))
    return done


EVERYTHING = ["preflight", "packages", "environments", "code", "files", "supervisor", "slurm", "web", "project"]


def test_wrong_settings_stop_it_before_anything_of_the_running_copy_changes(layout: Layout, steps: list[str]) -> None:
    layout.settings.write_text('[spwan]\nrequeue = false\n[mail]\nsmtp_prot = 1\nsmtp_port = "secret"\n')

    with pytest.raises(DeployError) as error:
        up.up(layout)

    assert steps == ["preflight", "packages", "environments"]
    first, *problems = str(error.value).splitlines()
    assert first == "The settings are wrong, so nothing was stopped or restarted:"
    assert f"  {layout.settings}: [spwan] is unknown. Did you mean [spawn]?" in problems
    assert f"  {layout.settings}: mail.smtp_prot is unknown. Did you mean mail.smtp_port?" in problems
    assert len(problems) == 3
    assert "secret" not in str(error.value)


def test_edited_settings_that_are_right_are_taken(layout: Layout, steps: list[str]) -> None:
    layout.settings.write_text("[spawn]\nrequeue = false\n")
    up.up(layout)
    assert steps == [*EVERYTHING, "settled", "unused"]


def test_a_wrong_variable_stops_it_too_when_nobody_edited_the_file(
    layout: Layout, steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATRIUM_WORKER__TICK_SECOND", "1")

    with pytest.raises(DeployError, match="Did you mean ATRIUM_WORKER__TICK_SECONDS"):
        up.up(layout)

    assert steps == ["preflight", "packages", "environments"]


def test_a_fresh_machine_has_no_settings_to_check(layout: Layout, steps: list[str]) -> None:
    (environments.base(layout, "hub") / "bin/python").unlink()
    up.up(layout)
    assert steps == [*EVERYTHING, "settled", "unused"]
