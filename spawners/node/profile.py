"""Reads the variables that a person's login shell sets in its start-up files (``~/.bash_profile`` and others)."""

from __future__ import annotations

import asyncio
import os
import pwd
import secrets
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

DEADLINE_SECONDS = 10.0
MOST_BYTES = 1 << 20
"""Output of the start-up files and all variables; more counts as no result."""

_OF_THE_SHELL = {"_", "SHLVL", "PWD", "OLDPWD"}
_NO_SHELLS = {"", "nologin", "false"}
BASH = "/bin/bash"


class NoResult(Exception):
    """The start-up files did not finish in time, or ended the shell."""


def shell_of(account: pwd.struct_passwd) -> str:
    """The account's login shell; bash for accounts without one."""
    shell = account.pw_shell
    usable = Path(shell).name not in _NO_SHELLS and os.access(shell, os.X_OK)
    return shell if usable else BASH


async def read(
    account: pwd.struct_passwd, environment: Mapping[str, str], *, seconds: float = DEADLINE_SECONDS
) -> dict[str, str]:
    """The variables of a login shell of ``account`` that begins with ``environment``.

    The shell is not interactive and has no input, in a session of its own, which is killed if there is no result.

    :raises NoResult: after ``seconds``, or because the files ended the shell or printed too much.
    """
    marker = secrets.token_hex(16)
    mark = f"/usr/bin/printf %s {marker}"
    shell = shell_of(account)
    try:
        process = await asyncio.create_subprocess_exec(
            *(f"-{Path(shell).name}", "-c", f"{mark}; /usr/bin/env -0; {mark}"),  # "-": every shell's sign of a login
            executable=shell,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment,
            cwd=environment["HOME"],
            start_new_session=True,
        )
    except OSError as error:
        raise NoResult(f"{shell} cannot be started: {error.strerror}") from error
    try:
        async with asyncio.timeout(seconds):
            output = await _between(process, marker.encode())
    except (TimeoutError, NoResult) as error:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        raise NoResult(str(error) or f"no result after {seconds:.0f} s") from error
    return _variables(output)


async def _between(process: asyncio.subprocess.Process, marker: bytes) -> bytes:
    """The output between the two markers; not up to its end, because what the files started may keep it open."""
    assert process.stdout is not None  # noqa: S101  a pipe
    output = bytearray()
    while output.count(marker) < 2:
        piece = await process.stdout.read(1 << 16)
        if not piece:
            raise NoResult("the start-up files ended the shell")
        output += piece
        if len(output) > MOST_BYTES:
            raise NoResult("the start-up files print too much")
    return bytes(output).split(marker)[1]


def _variables(output: bytes) -> dict[str, str]:
    entries = (os.fsdecode(entry).partition("=") for entry in output.split(b"\0") if entry)
    return {name: value for name, _, value in entries if name not in _OF_THE_SHELL}
