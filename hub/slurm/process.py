"""Runs a command as a process with a deadline. Needs no settings, so nodes can use it, too."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

# Texts that Slurm's commands print when they cannot reach the controller or the database; refusals never contain them.
_UNREACHABLE = (
    "unable to contact",
    "connection",
    "socket timed out",
    "zero bytes were transmitted",
    "munge",
    "protocol authentication error",
    "communication",
    "dns srv lookup failed",
    "could not establish a configuration source",
    "sending persistconninit",
    "unable to register",
)


class Done(NamedTuple):
    """Exit code and output of a command."""

    code: int
    out: str
    error: str


def could_not_ask(text: str) -> bool:
    """Whether the output of a command means that it did not reach Slurm, so it says nothing about jobs."""
    lowered = text.lower()
    return any(sign in lowered for sign in _UNREACHABLE)


def was_not_reached(text: str) -> bool:
    """Whether the output of a command means that Slurm has not received what was asked."""
    return "(connect failure)" in text.lower()


async def run(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    deadline: float,
    stdin: str | None = None,
    cwd: str | None = None,
    umask: int = -1,
    through_sudo: bool = False,
) -> Done:
    """Run a command and wait until it ends.

    :param deadline: in seconds.
    :param through_sudo: whether ``argv`` is a command of ``sudo``. One that ignores SIGTERM goes on after its deadline
        (:func:`is_running_as_root`).
    :raises OSError: it could not be started.
    :raises TimeoutError: it did not end in time.
    """
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        cwd=cwd,
        umask=umask,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(deadline):
            out, error = await process.communicate(None if stdin is None else stdin.encode())
    finally:
        await _end(process, through_sudo=through_sudo)
    return Done(process.returncode or 0, out.decode(errors="replace"), error.decode(errors="replace"))


def is_running_as_root(argv: Sequence[str]) -> bool:
    """Whether root still runs a command with exactly these arguments that this program or the one before it started.

    So it is a child of this process, or older than it: anybody on this machine can start ``sudo`` with such arguments.
    An account that may not see root's processes (``hidepid`` of /proc) gets False.
    """
    arguments = b"".join(argument.encode() + b"\0" for argument in argv)
    _, our_start = _parent_and_start(Path("/proc/self"))
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended in the meantime
            if process.stat().st_uid == 0 and (process / "cmdline").read_bytes() == arguments:
                parent, start = _parent_and_start(process)
                if parent == os.getpid() or start < our_start:
                    return True
    return False


def _parent_and_start(process: Path) -> tuple[int, int]:
    """Number of the parent, and start in clock ticks since the machine's start (proc(5))."""
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    return int(fields[1]), int(fields[19])


async def _end(process: asyncio.subprocess.Process, *, through_sudo: bool) -> None:
    """End the process if the wait for it ended early (deadline, cancelled task).

    SIGKILL would end ``sudo`` alone: its command is another account's, and would go on where nobody sees it. ``sudo``
    passes SIGTERM on.
    """
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            if through_sudo:
                process.terminate()
            else:
                os.killpg(process.pid, signal.SIGKILL)
        with suppress(TimeoutError):
            async with asyncio.timeout(2):
                await process.wait()
