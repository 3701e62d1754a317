"""The Slurm job that a server runs in."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass

log = logging.getLogger(__name__)

SQUEUE_SECONDS = 15.0
_NAMES = {
    "id": "ATRIUM_JOB_ID",
    "node": "ATRIUM_JOB_NODE",
    "partition": "SLURM_JOB_PARTITION",
    "account": "ATRIUM_JOB_ACCOUNT",
    "gpus": "SLURM_JOB_GPUS",
}


@dataclass
class Job:
    """Properties of the job; "" is unknown. ``ends`` is in seconds since the epoch."""

    id: str = ""
    node: str = ""
    partition: str = ""
    account: str = ""
    gpus: str = ""
    """Numbers of the GPUs on the node, ``0,1``; "" on a job without any."""
    ends: float | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Job:
        """The job from its variables: the server's include partition, GPUs and (from Slurm 23.02 on) the end."""
        end = environment.get("SLURM_JOB_END_TIME", "")
        words = {name: environment.get(variable, "") for name, variable in _NAMES.items()}
        return cls(**words, ends=float(end) if end.isdigit() else None)

    async def ask_end(self) -> None:
        """Read the job's end from Slurm, which variables may lack and administrators may move. Never raises."""
        if not self.id:
            return
        try:
            answer = await _squeue(self.id)
        except (OSError, TimeoutError) as error:
            log.warning("Slurm could not be asked when this job ends: %s", error or type(error).__name__)
            return
        if answer.isdigit():
            self.ends = float(answer)


async def _squeue(job: str) -> str:
    environment = {**os.environ, "SLURM_TIME_FORMAT": "%s"}
    process = await asyncio.create_subprocess_exec(
        *("squeue", "--noheader", f"--jobs={job}", "--format=%e"),
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), SQUEUE_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
    return output.decode(errors="replace").strip()
