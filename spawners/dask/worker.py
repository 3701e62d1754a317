"""A worker's job: time limit, script header and submission. Used by ``cluster`` and ``relief``."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dask_jobqueue.slurm import SLURMJob
from distributed.deploy.spec import ProcessInterface

from hub.errors import SlurmError
from hub.slurm import scratch
from spawners.dask import slurm

WORKER_MINUTES = 120
"""Time limit of a worker's job where nobody asks for another: short jobs start sooner, and a new one takes over."""

_SCRATCH = scratch.lines("ATRIUM_SCRATCH", parent='"${TMPDIR:-/tmp}"', name='atrium-dask-"$SLURMD_NODENAME"')
PROLOGUE = f"""\
umask 0027
{_SCRATCH}
trap : TERM
ATRIUM_HOST=$(scontrol --oneliner show node "$SLURMD_NODENAME" 2>/dev/null \\
  | sed -n 's/.* NodeAddr=\\([^ ]*\\).*/\\1/p')\
"""
"""What a worker spills lies in a directory that only the person enters and that goes with the job: Slurm tells all of a
job to end, and the shell, which waits (hence a trap that does nothing), removes it after the worker, which would make
it anew. The worker listens on the address by which Slurm knows its node."""


@dataclass(frozen=True)
class Times:
    """Times of a worker in seconds: the job's limit, and when the worker retires and hands over its data."""

    limit: int
    lifetime: int
    stagger: int

    @classmethod
    def within(cls, seconds_left: float | None, minutes: int | None) -> Times:
        """Times for ``minutes`` (or the default), within the server's time left; Slurm counts whole minutes."""
        limit = 60 * (minutes or WORKER_MINUTES)
        if seconds_left is not None:
            limit = min(limit, max(60, int(seconds_left) // 60 * 60))
        margin = min(180, limit // 3)
        return cls(limit, limit - margin, margin // 3)

    @property
    def walltime(self) -> str:
        """The job's limit as ``HH:MM:00``."""
        return f"{self.limit // 3600:02d}:{self.limit % 3600 // 60:02d}:00"

    @property
    def arguments(self) -> list[str]:
        """Arguments of the worker's command."""
        return ["--lifetime", f"{self.lifetime}s", "--lifetime-stagger", f"{self.stagger}s"]

    def relief(self, name: str) -> float:
        """Seconds from a worker's start to its relief, spread so that not all are relieved at once."""
        earliest_end = self.lifetime - self.stagger
        lead = min(120, earliest_end / 2)  # for the queue and for Python's start
        spread = zlib.crc32(name.encode()) % 100 / 100 * min(earliest_end / 4, 900)
        return earliest_end - lead - spread


USUAL = Times.within(None, None)


class ProjectJob(SLURMJob):
    """A worker's job. It is submitted on standard input with a deadline and does not get the server's token.

    :param times: the worker's times, computed when it is submitted.
    :param on_refusal: called with the error if Slurm refuses the job.
    """

    def __init__(
        self,
        *args: Any,
        times: Times = USUAL,
        on_refusal: Callable[[SlurmError], None] = lambda _: None,
        **options: Any,
    ) -> None:
        options["worker_extra_args"] = [*times.arguments, *options.get("worker_extra_args", ())]
        super().__init__(*args, **{"walltime": times.walltime, **options})
        self.times = times
        self._on_refusal = on_refusal

    async def start(self) -> None:
        try:
            self.job_id = str(await slurm.submit(self.job_script()))
        except SlurmError as error:
            self._on_refusal(error)
            raise
        await ProcessInterface.start(self)

    async def close(self) -> None:
        if self.job_id:
            await slurm.cancel([self.job_id])
        await ProcessInterface.close(self)
