"""Lists the person's worker jobs with one ``squeue`` each time."""

from __future__ import annotations

from hub.slurm import commands
from hub.slurm.jobs import Job
from spawners.dask import slurm


async def of_workers(name: str) -> dict[int, Job]:
    """Jobs with this name by number, including ended ones that Slurm still lists."""
    argv = [*commands.queue(name), "--me"]
    return {job.id: job for job in commands.parse_queue(await slurm.run(argv))}


async def comments(name: str) -> dict[int, str]:
    """Comments of those that have not ended, by job number."""
    argv = ["squeue", "--noheader", "--all", "--me", f"--name={name}", "--format=%A|%k"]
    return commands.parse_named_jobs(await slurm.run(argv))


async def alive() -> frozenset[str]:
    """Numbers of all the person's jobs that have not ended."""
    return frozenset((await slurm.run(["squeue", "--noheader", "--all", "--me", "--format=%A"])).split())
