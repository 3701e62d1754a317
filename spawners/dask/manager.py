"""All clusters of one server: creates, changes and ends them (``supervisor`` watches them).

Pages, JupyterLab's Dask panel and notebooks ask it (``spawners/dask/api.py``); none of them owns a cluster, so closing
a tab ends nothing.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path

from hub.dask import models
from hub.dask.models import ClusterEnd, ClusterRequest, Connection, Estimate, Offer, Shape, Size, Trouble
from hub.errors import AtriumError, Conflict, InvalidInput, NotFound, SlurmError
from hub.slurm import naming
from spawners.dask import limits, queue, slurm
from spawners.dask.cluster import ProjectCluster
from spawners.dask.managed_cluster import ManagedCluster
from spawners.dask.worker import Times
from spawners.node.hours import ProjectHours
from spawners.node.job import Job as OwnJob
from spawners.node.job_context import CERTIFICATE, KEY, JobContext

log = logging.getLogger(__name__)

HOURS_SECONDS = 3.0
"""Wait for the first answer about the project's hours."""
END_SECONDS = 900.0
"""How long before the server's end people are warned."""


class Manager:
    """The clusters of a server, by name."""

    def __init__(self, context: JobContext, *, make: Callable[..., ProjectCluster] = ProjectCluster.of) -> None:
        self.context = context
        self.clusters: dict[str, ManagedCluster] = {}
        self.site = limits.Site(context)
        self.job = OwnJob.from_environment()
        self.news: Trouble | None = None
        """What became of clusters that are not here any more."""
        self._make = make
        self._hours = ProjectHours(self.job.account)
        self._lock = asyncio.Lock()
        self.is_clean = False
        """Whether jobs of clusters before this manager have been ended."""

    # -- for people ----------------------------------------------------------------------------------------------

    async def hours(self) -> limits.Hours:
        """Hours that the project has left."""
        return limits.Hours.from_project(await self._hours.soon(HOURS_SECONDS))

    def seconds_left(self) -> float | None:
        """Seconds until the server ends; None: not known."""
        return None if self.job.ends is None else max(self.job.ends - time.time(), 0)

    def news_now(self) -> Trouble | None:
        """News for a person who has not looked for a while: clusters that ended, and the server's end if it is near."""
        seconds = self.seconds_left()
        ending = None
        if seconds is not None and seconds <= END_SECONDS:
            ending = Trouble(
                message=f"This server ends in {max(seconds, 60) / 60:.0f} min, and its clusters with it.",
                hint="Save results now, or continue in a new job (Atrium menu).",
            )
        news = [trouble for trouble in (self.news, ending) if trouble is not None]
        if not news:
            return None
        messages, hints = [trouble.message for trouble in news], [trouble.hint for trouble in news]
        return Trouble(message=" ".join(messages), hint=" ".join(hints))

    async def offer(self) -> Offer:
        """Allowed sizes and numbers of workers."""
        return await limits.offer(self.site, await self.hours(), self.seconds_left())

    async def estimate(self, shape: Shape, size: Size) -> Estimate:
        """Expected start and cost of workers of this shape."""
        minutes = Times.within(self.seconds_left(), shape.minutes).limit // 60
        shape = await self._placed(shape)
        return await limits.estimate(self.site, shape, size, hours=await self.hours(), minutes=minutes)

    async def create(self, request: ClusterRequest) -> ManagedCluster:
        """Create a cluster with as many of its workers as limits allow.

        :raises Conflict: a cluster of that name exists.
        :raises InvalidInput: not even one such worker is allowed.
        :raises SlurmError: Slurm refuses all workers; nothing is left of the cluster.
        """
        request = request.model_copy(update={"shape": await self._placed(request.shape)})
        async with self._lock:
            name = request.name or next(f"dask-{n}" for n in count(1) if f"dask-{n}" not in self.clusters)
            if name in self.clusters:
                raise Conflict(f"There is a cluster {name} already.", field="name", hint="Choose another name.")
            size, why = await self._limited(request.shape, request.size)
            try:
                cluster = self._make(
                    request.shape, name=name, context=self.context, ends=self.job.ends, directory=request.directory
                )
                await cluster
            except AtriumError:
                raise
            except Exception as error:
                log.exception("A cluster could not be started")
                raise SlurmError("The scheduler could not be started.", hint="Try again, or report it.") from error
            managed = self.clusters[name] = ManagedCluster(name, request.model_copy(update={"size": size}), cluster)
            managed.note, self.news = why, None
            self._store_names()
        await managed.resize(size)
        if (refusal := managed.refusal_of_all) is not None:
            await self.end(name)
            raise refusal
        return managed

    async def _placed(self, shape: Shape) -> Shape:
        """The shape with its partition; unchanged where that is not known, so Slurm decides."""
        try:
            return shape.model_copy(update={"partition": await self.site.partition_for(shape, self.job.partition)})
        except SlurmError:
            return shape

    async def _limited(self, shape: Shape, size: Size) -> tuple[Size, Trouble | None]:
        """The size within limits and hours, and a sentence if it was reduced."""
        minutes = Times.within(self.seconds_left(), shape.minutes).limit // 60
        try:
            most, why = await self.site.most(shape, await self.hours(), minutes)
        except SlurmError:
            return size, None  # Slurm itself checks its limits
        if size.maximum <= most:
            return size, None
        if most < 1:
            raise InvalidInput(
                f"Not even one such worker is possible. {why}", hint="Ask for smaller workers, or for more hours."
            )
        hint = f"You have {most} of the {size.maximum} workers you asked for."
        return Size(minimum=min(size.minimum, most), maximum=most), Trouble(message=why, hint=hint)

    def open_clusters(self) -> tuple[ManagedCluster, ...]:
        """Clusters that nobody has ended."""
        return tuple(managed for managed in self.clusters.values() if managed.ending is None)

    def get(self, name: str) -> ManagedCluster:
        """The cluster of this name; raises :class:`NotFound`."""
        try:
            return self.clusters[name]
        except KeyError:
            raise NotFound(f"There is no cluster {name} (any more).", hint="Start a new one.") from None

    async def change(self, name: str, change: models.ClusterChange) -> ManagedCluster:
        managed = self.get(name)
        if managed.ending is not None:
            raise Conflict(f"The cluster {name} is ending.", hint="Start a new one.")
        managed.busy_at = time.monotonic()
        if change.size is not None:
            size, managed.note = await self._limited(managed.shape, change.size)
            managed.deaths = 0
            await managed.resize(size)
        if change.paused is not None and change.paused != managed.paused:
            managed.note = None
            await managed.pause(change.paused)
        return managed

    async def end(self, name: str) -> ClusterEnd:
        """End a cluster: its jobs first, then the scheduler, then jobs that were submitted meanwhile.

        A second call waits for the first one. The end goes on if the caller does not wait.

        :raises NotFound: there is no such cluster.
        """
        managed = self.get(name)
        if managed.ending is None:
            managed.ending = asyncio.create_task(self._end(managed))
        return await asyncio.shield(managed.ending)

    async def _end(self, managed: ManagedCluster) -> ClusterEnd:
        """The cluster stays listed until nothing of it can be left behind."""
        name = managed.name
        jobs = await self._jobs_of([managed])
        is_cancelled = await slurm.cancel(jobs)
        await managed.close()
        try:
            late_jobs = await self._late_jobs({name}, jobs)
            is_cancelled = await slurm.cancel(late_jobs) and is_cancelled
        except SlurmError as error:
            log.warning("Whether cluster %s has left jobs is not known: %s", name, error)
            late_jobs, is_cancelled = [], False
        finally:
            del self.clusters[name]
            self._store_names()
        end = ClusterEnd(name=name, jobs=tuple(map(int, (*jobs, *late_jobs))))
        if not is_cancelled:
            end = end.model_copy(update={"trouble": _not_cancelled(name)})
            self.news = end.trouble
        return end

    async def end_all(self) -> None:
        """End all clusters: all jobs by one command, then the schedulers, then jobs that were submitted meanwhile."""
        managed = list(self.clusters.values())
        jobs = await self._jobs_of(managed)
        await slurm.cancel(jobs)
        await asyncio.gather(*(entry.close() for entry in managed), return_exceptions=True)
        if managed:
            with suppress(SlurmError):
                await slurm.cancel(await self._late_jobs({entry.name for entry in managed}, jobs))
        self.clusters.clear()
        self.context.state.unlink(missing_ok=True)

    async def _late_jobs(self, names: set[str], known_jobs: list[str]) -> list[str]:
        """Jobs of these clusters by their comments, without the known ones; raises :class:`SlurmError`."""
        jobs = {str(job) for job, name in (await self._clusters_by_job()).items() if name in names}
        return sorted(jobs - set(known_jobs))

    async def _jobs_of(self, clusters: list[ManagedCluster]) -> list[str]:
        """Job numbers of their workers, including jobs whose submission Slurm did not confirm."""
        jobs = {job for managed in clusters for job in managed.cluster.jobs.values()}
        if doubtful := {managed.name for managed in clusters if managed.cluster.doubtful}:
            with suppress(SlurmError):
                jobs |= {str(job) for job, name in (await self._clusters_by_job()).items() if name in doubtful}
        return sorted(jobs)

    async def _clusters_by_job(self) -> dict[int, str]:
        """Cluster names by job number of this server's workers, including jobs of earlier managers."""
        jobs = await queue.comments(self.context.job_name(naming.Kind.WORKER))
        return {
            job: naming.cluster_in(comment)
            for job, comment in jobs.items()
            if naming.same_server(comment, self.context.comment)
        }

    def connection(self, name: str) -> Connection:
        certificate, key = str(self.context.keys / CERTIFICATE), str(self.context.keys / KEY)
        address = self.get(name).cluster.scheduler_address
        return Connection(address=address, ca_file=certificate, certificate=certificate, key=key)

    # -- across restarts of the manager -------------------------------------------------------------------------------

    def _store_names(self) -> None:
        """Store the names of the clusters for the next manager."""
        self.context.make_directories()
        new_file = self.context.state.with_suffix(f".{os.getpid()}")
        with os.fdopen(os.open(new_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(sorted(self.clusters), file)
        new_file.replace(self.context.state)

    async def clean_up(self) -> None:
        """End jobs of clusters without a scheduler, left by an earlier manager or an earlier job of this server."""
        async with self._lock:
            try:
                clusters = await self._clusters_by_job()
            except SlurmError as error:
                log.warning("Slurm does not list jobs of earlier clusters: %s", error)
                return
            orphans = {job: name for job, name in clusters.items() if name not in self.clusters}
            await slurm.cancel([str(job) for job in orphans])
            names = sorted({*orphans.values(), *_stored_names(self.context.state)} - self.clusters.keys())
            if names:
                self.news = Trouble(
                    message=f"The scheduler of {', '.join(names)} was ended from outside, so its workers were ended.",
                    hint="Start a new cluster and compute again.",
                )
            self.is_clean = True
            self._store_names()
        try:
            await asyncio.to_thread(self.context.tidy, await queue.alive())
        except (SlurmError, OSError) as error:
            log.warning("Files of earlier servers are not removed: %s", error)


def _stored_names(path: Path) -> list[str]:
    try:
        return [str(name) for name in json.loads(path.read_text())]
    except (OSError, ValueError):
        return []


def _not_cancelled(name: str) -> Trouble:
    return Trouble(
        message=f"The cluster {name} has ended, but Slurm has not confirmed that its jobs were cancelled.",
        hint="Workers without a scheduler end within a minute. If squeue still lists them then, cancel them there.",
    )
