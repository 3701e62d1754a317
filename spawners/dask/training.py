"""Training on several nodes: ``torchrun`` on each of them, in one Slurm job that goes on after its time limit.

Slurm signals the job some time before its limit; the script passes that on to the program, which writes a checkpoint
and ends, and puts the job back into the queue. The job outlives the server that submitted it.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from hub.dask.models import Estimate, Training, TrainingRequest, Trouble
from hub.errors import InvalidInput, NotFound, SlurmError
from hub.slurm import commands, inventory, naming, reasons
from hub.slurm.jobs import Phase, moment, phase
from hub.slurm.quoting import word
from spawners.dask import slurm
from spawners.node.job_context import JobContext

LOG_BYTES = 20_000
_FIELDS = "%A|%T|%B|%S|%e|%r|%k|%j"

_environment = Environment(
    loader=PackageLoader("spawners.dask"),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,  # noqa: S701  a shell script: values pass the filter `word` or `quoted`
)
_environment.filters["word"] = word


def quoted(text: str) -> str:
    """``text`` quoted as one word of a shell line; raises :class:`InvalidInput` for control characters."""
    import shlex

    if any(ord(letter) < 32 for letter in text):
        raise InvalidInput("Line breaks cannot be part of an argument.", field="arguments")
    return shlex.quote(text)


_environment.filters["quoted"] = quoted


def script(context: JobContext, request: TrainingRequest) -> str:
    """The job script, with all values quoted."""
    return _environment.get_template("training.sh.j2").render(
        request=request,
        context=context,
        job_name=context.job_name(naming.Kind.TRAINING),
        comment=naming.training_comment(context.comment, request.name, gateway=context.gateway),
        partition=request.partition or context.partition,
        python=request.python or sys.executable,
        program=_program(context, request.script),
        processes=request.gpus or request.processes,
    )


def _program(context: JobContext, path: str) -> str:
    """Absolute path of an existing file; a relative path starts in the home directory."""
    whole = Path(path) if path.startswith("/") else context.home / path
    if not whole.is_file():
        raise InvalidInput(f"There is no file {path}.", field="script", hint="Give its path from your home directory.")
    return str(whole)


async def expected(context: JobContext, request: TrainingRequest) -> Estimate:
    """Expected start, and cost per hour."""
    values: dict[str, Any] = {
        "workers": request.nodes,
        "cpu_per_hour": float(request.nodes * request.cores),
        "gpu_per_hour": float(request.nodes * request.gpus),
        "minutes": request.minutes,
    }
    try:
        trial = inventory.parse_trial(await slurm.run(inventory.trial(), stdin=script(context, request), both=True))
    except SlurmError as error:
        refused = reasons.refusal(error.message)
        return Estimate(refusal=Trouble(message=refused.means, hint=refused.todo), **values)
    return Estimate(start=trial.start, **values)


async def submit(context: JobContext, request: TrainingRequest) -> int:
    """Submit a training and return its job's number."""
    context.make_directories()
    return await slurm.submit(script(context, request))


async def mine(context: JobContext) -> list[Training]:
    """The person's trainings that Slurm still lists, newest first."""
    argv = ["squeue", "--noheader", "--all", "--me", "--states=all", f"--name={context.job_name(naming.Kind.TRAINING)}"]
    lines = commands.rows(await slurm.run([*argv, f"--format={_FIELDS}"]))
    trainings = [training for training in map(_training, lines) if training is not None]
    return sorted(trainings, key=lambda training: -training.job)


def _training(line: str) -> Training | None:
    """A training; None for a line that is the rest of a comment, which people can write."""
    fields = line.split("|", 7)
    if len(fields) != 8 or not fields[0].isdecimal():
        return None
    number, state, node, start, end, reason, comment, _ = fields
    over = phase(state) is Phase.ENDED
    waits = phase(state) is Phase.WAITING
    return Training(
        job=int(number),
        name=naming.training_in(comment),
        state=state,
        words=reasons.reason(reason).means if waits else reasons.state(state),
        node="" if node in ("n/a", "(null)") else node,
        over=over,
        start=moment(start),
        end=moment(end),
    )


async def log(context: JobContext, job: int) -> str:
    """The end of a training's log. Raises :class:`NotFound`."""
    return await asyncio.to_thread(_read, context.logs / f"training-{job}.log")


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - LOG_BYTES))
            return file.read().decode(errors="replace")
    except OSError:
        raise NotFound("Nothing has been written yet.", hint="The log begins when the job has its nodes.") from None


async def stop(context: JobContext, job: int) -> None:
    """End a training without a restart; other jobs of the person are refused."""
    if job not in {training.job for training in await mine(context)}:
        raise NotFound(f"Job {job} is no training of yours (any more).")
    await slurm.run(["scancel", "--quiet", f"--name={context.job_name(naming.Kind.TRAINING)}", str(job)])
