"""Periodic checks of all clusters of a server: jobs, dead workers, unused clusters, the server's end.

The manager's process runs them (``python -m spawners.dask``).
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from itertools import count
from pathlib import Path

from hub.dask.models import Trouble
from hub.errors import SlurmError
from hub.slurm import naming, reasons
from hub.slurm.jobs import Job
from spawners.dask import managed_cluster, queue, status
from spawners.dask.managed_cluster import ManagedCluster
from spawners.dask.manager import END_SECONDS, Manager

log = logging.getLogger(__name__)

ROUND_SECONDS = 2.0
COMING_ROUNDS, QUIET_ROUNDS = 3, 15
"""Slurm is asked every so many rounds: while workers are coming, and while every worker works."""
TIME_ROUNDS = 30
"""How often it is asked whether somebody has moved the server's end, while that concerns anybody."""
DEATHS = 3
"""So many workers in a row that end before they have joined are no accident."""


class Supervisor:
    """Watches the clusters of a manager."""

    def __init__(self, manager: Manager) -> None:
        self._manager = manager
        self._rounds = count()

    async def run(self) -> None:
        """Run rounds until cancelled; a failed round is logged."""
        await self._manager.clean_up()  # before the first new cluster, which may reuse a name
        await self._manager.job.ask_end()
        while True:
            await asyncio.sleep(ROUND_SECONDS)
            try:
                await self.round()
            except Exception:
                log.exception("A round over the clusters failed")

    async def round(self) -> None:
        """Run all checks once; a cluster that cannot be checked hides no other."""
        number, manager = next(self._rounds), self._manager
        if not manager.is_clean:
            await manager.clean_up()
        await self._look_at_time(number)
        if not manager.clusters:
            return
        await self._look_at_queue(number)
        for managed in manager.open_clusters():
            try:
                await self._look_at(managed)
            except Exception:
                log.exception("The cluster %s could not be checked", managed.name)

    async def _look_at(self, managed: ManagedCluster) -> None:
        managed.cost.count(managed.jobs, managed.shape)
        await self._look_at_deaths(managed)
        await self._look_at_memory(managed)
        await self._look_at_use(managed)

    async def _look_at_queue(self, number: int) -> None:
        """List the jobs of all workers, less often while every worker works."""
        clusters = self._manager.clusters.values()
        quiet = all(len(managed.counted_jobs) >= len(managed.cluster.workers) for managed in clusters)
        if number % (QUIET_ROUNDS if quiet else COMING_ROUNDS):
            return
        try:
            jobs = await queue.of_workers(self._manager.context.job_name(naming.Kind.WORKER))
        except SlurmError as error:
            for managed in self._manager.clusters.values():
                managed.silence = Trouble(
                    message=error.message,
                    hint="What you see is from before; your workers go on. Nothing is to be done.",
                )
            return
        for managed in self._manager.clusters.values():
            managed.silence = None
            managed.jobs = {int(job): jobs[int(job)] for job in managed.cluster.jobs.values() if int(job) in jobs}
            numbers = managed.former_jobs.keys() | managed.jobs.keys()
            managed.former_jobs = {number: jobs[number] for number in numbers if number in jobs}

    async def _look_at_deaths(self, managed: ManagedCluster) -> None:
        """Replace dead workers, unless they die during start-up."""
        cluster = managed.cluster
        working = status.joined(cluster)
        for name, job in cluster.jobs.items():
            if name in working:
                if job not in managed.counted_jobs:  # those that have worked for long say nothing about new ones
                    managed.counted_jobs.add(job)
                    managed.deaths = 0
            elif int(job) in managed.jobs and managed.jobs[int(job)].is_over and job not in managed.counted_jobs:
                managed.counted_jobs.add(job)  # counted once
                managed.deaths += 1
                if managed.deaths >= DEATHS or managed.size.maximum <= managed.deaths:
                    await self._give_up(managed, managed.jobs[int(job)])
                else:
                    cluster.workers.pop(name, None)  # still specified, so Dask submits another

    async def _give_up(self, managed: ManagedCluster, job: Job) -> None:
        """Stop replacing workers that die during start-up, and show the end of a log."""
        log_tail = await self._log_tail(job)
        managed.note = Trouble(
            message=f"The workers end right after their start ({reasons.state(job.state)}), so no more are started.",
            hint="Read the end of their log below, change what is wrong, then go on.",
            log=log_tail,
        )
        managed.deaths = 0
        await managed.pause(True)

    async def _look_at_memory(self, managed: ManagedCluster) -> None:
        """Say that tasks needed more memory than a worker has; Dask starts such a worker anew, Slurm ends its job."""
        jobs = managed.former_jobs.values()
        if await managed.memory.has_new(managed.cluster.scheduler, jobs, self._log_tail):
            managed.note = Trouble(
                message=f"A task needed more than the {managed.shape.memory_gb} GB of its worker, which was ended.",
                hint="Dask tries such a task three times more. Start a cluster with more memory for each worker, or "
                "split the work into smaller parts.",
            )

    async def _log_tail(self, job: Job) -> str:
        """The end of the log of a worker's job."""
        name = f"{self._manager.context.job_name(naming.Kind.WORKER)}-{job.id}.err"
        return await asyncio.to_thread(_tail, self._manager.context.logs, name)

    async def _look_at_use(self, managed: ManagedCluster) -> None:
        """End clusters on which nothing is computed."""
        tasks = status.tasks(managed.cluster.scheduler)
        if tasks.processing or tasks.waiting:
            managed.busy_at = time.monotonic()
        minutes = managed_cluster.IDLE_SECONDS / 60
        if managed.idle_seconds > managed_cluster.IDLE_SECONDS:
            log.warning("Cluster %s ends: nothing was computed for %.0f min", managed.name, minutes)
            self._manager.news = Trouble(
                message=f"The cluster {managed.name} has ended: it computed nothing for {minutes:.0f} min.",
                hint="Start a new one when you need it.",
            )
            await self._manager.end(managed.name)

    async def _look_at_time(self, number: int) -> None:
        """Read the server's end, which an administrator may have moved."""
        seconds = self._manager.seconds_left()
        near = seconds is not None and seconds <= END_SECONDS
        if number % TIME_ROUNDS or not (near or self._manager.clusters):
            return
        await self._manager.job.ask_end()
        for managed in self._manager.clusters.values():
            managed.cluster.ends = self._manager.job.ends


def _tail(folder: Path, name: str, size: int = 3000) -> str:
    try:
        with (folder / name).open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - size))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
