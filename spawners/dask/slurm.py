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
from hub.slurm import commands, process, reasons

DEADLINE_SECONDS = 15.0
AT_ONCE = 8
"""Commands of one process that run at the same time: fifty workers are no burst on the controller."""

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
    try:
        async with gate:
            done = await process.run(argv, environment=job_environment(), deadline=DEADLINE_SECONDS, stdin=stdin)
    except TimeoutError as error:
        raise SlurmUnavailable(f"Slurm has not answered for {DEADLINE_SECONDS:.0f} s.") from error
    except OSError as error:
        raise SlurmUnavailable("Slurm's commands are not installed here.", hint="Report the problem.") from error
    if done.code:
        told = done.error.strip() or done.out.strip()
        if process.could_not_ask(told):
            raise SlurmUnavailable("Slurm does not answer.")
        raise SlurmError(told[-2000:] or f"{argv[0]} failed without a word.")
    return f"{done.out}\n{done.error}" if both else done.out


async def submit(script: str) -> int:
    """Number of the job; a refusal is a sentence and what to do."""
    try:
        return commands.parse_submit(await run(commands.submit(), stdin=script))
    except SlurmUnavailable:
        raise
    except SlurmError as error:
        told = reasons.refusal(error.message)
        raise SlurmError(told.means, hint=told.todo) from error


async def cancel(jobs: list[str]) -> None:
    """All of them by one command; those that are gone already are no error."""
    if jobs:
        with suppress(SlurmError):
            await run(["scancel", "--quiet", *jobs])
