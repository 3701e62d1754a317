"""Programs are started once, restarted when their files changed, and given up on when they keep ending."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest

from deploy.dev import running, settings
from deploy.dev.errors import DeployError
from deploy.dev.layout import Layout, Options
from deploy.dev.processes import Process, _is_ours
from deploy.dev.programs import Program
from deploy.dev.supervisor import Running, Supervisor


@dataclass
class OneProgram:
    """A supervisor of one program that notes what it is told."""

    known: Running = field(default_factory=lambda: Running("api", "STOPPED", 0, 0))
    commands: list[str] = field(default_factory=list)
    restless: bool = False

    def programs(self) -> dict[str, Running]:
        if self.restless:
            self.known = replace(self.known, started=self.known.started + 1)
        return {"api": self.known}

    def start(self, name: str) -> None:
        self.commands.append(f"start {name}")

    def stop(self, name: str) -> None:
        self.commands.append(f"stop {name}")


def api(*inputs: Path, wrong: str = "", seconds: float = 5) -> Program:
    return Program("api", ("api",), "atrium", lambda: wrong, inputs=inputs, start_seconds=seconds)


def start(supervisor: OneProgram, program: Program) -> str:
    return running.start(cast(Supervisor, supervisor), program)


def test_what_does_not_run_is_started() -> None:
    supervisor = OneProgram()
    assert start(supervisor, api()) == "started"
    assert supervisor.commands == ["start api"]


def test_what_runs_is_left_alone_until_a_file_of_it_is_newer(tmp_path: Path) -> None:
    settings = tmp_path / "atrium.toml"
    settings.touch()
    os.utime(settings, (1000.9, 1000.9))
    supervisor = OneProgram(Running("api", "RUNNING", 1, 1000))
    assert start(supervisor, api(settings, tmp_path / "missing")) == ""
    os.utime(settings, (1001, 1001))
    assert start(supervisor, api(settings)) == "restarted"
    assert supervisor.commands == ["stop api", "start api"]


@pytest.mark.parametrize(("restless", "reason"), [(False, "does not answer"), (True, "keeps ending")])
def test_giving_up_shows_the_end_of_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restless: bool, reason: str
) -> None:
    monkeypatch.setattr(running.time, "sleep", lambda _seconds: None)
    layout = Layout(Options(prefix=str(tmp_path)))
    layout.log.mkdir(parents=True)
    (layout.log / "api.log").write_text("a long story\nthe cause\n")
    supervisor = cast(Supervisor, OneProgram(restless=restless))
    with pytest.raises(DeployError, match=rf"(?s)api {reason} \(no answer\).*the cause"):
        running.wait(layout, supervisor, api(wrong="no answer", seconds=30 if restless else 0))


def test_what_carries_a_job_is_never_ended_with_slurm() -> None:
    step = Process(pid=os.getpid(), parent=1, uid=0, name="slurmstepd", argv=("slurmstepd: [1.batch]",), memory=0)
    assert not _is_ours(step, Layout(Options()))


def test_an_edit_restarts_what_reads_the_changed_section(tmp_path: Path) -> None:
    layout = Layout(Options(prefix=str(tmp_path)))
    layout.etc.mkdir(parents=True)

    def restarted(text: str) -> set[str]:
        layout.settings.write_text(text)
        settings.lay_down_parts(layout)
        parts = {path.stem: path for path in (layout.etc / "settings-read").iterdir()}
        newer = {name for name, path in parts.items() if path.stat().st_mtime > 1000}
        for path in parts.values():
            os.utime(path, (1000, 1000))
        return newer

    restarted("[hub]\nport = 1\n[mail]\nsmtp_port = 25\n")
    assert restarted("[hub]\nport = 1\n[mail]\nsmtp_port = 25\n# a remark\n") == set()
    assert restarted("[hub]\nport = 1\n[mail]\nsmtp_port = 26\n") == {"api", "hub", "worker"}
    assert restarted("[hub]\nport = 1\n[worker]\nmail_seconds = 3\n[mail]\nsmtp_port = 26\n") == {"api", "worker"}
    assert restarted("[hub]\nport = 2\n[worker]\nmail_seconds = 3\n[mail]\nsmtp_port = 26\n") == {
        *("api", "dashboards", "hub", "proxy", "worker")
    }


def test_the_first_part_is_as_old_as_the_settings(tmp_path: Path) -> None:
    """An upgrade must not restart the proxy."""
    layout = Layout(Options(prefix=str(tmp_path)))
    layout.etc.mkdir(parents=True)
    layout.settings.write_text("[hub]\nport = 1\n")
    os.utime(layout.settings, (1000, 1000))
    settings.lay_down_parts(layout)
    assert settings.part_read_by(layout, "proxy").stat().st_mtime == 1000
