"""Runs a Slurm command as a process with a deadline. Needs no settings, so nodes can use it, too."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
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
) -> Done:
    """Run a command and wait until it ends.

    :param deadline: in seconds.
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
        await _end(process)
    return Done(process.returncode or 0, out.decode(errors="replace"), error.decode(errors="replace"))


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill the process if the wait for it ended early (deadline, cancelled task)."""
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, 9)
        with suppress(TimeoutError):
            async with asyncio.timeout(2):
                await process.wait()
