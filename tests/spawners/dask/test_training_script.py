"""The job script of a training in bash, with stand-ins for Slurm's commands."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from hub.dask.models import TrainingRequest
from spawners.dask import training
from spawners.node.job_context import JobContext
from tests.polling import eventually

pytestmark = pytest.mark.process

STANDS_IN = {
    "srun": 'touch "$READY"; while [ ! -e "$GO" ]; do sleep 0.05; done; eval "$BEHAVIOUR"',
    "scontrol": 'case "$1" in requeue) echo requeue >>"$CALLS"; exit 1;; *) echo node1;; esac',
    "scancel": "exit 0",
}


@pytest.fixture
def run(context: JobContext, tmp_path: Path) -> Callable[..., tuple[int, int]]:
    """Runs the job once; returns its exit code and how often it was put back into the queue."""
    (tmp_path / "train.py").touch()
    context.make_directories()
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    for name, body in STANDS_IN.items():
        (bin_folder / name).write_text(f"#!/bin/bash\n{body}\n")
        (bin_folder / name).chmod(0o755)
    calls = tmp_path / "calls"

    def once(behaviour: str, *, warned: bool, restart_count: int = 0, restarts: int = 1) -> tuple[int, int]:
        ready, go = tmp_path / "ready", tmp_path / "go"
        for path in (ready, go, calls):
            path.unlink(missing_ok=True)
        script = tmp_path / "job.sh"
        script.write_text(training.script(context, TrainingRequest(script="train.py", restarts=restarts)))
        job = subprocess.Popen(
            ["bash", str(script)],
            start_new_session=True,
            env={
                "PATH": f"{bin_folder}:{os.environ['PATH']}",
                "SLURM_JOB_ID": "77",
                "SLURM_JOB_NODELIST": "node1",
                "SLURM_RESTART_COUNT": str(restart_count),
                "READY": str(ready),
                "GO": str(go),
                "CALLS": str(calls),
                "BEHAVIOUR": behaviour,
            },
        )
        try:
            eventually(ready.exists, within=10, what="the program's start")
            if warned:
                job.send_signal(signal.SIGUSR1)
            go.touch()
            code = job.wait(20)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(job.pid, signal.SIGKILL)
        return code, calls.read_text().count("requeue") if calls.exists() else 0

    return once


def test_a_training_that_finished_after_the_warning_is_not_put_back(run: Callable[..., tuple[int, int]]) -> None:
    assert run('touch "$ATRIUM_TRAINING_FINISHED"', warned=True) == (0, 0)
    assert run("true", warned=True) == (0, 1), "the sign of the run before is gone"


def test_a_training_that_was_stopped_by_the_warning_is_put_back(run: Callable[..., tuple[int, int]]) -> None:
    assert run("true", warned=True) == (0, 1)


def test_without_a_warning_nothing_is_put_back(run: Callable[..., tuple[int, int]]) -> None:
    assert run("exit 3", warned=False) == (3, 0)


def test_preemptions_use_up_no_restarts_and_time_limits_do(
    run: Callable[..., tuple[int, int]], context: JobContext
) -> None:
    assert run("true", warned=True, restart_count=9) == (0, 1)
    (context.logs / "training-77.restarts").write_text("1\n")
    assert run("true", warned=True, restart_count=9) == (0, 0)
    assert not (context.logs / "training-77.restarts").exists()


def test_a_file_that_cannot_be_read_allows_no_endless_restarts(
    run: Callable[..., tuple[int, int]], context: JobContext
) -> None:
    (context.logs / "training-77.restarts").write_text("no number\n")
    assert run("true", warned=True) == (0, 0)
