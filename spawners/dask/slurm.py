"""Slurm's commands on the node, as the person: argument lists, a deadline, and errors as sentences.

:mod:`hub.slurm.transport` is the Hub's door, with ``sudo`` and settings; here nobody but the person is there.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping
from contextlib import suppress

from hub.errors import SlurmError, SlurmUnavailable
from hub.slurm import commands, words

DEADLINE_SECONDS = 15.0
AT_ONCE = 8
"""Commands of one process that run at the same time: fifty workers are no burst on the controller."""

_UNREACHABLE = ("unable to contact", "connection", "socket timed out", "zero bytes", "munge", "communication")
_KEPT_BACK = re.compile(r"(JUPYTER|JPY_|SLURM_|SLURMD_|SBATCH_|ATRIUM_TLS|ATRIUM_API)")
_gates: dict[asyncio.AbstractEventLoop, asyncio.Semaphore] = {}


def job_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What a job of the person inherits: neither the server's token nor what Slurm says of the server's own job."""
    kept = {name: value for name, value in environment.items() if not _KEPT_BACK.match(name)}
    return kept | {name: environment[name] for name in ("SLURM_CONF",) if name in environment}


async def run(argv: commands.Argv, *, stdin: str | None = None, both: bool = False) -> str:
    """What a command prints (``both``: standard error, too).

    :raises SlurmError: it answered and refused; ``message`` is what it said.
    :raises SlurmUnavailable: it could not be started or did not answer.
    """
    gate = _gates.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE))
    async with gate:
        code, out, error = await _run(argv, stdin)
    if code:
        told = error.strip() or out.strip()
        if any(sign in told.lower() for sign in _UNREACHABLE):
            raise SlurmUnavailable("Slurm does not answer.")
        raise SlurmError(told[-2000:] or f"{argv[0]} failed without a word.")
    return f"{out}\n{error}" if both else out


async def _run(argv: commands.Argv, stdin: str | None) -> tuple[int, str, str]:
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            env=job_environment(),
            stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise SlurmUnavailable("Slurm's commands are not installed here.", hint="Report the problem.") from error
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            out, said = await process.communicate(None if stdin is None else stdin.encode())
    except TimeoutError as error:
        raise SlurmUnavailable(f"Slurm has not answered for {DEADLINE_SECONDS:.0f} s.") from error
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return process.returncode or 0, out.decode(errors="replace"), said.decode(errors="replace")


async def submit(script: str) -> int:
    """Number of the job; a refusal is a sentence and what to do."""
    try:
        return commands.parse_submit(await run(commands.submit(), stdin=script))
    except SlurmUnavailable:
        raise
    except SlurmError as error:
        told = words.refusal(error.message)
        raise SlurmError(told.means, hint=told.todo) from error


async def cancel(jobs: list[str]) -> None:
    """All of them by one command; those that are gone already are no error."""
    if jobs:
        with suppress(SlurmError):
            await run(["scancel", "--quiet", *jobs])
