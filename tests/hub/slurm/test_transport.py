"""The transport, on real processes."""

import asyncio
import os
import stat
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from hub.errors import SlurmError, SlurmNotReached, SlurmUnavailable
from hub.settings import Slurm
from hub.slurm import process
from hub.slurm.transport import Transport


@pytest.fixture
def command(tmp_path: Path):
    """Make a program called ``squeue`` out of a line of shell, and a transport that runs it."""

    def make(line: str, deadline: float = 5) -> Transport:
        path = tmp_path / "squeue"
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return Transport(Slurm(bin=tmp_path, deadline_seconds=deadline))

    return make


async def test_standard_input_and_output(command):
    assert await command("cat").run(["squeue"], stdin="hello") == "hello"


async def test_arguments_are_never_a_shell_s(command):
    assert await command('printf "%s" "$1"').run(["squeue", "$(id); `id`"]) == "$(id); `id`"


async def test_nothing_of_our_environment_leaks(command, monkeypatch):
    monkeypatch.setenv("CONFIGPROXY_AUTH_TOKEN", "secret")
    text = await command("env").run(["squeue"], environment={"JUPYTERHUB_USER": "founder"})
    assert "secret" not in text
    assert "JUPYTERHUB_USER=founder" in text


async def test_times_are_printed_as_we_read_them_whatever_the_site_prefers(command, monkeypatch):
    monkeypatch.setenv("SLURM_TIME_FORMAT", "relative")
    assert "SLURM_TIME_FORMAT=standard" in await command("env").run(["squeue"])


async def test_a_refusal_raises_slurms_message(command):
    with pytest.raises(SlurmError, match="Invalid qos") as caught:
        await command("echo 'sbatch: error: Invalid qos' >&2; exit 1").run(["squeue"])
    assert not isinstance(caught.value, SlurmUnavailable)


@pytest.mark.parametrize(
    "line",
    [
        "slurm_load_jobs error: Unable to contact slurm controller (connect failure)",
        "slurm_load_jobs error: Zero Bytes were transmitted or received",
        "error: Munge encode failed: Failed to access",
        "sacctmgr: error: slurm_persist_conn_open_without_init: failed to open: Connection refused",
    ],
)
async def test_a_connection_error_is_unavailable(command, line):
    with pytest.raises(SlurmUnavailable):
        await command(f"echo '{line}' >&2; exit 1").run(["squeue"])


@pytest.mark.parametrize(
    ("line", "reached"),
    [
        ("sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)", False),
        ("sbatch: error: Batch job submission failed: Unable to contact slurm controller (receive failure)", True),
        ("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation", True),
    ],
)
async def test_only_a_connection_that_failed_shows_that_slurm_received_nothing(command, line, reached):
    with pytest.raises(SlurmUnavailable) as caught:
        await command(f"echo '{line}' >&2; exit 1").run(["squeue"])
    assert isinstance(caught.value, SlurmNotReached) is not reached


async def test_a_missing_command_is_unavailable(tmp_path):
    with pytest.raises(SlurmUnavailable):
        await Transport(Slurm(bin=tmp_path)).run(["squeue"])


async def test_the_deadline_ends_the_command_and_its_children(command, tmp_path):
    transport = command(f"sleep 60 & echo $! > {tmp_path}/child; wait", deadline=0.5)
    with pytest.raises(SlurmUnavailable, match="not answered"):
        await transport.run(["squeue"])
    child = int((tmp_path / "child").read_text())
    async with asyncio.timeout(5):
        await asyncio.to_thread(_wait_until_gone, child)


async def test_a_command_of_sudo_is_ended_by_a_signal_that_sudo_passes_on(tmp_path):
    script = f"trap 'echo ended > {tmp_path}/signal; exit' TERM; while true; do sleep 0.05; done"
    with pytest.raises(TimeoutError):
        await process.run(["sh", "-c", script], environment={"PATH": "/usr/bin:/bin"}, deadline=0.5, through_sudo=True)
    assert (tmp_path / "signal").read_text() == "ended\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a process of root's")
def test_a_process_of_root_counts_and_one_of_another_account_does_not():
    argv = ["sleep", "61"]
    with running(argv):
        assert process.is_running_as_root(argv)
    assert not process.is_running_as_root(argv)
    with running(argv, user="nobody"):
        assert not process.is_running_as_root(argv)


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a process of root's")
def test_a_process_that_somebody_else_has_started_later_does_not_count():
    shell = subprocess.Popen(["sh", "-c", "sleep 62 & wait"], stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        deadline = time.monotonic() + 10
        while not (child := _child_of(shell.pid)) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert child
        assert not process.is_running_as_root(["sleep", "62"])
    finally:
        os.killpg(shell.pid, 9)
        shell.wait()


def _child_of(number: int) -> str:
    return Path(f"/proc/{number}/task/{number}/children").read_text().strip()


@contextmanager
def running(argv, **options):
    child = subprocess.Popen(argv, **options)
    try:
        yield
    finally:
        child.kill()
        child.wait(5)


def _wait_until_gone(pid: int) -> None:
    while _alive(pid):
        time.sleep(0.02)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
