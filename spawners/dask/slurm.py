"""Runs Slurm's commands on the node as the person, with a deadline and errors as sentences.

:mod:`hub.slurm.transport` is the Hub's counterpart, with ``sudo`` and settings.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from collections.abc import Mapping

from hub.errors import SlurmError, SlurmUnavailable
from hub.slurm import commands, process, reasons

DEADLINE_SECONDS = 15.0
AT_ONCE = 8
"""Commands of one process that run at the same time: fifty workers are no burst on the controller."""

_WITHHELD = re.compile(r"(JUPYTER|JPY_|SLURM_|SLURMD_|SBATCH_|ATRIUM_)")
_gates: dict[asyncio.AbstractEventLoop, asyncio.Semaphore] = {}


def job_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Environment for the person's jobs: without variables of the server and of its job."""
    inherited = {name: value for name, value in environment.items() if not _WITHHELD.match(name)}
    return inherited | {name: environment[name] for name in ("SLURM_CONF",) if name in environment}


async def run(argv: commands.Argv, *, stdin: str | None = None, both: bool = False) -> str:
    """Run a command and return its output (``both``: with standard error).

    :raises SlurmError: the command failed; ``message`` is its output.
    :raises SlurmUnavailable: it could not be started or did not answer.
    """
    gate = _gates.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE))
    try:
        async with gate:
            result = await process.run(argv, environment=job_environment(), deadline=DEADLINE_SECONDS, stdin=stdin)
    except TimeoutError as error:
        raise SlurmUnavailable(f"Slurm has not answered for {DEADLINE_SECONDS:.0f} s.") from error
    except OSError as error:
        raise SlurmUnavailable("Slurm's commands are not installed here.", hint="Report the problem.") from error
    if result.code:
        message = result.error.strip() or result.out.strip()
        if process.could_not_ask(message):
            raise SlurmUnavailable("Slurm does not answer.")
        raise SlurmError(message[-2000:] or f"{argv[0]} failed without a message.")
    return f"{result.out}\n{result.error}" if both else result.out


async def submit(script: str) -> int:
    """Submit a job and return its number; errors say what to do."""
    try:
        return commands.parse_submit(await run(commands.submit(), stdin=script))
    except SlurmUnavailable:
        raise
    except SlurmError as error:
        refusal = reasons.refusal(error.message)
        raise SlurmError(refusal.means, hint=refusal.todo) from error


async def cancel(jobs: list[str]) -> bool:
    """Cancel jobs by one command; ended jobs are ignored. Returns whether Slurm accepted it."""
    if jobs:
        try:
            await run(["scancel", "--quiet", *jobs])
        except SlurmError:
            return False
    return True


def job_end(job: str) -> float | None:
    """When Slurm ends a job, in seconds since the epoch; None: not known."""
    if not job:
        return None
    end = run_now(["squeue", "--noheader", f"--jobs={job}", "--format=%e"], SLURM_TIME_FORMAT="%s").strip()
    return float(end) if re.fullmatch(r"\d+", end) else None


def run_now(argv: commands.Argv, **variables: str) -> str:
    """Output of a command, without an event loop; "" if it does not answer."""
    environment = {**job_environment(), **variables}
    try:
        result = subprocess.run(
            argv, env=environment, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout
