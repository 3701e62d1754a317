"""The person's own jobs of workers, all by one question."""

from __future__ import annotations

from hub.slurm import commands
from hub.slurm.jobs import Job
from spawners.dask import slurm


async def of_workers(name: str) -> dict[int, Job]:
    """Jobs of this name by their number, those that are over for as long as Slurm remembers them."""
    argv = [*commands.queue(name), "--me", "--states=all"]
    return {job.id: job for job in commands.parse_queue(await slurm.run(argv))}


async def comments(name: str) -> dict[int, str]:
    """What those that are not over say they belong to."""
    argv = ["squeue", "--noheader", "--all", "--me", f"--name={name}", "--format=%A|%k"]
    return commands.parse_named_jobs(await slurm.run(argv))


async def alive() -> frozenset[str]:
    """Numbers of all jobs of the person that are not over."""
    return frozenset((await slurm.run(["squeue", "--noheader", "--all", "--me", "--format=%A"])).split())
