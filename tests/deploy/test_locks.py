"""File locks between commands, held by a real second process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import pytest

from deploy.dev.errors import DeployError
from deploy.dev.locks import environments_locked, locked

HOLD = """
import sys
from pathlib import Path
from deploy.dev.locks import environments_locked
with environments_locked(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock on ``tmp_path`` until its standard input is closed."""
    argv = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "locked\n"
        yield process
        process.kill()


def test_a_free_lock_is_acquired_without_a_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        with environments_locked(tmp_path):
            pass

    assert capsys.readouterr().out == ""


def test_waiting_names_the_process_that_holds_the_lock(
    tmp_path: Path, holder: subprocess.Popen[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert holder.stdin
    release = Timer(0.5, holder.stdin.close)
    release.start()

    with environments_locked(tmp_path):
        assert (tmp_path / ".lock").read_text() == str(os.getpid())

    release.join()
    output = capsys.readouterr().out
    assert output.startswith(f"  Waiting for process {holder.pid} ({sys.executable} -c ")
    assert output.endswith(f", which uses the environments in {tmp_path}\n")
    assert output.count("Waiting for") == 1


@pytest.mark.parametrize(("seconds", "waited"), [(0.0, ""), (0.3, " after 0 s")])
def test_a_lock_that_stays_held_is_an_error_that_says_what_to_do(
    tmp_path: Path, holder: subprocess.Popen[str], seconds: float, waited: str
) -> None:
    with (
        pytest.raises(DeployError) as error,
        locked(tmp_path / ".lock", subject="these environments", seconds=seconds),
    ):
        pass

    assert str(error.value).startswith(f"process {holder.pid} (")
    assert str(error.value).endswith(
        f"uses these environments{waited}. Wait until it has ended, or stop it, then run this command again."
    )


def test_a_holder_that_cannot_be_looked_up_is_another_process(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    (tmp_path / ".lock").write_text("")

    with (
        pytest.raises(DeployError, match=r"^another process uses"),
        locked(tmp_path / ".lock", subject="these environments", seconds=0),
    ):
        pass


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()

    with locked(tmp_path / ".lock", subject="these environments", seconds=0):
        pass


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / ".lock").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(OSError, match="symbolic"), environments_locked(tmp_path):
        pass
