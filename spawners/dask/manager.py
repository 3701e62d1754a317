"""All clusters of one server: made, watched, mended, warned and ended in one place.

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
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from distributed.core import Status

from hub.dask import models
from hub.dask.models import ClusterPhase, ClusterRequest, Connection, Estimate, Offer, Shape, Size, Trouble
from hub.errors import AtriumError, Conflict, InvalidInput, NotFound, SlurmError
from hub.slurm import naming, reasons
from hub.slurm.jobs import Job
from spawners.dask import offer, queue, slurm, snapshot
from spawners.dask.cluster import ProjectCluster, Times
from spawners.node.hours import ProjectHours
from spawners.node.job import Job as OwnJob
from spawners.node.place import CERTIFICATE, KEY, Place

log = logging.getLogger(__name__)

ROUND_SECONDS = 2.0
QUIET_ROUNDS = 5
"""While every worker works, Slurm is asked every so many rounds."""
TIME_ROUNDS = 30
"""How often it is asked whether somebody has moved the server's end, while that concerns anybody."""
HOURS_SECONDS = 3.0
"""So long the first answer about the project's hours is waited for."""
IDLE_SECONDS = 1800.0
IDLE_WARNING_SECONDS = 300.0
DEATHS = 3
"""So many workers in a row that end before they have joined are no accident."""
END_SECONDS = 900.0
"""From then on people are told that the server, and all its clusters, will end."""


class Managed:
    """One cluster with what the manager knows of it."""

    def __init__(self, name: str, request: ClusterRequest, cluster: ProjectCluster) -> None:
        self.name = name
        self.shape, self.size = request.shape, request.size
        self.cluster = cluster
        self.since = datetime.now(UTC)
        self.paused = False
        self.note: Trouble | None = None
        """What was cut or given up, until the person does something."""
        self.silence: Trouble | None = None
        """While Slurm does not answer."""
        self.jobs: dict[int, Job] = {}
        """As Slurm last told of them."""
        self.joined: set[str] = set()
        """Jobs that have been seen to work."""
        self.deaths = 0
        self.busy_at = time.monotonic()
        self.cost = snapshot.Cost()

    async def resize(self, size: Size) -> None:
        """Fixed or adaptive; raises what Slurm said when it took none of them."""
        self.size = size
        self.cluster.refusal = None
        adaptive = getattr(self.cluster, "_adaptive", None)
        if adaptive is not None:
            adaptive.stop()
            self.cluster._adaptive = None
        if self.paused:
            await self._scale(0)
        elif size.adaptive:
            self.cluster.adapt(minimum=size.minimum, maximum=size.maximum, interval="1s", wait_count=5)
        else:
            await self._scale(size.maximum)

    async def _scale(self, workers: int) -> None:
        self.cluster.scale(workers)
        await self.cluster._correct_state()

    async def pause(self, paused: bool) -> None:
        self.paused = paused
        await self.resize(self.size)

    @property
    def trouble(self) -> Trouble | None:
        """What is wrong, the most pressing first."""
        error = self.cluster.refusal
        if self.silence is not None or error is None:
            return self.silence or self.note
        hint = f"{error.hint} {len(self.cluster.jobs)} of {self.size.maximum} workers were taken."
        return Trouble(message=error.message, hint=hint.strip())

    def told(self, place: Place) -> models.Cluster:
        """The live picture."""
        ended = self.cluster.status not in (Status.running, Status.created)
        phase = ClusterPhase.ENDED if ended else ClusterPhase.PAUSED if self.paused else ClusterPhase.ON
        idle = IDLE_SECONDS - (time.monotonic() - self.busy_at)
        return models.Cluster(
            name=self.name,
            phase=phase,
            shape=self.shape,
            size=self.size,
            address=self.cluster.scheduler_address or "",
            dashboard=place.dashboard_path(self.name),
            since=self.since,
            workers=() if ended else snapshot.workers(self.cluster, self.jobs),
            tasks=models.Tasks() if ended else snapshot.tasks(self.cluster.scheduler),
            cpu_hours=self.cost.cpu_hours,
            gpu_hours=self.cost.gpu_hours,
            trouble=self.trouble,
            idle_end=max(idle, 0) if idle < IDLE_WARNING_SECONDS else None,
        )


class Manager:
    """The one of a server."""

    def __init__(self, place: Place, *, make: Callable[..., ProjectCluster] = ProjectCluster.of) -> None:
        self.place = place
        self.clusters: dict[str, Managed] = {}
        self.site = offer.Site(place)
        self.job = OwnJob.from_environment()
        self.news: Trouble | None = None
        """What became of clusters that are not here any more."""
        self._make = make
        self._hours = ProjectHours(self.job.account)
        self._lock = asyncio.Lock()
        self._rounds = count()
        self._cleaned = False

    # -- asked by people --------------------------------------------------------------------------------------------

    async def hours(self) -> offer.Hours:
        return offer.Hours.told(await self._hours.soon(HOURS_SECONDS))

    def seconds_left(self) -> float | None:
        return None if self.job.ends is None else max(self.job.ends - time.time(), 0)

    def told_news(self) -> Trouble | None:
        """What a person has to know who has not looked for a while."""
        left = self.seconds_left()
        ending = None
        if left is not None and left <= END_SECONDS:
            ending = Trouble(
                message=f"This server ends in {max(left, 60) / 60:.0f} min, and its clusters with it.",
                hint="Save results now, or continue in a new job (Atrium menu).",
            )
        said = [one for one in (self.news, ending) if one is not None]
        if not said:
            return None
        return Trouble(message=" ".join(one.message for one in said), hint=" ".join(one.hint for one in said))

    async def offer(self) -> Offer:
        return await offer.offer(self.site, await self.hours(), self.seconds_left())

    async def estimate(self, shape: Shape, size: Size) -> Estimate:
        minutes = Times.within(self.seconds_left(), shape.minutes).limit // 60
        return await offer.estimate(self.site, shape, size, hours=await self.hours(), minutes=minutes)

    async def create(self, request: ClusterRequest) -> Managed:
        """A new cluster, with as many of its workers as limits allow.

        :raises Conflict: there is one of that name.
        :raises InvalidInput: not even one such worker is allowed.
        """
        async with self._lock:
            name = request.name or next(f"dask-{n}" for n in count(1) if f"dask-{n}" not in self.clusters)
            if name in self.clusters:
                raise Conflict(f"There is a cluster {name} already.", field="name", hint="Choose another name.")
            size, why = await self._clamped(request.shape, request.size)
            try:
                cluster = self._make(request.shape, name=name, place=self.place, ends=self.job.ends)
                await cluster
            except AtriumError:
                raise
            except Exception as error:
                log.exception("A cluster could not be started")
                raise SlurmError("The scheduler could not be started.", hint="Try again, or report it.") from error
            managed = self.clusters[name] = Managed(name, request.model_copy(update={"size": size}), cluster)
            managed.note, self.news = why, None
            self._remember()
        await managed.resize(size)
        return managed

    async def _clamped(self, shape: Shape, size: Size) -> tuple[Size, Trouble | None]:
        minutes = Times.within(self.seconds_left(), shape.minutes).limit // 60
        try:
            most, why = await self.site.most(shape, await self.hours(), minutes)
        except SlurmError:
            return size, None  # it will have to judge itself
        if size.maximum <= most:
            return size, None
        if most < 1:
            raise InvalidInput(
                f"Not even one such worker is possible. {why}", hint="Ask for smaller workers, or for more hours."
            )
        hint = f"You have {most} of the {size.maximum} workers you asked for."
        return Size(minimum=min(size.minimum, most), maximum=most), Trouble(message=why, hint=hint)

    def get(self, name: str) -> Managed:
        """Raises :class:`NotFound`."""
        try:
            return self.clusters[name]
        except KeyError:
            raise NotFound(f"There is no cluster {name} (any more).", hint="Start a new one.") from None

    async def change(self, name: str, change: models.ClusterChange) -> Managed:
        managed = self.get(name)
        managed.busy_at = time.monotonic()
        if change.size is not None:
            size, managed.note = await self._clamped(managed.shape, change.size)
            managed.deaths = 0
            await managed.resize(size)
        if change.paused is not None and change.paused != managed.paused:
            managed.note = None
            await managed.pause(change.paused)
        return managed

    async def end(self, name: str) -> None:
        """Its jobs first, then the rest."""
        managed = self.get(name)
        del self.clusters[name]
        self._remember()
        await slurm.cancel(await self._jobs_of([managed]))
        await _close(managed)

    async def end_all(self) -> None:
        """All jobs by one command, then all schedulers."""
        managed = list(self.clusters.values())
        self.clusters.clear()
        await slurm.cancel(await self._jobs_of(managed))
        await asyncio.gather(*map(_close, managed), return_exceptions=True)
        self.place.state.unlink(missing_ok=True)

    async def _jobs_of(self, clusters: list[Managed]) -> list[str]:
        """Of their workers, and those that Slurm took without an answer that arrived."""
        jobs = {job for one in clusters for job in one.cluster.jobs.values()}
        if doubtful := {one.name for one in clusters if one.cluster.doubtful}:
            with suppress(SlurmError):
                jobs |= {str(job) for job, name in (await self._mine()).items() if name in doubtful}
        return sorted(jobs)

    async def _mine(self) -> dict[int, str]:
        """Clusters of this person's server by the jobs of their workers, whichever manager began them."""
        jobs = await queue.comments(self.place.job_name(naming.Kind.WORKER))
        return {
            job: naming.cluster_in(comment)
            for job, comment in jobs.items()
            if naming.same_server(comment, self.place.comment)
        }

    def connection(self, name: str) -> Connection:
        certificate, key = str(self.place.keys / CERTIFICATE), str(self.place.keys / KEY)
        address = self.get(name).cluster.scheduler_address
        return Connection(address=address, ca_file=certificate, certificate=certificate, key=key)

    # -- by itself --------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Round after round; one that fails is one round less."""
        await self.clean_up()  # before the first new cluster, which may have the same name
        await self.job.ask_end()
        while True:
            await asyncio.sleep(ROUND_SECONDS)
            try:
                await self.round()
            except Exception:
                log.exception("A round over the clusters failed")

    async def round(self) -> None:
        number = next(self._rounds)
        if not self._cleaned:
            await self.clean_up()
        await self._look_at_time(number)
        if not self.clusters:
            return
        await self._look_at_queue(number)
        for managed in tuple(self.clusters.values()):
            managed.cost.count(managed.jobs, managed.shape)
            await self._look_at_deaths(managed)
            await self._look_at_use(managed)

    async def _look_at_queue(self, number: int) -> None:
        quiet = all(len(one.joined) >= len(one.cluster.workers) for one in self.clusters.values())
        if quiet and number % QUIET_ROUNDS:
            return
        try:
            jobs = await queue.of_workers(self.place.job_name(naming.Kind.WORKER))
        except SlurmError as error:
            for managed in self.clusters.values():
                managed.silence = Trouble(
                    message=error.message,
                    hint="What you see is from before; your workers go on. Nothing is to be done.",
                )
            return
        for managed in self.clusters.values():
            managed.silence = None
            managed.jobs = {int(job): jobs[int(job)] for job in managed.cluster.jobs.values() if int(job) in jobs}

    async def _look_at_deaths(self, managed: Managed) -> None:
        """Workers that have ended without having been asked to."""
        cluster = managed.cluster
        working = snapshot.joined(cluster)
        for name, job in cluster.jobs.items():
            if name in working:
                managed.joined.add(job)
                managed.deaths = 0
            elif int(job) in managed.jobs and managed.jobs[int(job)].is_over and job not in managed.joined:
                managed.joined.add(job)  # counted once
                managed.deaths += 1
                if managed.deaths >= DEATHS or managed.size.maximum <= managed.deaths:
                    await self._give_up(managed, managed.jobs[int(job)])
                else:
                    _replace(cluster, name)

    async def _give_up(self, managed: Managed, job: Job) -> None:
        """No more of what cannot live."""
        log_name = f"{self.place.job_name(naming.Kind.WORKER)}-{job.id}.err"
        log_tail = await asyncio.to_thread(_tail, self.place.logs, log_name)
        managed.note = Trouble(
            message=f"The workers end right after their start ({reasons.state(job.state)}), so no more are started.",
            hint="Read the end of their log below, change what is wrong, then go on.",
            log=log_tail,
        )
        managed.deaths = 0
        await managed.pause(True)

    async def _look_at_use(self, managed: Managed) -> None:
        """A cluster on which nothing is computed ends, after a warning."""
        tasks = snapshot.tasks(managed.cluster.scheduler)
        if tasks.processing or tasks.waiting:
            managed.busy_at = time.monotonic()
        if time.monotonic() - managed.busy_at > IDLE_SECONDS:
            log.warning("Cluster %s ends: nothing was computed for %.0f min", managed.name, IDLE_SECONDS / 60)
            self.news = Trouble(
                message=f"The cluster {managed.name} has ended: it computed nothing for {IDLE_SECONDS / 60:.0f} min.",
                hint="Start a new one when you need it.",
            )
            await self.end(managed.name)

    async def _look_at_time(self, number: int) -> None:
        """An administrator may have moved the server's end."""
        left = self.seconds_left()
        near = left is not None and left <= END_SECONDS
        if number % TIME_ROUNDS or not (near or self.clusters):
            return
        await self.job.ask_end()
        for managed in self.clusters.values():
            managed.cluster.ends = self.job.ends

    # -- from one process to the next ---------------------------------------------------------------------------------

    def _remember(self) -> None:
        """Names of what is here, for the process after this one."""
        self.place.make_directories()
        new = self.place.state.with_suffix(f".{os.getpid()}")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(sorted(self.clusters), file)
        new.replace(self.place.state)

    async def clean_up(self) -> None:
        """End jobs of clusters whose scheduler is gone: of a manager before this one, or of this server's last job."""
        async with self._lock:
            try:
                mine = await self._mine()
            except SlurmError as error:
                log.warning("Jobs of clusters before could not be looked for: %s", error)
                return
            orphans = {job: name for job, name in mine.items() if name not in self.clusters}
            await slurm.cancel([str(job) for job in orphans])
            names = sorted({*orphans.values(), *_names(self.place.state)} - self.clusters.keys())
            if names:
                self.news = Trouble(
                    message=f"The scheduler of {', '.join(names)} was ended from outside, so its workers were ended.",
                    hint="Start a new cluster and compute again.",
                )
            self._cleaned = True
            self._remember()
        try:
            await asyncio.to_thread(self.place.tidy, await queue.alive())
        except (SlurmError, OSError) as error:
            log.warning("What servers before left could not be tidied up: %s", error)


def _replace(cluster: ProjectCluster, name: str) -> None:
    """Forget the job of a worker that died; it stays asked for, so the cluster's mending submits another."""
    cluster.workers.pop(name, None)


async def _close(managed: Managed) -> None:
    try:
        async with asyncio.timeout(20):
            ending = managed.cluster.close()
            if ending is not None:
                await ending
    except Exception:
        log.exception("Cluster %s did not end in order", managed.name)


def _names(path: Path) -> list[str]:
    try:
        return [str(name) for name in json.loads(path.read_text())]
    except (OSError, ValueError):
        return []


def _tail(folder: Path, name: str, size: int = 3000) -> str:
    try:
        with (folder / name).open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - size))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
