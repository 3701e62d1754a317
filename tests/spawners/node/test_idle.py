"""When a server is idle."""

from __future__ import annotations

import os
import pty
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from spawners.node.idle import Activity, IdleClock, gpus_work, parse_utilisation, runs_something
from tests.polling import eventually

NOW = 1_800_000_000.0


class Kernels(dict[str, Any]):
    def list_kernel_ids(self) -> list[str]:
        return list(self)

    def get_kernel(self, kernel_id: str) -> Any:
        return self[kernel_id]


def kernel(state: str, seconds_ago: float) -> SimpleNamespace:
    return SimpleNamespace(execution_state=state, last_activity=datetime.fromtimestamp(NOW - seconds_ago, UTC))


def activity(**kernels: Any) -> Activity:
    return Activity(Kernels(kernels), clock=lambda: NOW)


def test_time_runs_from_the_last_thing_that_happened() -> None:
    clock = IdleClock(limit=600, warning=60, last=NOW)
    assert not clock.warns(NOW + 539)
    assert clock.warns(NOW + 540)
    assert not clock.is_over(NOW + 599)
    assert clock.is_over(NOW + 600)

    clock.happened(NOW + 580)
    clock.happened(NOW + 10)
    assert clock.left(NOW + 580) == 600


def test_a_warning_never_comes_with_the_start() -> None:
    assert not IdleClock(limit=60, warning=600, last=NOW).warns(NOW + 29)


def test_a_busy_kernel_is_use_however_long_it_is_busy() -> None:
    assert activity(a=kernel("idle", 900), b=kernel("busy", 90_000)).last() == NOW


def test_an_idle_kernel_was_used_when_it_last_spoke() -> None:
    assert activity(a=kernel("idle", 900), b=kernel("idle", 300)).last() == NOW - 300
    assert activity().last() == 0


@pytest.mark.parametrize("state", ["starting", "restarting"])
def test_a_kernel_that_nobody_spoke_to_does_not_keep_a_server_for_ever(state: str) -> None:
    assert activity(a=kernel(state, 300)).last() == NOW - 300


def test_activity_of_a_person_counts_as_use() -> None:
    watched = activity(a=kernel("idle", 900))
    watched.person()
    assert watched.last() == NOW


@pytest.mark.parametrize(
    ("method", "path", "status", "counts"),
    [
        ("GET", "api/contents", 200, False),
        ("HEAD", "api/contents", 200, False),
        ("PUT", "api/contents/a.ipynb", 200, True),
        ("POST", "api/kernels", 201, True),
        ("POST", "api/kernels", 403, False),
        ("PUT", "lab/api/workspaces/default", 204, False),
        ("POST", "api/security/csp-report", 204, False),
    ],
)
def test_a_request_that_changes_something_is_a_persons_and_reading_is_not(
    method: str, path: str, status: int, counts: bool
) -> None:
    watched, logged = activity(), []
    settings: dict[str, Any] = {"log_function": logged.append}
    watched.watch_requests(settings)
    handler = SimpleNamespace(
        request=SimpleNamespace(method=method, path=f"/user/founder/{path}"), get_status=lambda: status
    )
    settings["log_function"](handler)

    assert (watched.last() == NOW) is counts
    assert logged == [handler]


def test_a_terminal_is_in_use_while_its_shell_runs_something() -> None:
    leader, follower = pty.openpty()
    shell = subprocess.Popen(
        ["bash", "--norc", "-i"], stdin=follower, stdout=follower, stderr=follower, process_group=0
    )
    try:
        os.write(leader, b"sleep 60 &\n")
        eventually(lambda: runs_something(shell.pid), within=10, what="the shell's program")
        os.write(leader, b"kill %1; wait\n")
        eventually(lambda: not runs_something(shell.pid), within=10, what="an empty shell")
    finally:
        shell.kill()
        shell.wait()
        os.close(leader)
        os.close(follower)


def test_a_shell_that_has_gone_runs_nothing() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert not runs_something(gone.pid)


@pytest.mark.parametrize(
    ("text", "percents"),
    [("0\n", [0]), ("97\n0\n", [97, 0]), ("[N/A]\n", []), ("No devices were found\n", []), ("", [])],
)
def test_what_nvidia_smi_says(text: str, percents: list[int]) -> None:
    assert parse_utilisation(text) == percents


def nvidia_smi(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    (folder / "nvidia-smi").write_text(f"#!/bin/sh\n{body}\n")
    (folder / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("body", "gpus", "works"),
    [
        ("echo 0; echo 54", "0,1", True),
        ("echo 0", "0", False),
        ("echo 54", "", None),  # not a GPU job: it is not even asked
        ("echo Failed to initialize NVML; exit 255", "0", None),
        ('[ "$1" = --id=2,3 ] && echo 9', "2,3", True),
        ("exec sleep 60", "0", None),
    ],
)
async def test_gpus_speak_for_a_server_only_when_they_surely_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, gpus: str, works: bool | None
) -> None:
    monkeypatch.setattr("spawners.node.idle.GPU_SECONDS", 0.5)
    nvidia_smi(tmp_path, monkeypatch, body)

    assert await gpus_work(gpus) is works
