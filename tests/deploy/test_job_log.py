"""The command that reads a log as the person, with a stand-in for getent that knows another home."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

COMMAND = Path(__file__).parents[2] / "deploy/sudoers/job-log"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home, programs = tmp_path / "home", tmp_path / "bin"
    home.mkdir()
    programs.mkdir()
    (programs / "getent").write_text(f"#!/bin/sh\necho f:x:1:1::{home}:/bin/sh\n")
    (programs / "getent").chmod(0o755)
    return home


def answer(home: Path, argument: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{home.parent / 'bin'}:{os.environ['PATH']}"}
    command = ["/bin/sh", str(COMMAND), argument]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=30)


def test_the_log_is_that_of_the_server(home: Path) -> None:
    (home / ".atrium-notebook.log").write_text("default")
    (home / ".atrium-notebook-gpu.log").write_text("gpu")
    assert [answer(home, server).stdout for server in ("", "gpu", "other")] == ["default", "gpu", ""]
    assert answer(home, "../x").returncode == 64


def test_a_log_that_is_a_pipe_is_not_waited_for(home: Path) -> None:
    os.mkfifo(home / ".atrium-notebook.log")
    assert answer(home, "").stdout == ""


def test_a_home_that_takes_a_file_has_nothing_to_say_and_stays_as_it_was(home: Path) -> None:
    result = answer(home, "-")
    assert (result.returncode, result.stdout, list(home.iterdir())) == (0, "", [])


def test_a_home_that_takes_none_says_why(home: Path) -> None:
    home.rmdir()
    result = answer(home, "-")
    assert result.returncode == 0 and "No such file or directory" in result.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a home that is full")
def test_a_full_home_says_so(home: Path) -> None:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "full", home], check=False, timeout=30)
    if mounted.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        (home / "large").write_bytes(b"1" * 4096)
        assert "No space left on device" in answer(home, "-").stdout
        assert [path.name for path in home.iterdir()] == ["large"]
    finally:
        subprocess.run(["umount", home], check=True, timeout=30)
