"""One of Slurm's commands as a process: a deadline, nobody left behind, and no settings, so that nodes have it, too."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

# What Slurm's commands print when they could not reach the controller or the database. All of it means "could not
# ask": the text of a refusal never contains these.
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
    """How a command ended: its exit code, and what it printed."""

    code: int
    out: str
    error: str


def could_not_ask(text: str) -> bool:
    """Whether what a command printed means that Slurm was not reached, and so says nothing about anything."""
    lowered = text.lower()
    return any(sign in lowered for sign in _UNREACHABLE)


async def run(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    deadline: float,
    stdin: str | None = None,
    cwd: str | None = None,
    umask: int = -1,
) -> Done:
    """Run a command to its end.

    :param deadline: seconds it may take.
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
    """Leave no process behind, whatever ended the wait (a deadline, a cancelled task)."""
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, 9)
        with suppress(TimeoutError):
            async with asyncio.timeout(2):
                await process.wait()
