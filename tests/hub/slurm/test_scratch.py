"""The folder of a job on its node, by a real bash."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from hub.slurm import scratch
from tests.polling import eventually

pytestmark = pytest.mark.process

LINES = scratch.lines("SCRATCH", parent='"${TMPDIR:-/tmp}"', name='job-"$NODE"')


def job(
    parent: Path, command: str = "read -r", node: str = "cpu1", path: str = os.environ["PATH"]
) -> subprocess.Popen[str]:
    """A job that runs until its input ends."""
    environment = {"PATH": path, "TMPDIR": str(parent), "NODE": node}
    script = f"{LINES}\necho $SCRATCH\n{command}"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen(["bash", "-c", script], env=environment, text=True, **pipes)


def folder_of(process: subprocess.Popen[str]) -> Path:
    assert process.stdout is not None
    return Path(process.stdout.readline().strip())


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    parent = tmp_path / "temporary files"
    parent.mkdir()
    return parent


def test_a_job_has_a_folder_of_its_own_and_leaves_none(parent: Path) -> None:
    with job(parent) as process:
        folder = folder_of(process)
        assert folder.parent == parent and folder.name.startswith("job-cpu1-")
        assert folder.stat().st_mode & 0o777 == 0o700
        process.communicate(timeout=20)
    assert list(parent.iterdir()) == []


def test_only_folders_without_a_job_on_this_node_are_removed(parent: Path) -> None:
    (parent / "mine").mkdir()
    (parent / "mine/file").touch()
    (parent / "job-cpu1-abcdefgh").symlink_to(parent / "mine")
    with job(parent) as running, job(parent, "kill -9 $$") as killed, job(parent, "kill -9 $$", "cpu2") as distant:
        folders = [folder_of(process) for process in (running, killed, distant)]
        for process in (killed, distant):
            process.communicate(timeout=20)
        with job(parent, "true") as following:
            following.communicate(timeout=20)
        assert [folder.exists() for folder in folders] == [True, True, True], "a new one may not be locked yet"
        for folder in folders:
            os.utime(folder, (time.time() - 120, time.time() - 120))
        with job(parent, "true") as following:
            following.communicate(timeout=20)
        assert [folder.exists() for folder in folders] == [True, False, True]
        running.communicate(timeout=20)
    assert (parent / "mine/file").exists()


def test_a_job_waits_for_another_one_that_looks_at_its_new_folder(parent: Path, tmp_path: Path) -> None:
    """``mktemp`` gives out a folder that is locked for a second."""
    looking = tmp_path / "mktemp"
    looking.write_text(
        "#!/bin/sh\n"
        'folder=$(/usr/bin/mktemp "$@")\n'
        '(flock "$folder" sh -c \'touch "$0/begins"; sleep 1\' "$folder"; touch "$folder/ends") >/dev/null 2>&1 &\n'
        'until [ -e "$folder/begins" ]; do sleep 0.02; done\n'
        'echo "$folder"\n'
    )
    looking.chmod(0o755)
    with job(parent, path=f"{tmp_path}:{os.environ['PATH']}") as process:
        folder = folder_of(process)
        eventually((folder / "ends").exists, within=20, what="nobody else looks at it")
        is_free = subprocess.run(["flock", "--nonblock", folder, "true"], check=False).returncode == 0
        process.communicate(timeout=20)
    assert not is_free
