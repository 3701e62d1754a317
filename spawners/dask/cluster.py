"""``ProjectCluster``: a :class:`dask_jobqueue.SLURMCluster` that knows where it is, who pays and when it has to end."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import subprocess
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dask_jobqueue import SLURMCluster
from dask_jobqueue.slurm import SLURMJob
from distributed import Scheduler, Security
from distributed.core import Status
from distributed.deploy.adaptive import Adaptive
from distributed.deploy.spec import ProcessInterface
from tornado.httpserver import HTTPServer
from tornado.ioloop import PeriodicCallback
from tornado.netutil import bind_unix_socket

from hub.dask.models import Shape
from hub.errors import SlurmError, SlurmUnavailable
from hub.slurm import commands, naming
from hub.slurm.quoting import word
from spawners.dask import slurm, snapshot
from spawners.node import keys
from spawners.node.place import CERTIFICATE, KEY, Place

log = logging.getLogger(__name__)

WORKER_MINUTES = 120
"""Time limit of a worker's job where nobody asks for another: short jobs start sooner, and a new one takes over."""
DEATH_SECONDS = 60
"""How long a worker lives without a scheduler."""
MEND_SECONDS = 1.0
RETIRE_SECONDS = 60.0
"""How long workers that were let go may hand over what they hold."""
AGAIN_SECONDS = 30.0
"""After Slurm has refused a worker or could not be asked, and after a relief that did not come."""
LAST_SECONDS = 120.0
"""So near the server's end no worker is replaced any more."""


@dataclass(frozen=True)
class Times:
    """Of one worker, in seconds: the job's limit, and when the worker leaves with what it holds."""

    limit: int
    lifetime: int
    stagger: int

    @classmethod
    def within(cls, seconds_left: float | None, minutes: int | None) -> Times:
        """As asked for (or usual), and not longer than the server has left; Slurm counts whole minutes."""
        wanted = 60 * (minutes or WORKER_MINUTES)
        limit = wanted if seconds_left is None else min(wanted, max(60, int(seconds_left) // 60 * 60))
        margin = min(180, limit // 3)
        return cls(limit, limit - margin, margin // 3)

    @property
    def walltime(self) -> str:
        return f"{self.limit // 3600:02d}:{self.limit % 3600 // 60:02d}:00"

    @property
    def arguments(self) -> list[str]:
        """Of the worker."""
        return ["--lifetime", f"{self.lifetime}s", "--lifetime-stagger", f"{self.stagger}s"]

    def relief(self, name: str) -> float:
        """How long after it has begun another worker is sent for this one: not for all of them at once."""
        earliest_end = self.lifetime - self.stagger
        lead = min(120, earliest_end / 2)  # for the queue, and for Python's start
        spread = zlib.crc32(name.encode()) % 100 / 100 * min(earliest_end / 4, 900)
        return earliest_end - lead - spread


USUAL = Times.within(None, None)


class GuardedScheduler(Scheduler):
    """Its dashboard is a page of the person's server: on a socket in a closed directory, not on a port of the node."""

    dashboard_socket = ""

    def start_http_server(
        self, routes: Any, dashboard_address: Any, default_port: int = 0, ssl_options: Any = None
    ) -> None:
        """As :meth:`distributed.node.ServerNode.start_http_server`, on ``dashboard_address``, which is a path."""
        from distributed.http.routing import RoutingApplication

        self.http_application = RoutingApplication(routes)
        self.http_server = HTTPServer(self.http_application)
        self.http_server.add_socket(bind_unix_socket(str(dashboard_address), mode=0o600))
        vars(self.http_server).update(address="localhost", port=0)  # what Dask asks its server for
        self.services["dashboard"] = self.http_server


class ProjectJob(SLURMJob):
    """A worker's job: submitted on standard input, without the server's token, with a deadline.

    :param times: what the server's time leaves this worker when it is sent for.
    """

    def __init__(
        self, *args: Any, times: Times = USUAL, refused: Callable[[SlurmError], None] = lambda _: None, **options: Any
    ) -> None:
        options["worker_extra_args"] = [*times.arguments, *options.get("worker_extra_args", ())]
        super().__init__(*args, **{"walltime": times.walltime, **options})
        self.times = times
        self._refused = refused

    async def start(self) -> None:
        try:
            self.job_id = str(await slurm.submit(self.job_script()))
        except SlurmError as error:
            self._refused(error)
            raise
        await ProcessInterface.start(self)

    async def close(self) -> None:
        if self.job_id:
            await slurm.cancel([self.job_id])
        await ProcessInterface.close(self)


class ReliefAdaptive(Adaptive):
    """As many workers as there is work for, and beside them those that come for one whose time is nearly over."""

    async def safe_target(self) -> int:
        """No more than there are while Slurm has just refused some: asking every second would change nothing."""
        cluster: Any = self.cluster
        wanted = int(await super().safe_target()) + len(cluster.reliefs)
        return min(wanted, len(self.plan)) if cluster.just_refused else wanted


class ProjectCluster(SLURMCluster):
    """Workers as jobs of the person, paid by the project of the job that this runs in.

    >>> cluster = ProjectCluster(cores=2, memory="4GB")  # doctest: +SKIP
    >>> cluster.scale(jobs=4)  # doctest: +SKIP

    Account, partition, network, directories and keys are those of the server. Sockets are TLS; the scheduler listens
    on the address by which Slurm knows this node, and nowhere else. Workers that reach the end of their time leave with
    what they hold, and others take their place. Everything that :class:`dask_jobqueue.SLURMCluster` takes is taken.

    :param gpus: of each worker's job; tasks can ask for them by ``resources={"GPU": 1}``.
    :param minutes: time limit of each worker's job.
    :raises SlurmUnavailable: Slurm could not be asked for this node's address.
    """

    job_cls = ProjectJob

    def __init__(
        self,
        n_workers: int = 0,
        *,
        name: str | None = None,
        cores: int = 1,
        memory: str = "2GB",
        gpus: int = 0,
        gpu_type: str = "",
        minutes: int | None = None,
        ends: float | None = None,
        place: Place | None = None,
        **options: Any,
    ) -> None:
        self.place = place or Place.from_environment()
        keys.ensure(self.place)
        self.refusal: SlurmError | None = None
        self.doubtful = False
        """Slurm did not answer a submission, so there may be a job whose number is not known."""
        self._refused_at = float("-inf")
        self._mending: PeriodicCallback | None = None
        self._since: dict[str, float] = {}
        """When each worker was first seen to work (monotonic seconds)."""
        self._relieved: dict[str, float] = {}
        """When another one was sent for a worker (monotonic seconds)."""
        self.reliefs: dict[str, str] = {}
        """Who comes for whom, while both are there."""
        name = name or f"dask-{self.place.job or 'here'}-{time.time_ns() % 10**6}"
        self.ends = ends if ends is not None else job_end(self.place.job)
        """When the server ends (seconds since the epoch); None: not known."""
        self._minutes = minutes
        made = self._options(name, gpus, gpu_type)
        for key in ("worker_extra_args", "job_extra_directives", "job_script_prologue"):
            made[key] = [*made[key], *options.pop(key, ())]
        super().__init__(
            name=name, cores=cores, memory=memory, scheduler_cls=GuardedScheduler, **{"processes": 1, **made, **options}
        )
        if n_workers:
            self.scale(n_workers)

    @classmethod
    def of(cls, shape: Shape, *, name: str, place: Place, ends: float | None) -> ProjectCluster:
        """For the manager, whose loop it lives in."""
        return cls(
            name=name,
            cores=shape.cores,
            memory=f"{shape.memory_gb}GB",
            gpus=shape.gpus,
            gpu_type=shape.gpu_type,
            minutes=shape.minutes,
            ends=ends,
            place=place,
            asynchronous=True,
            queue=shape.partition or place.partition or None,
        )

    def _options(self, name: str, gpus: int, gpu_type: str) -> dict[str, Any]:
        place = self.place
        host = () if place.interface else ('${ATRIUM_HOST:+--host "$ATRIUM_HOST"}',)
        options: dict[str, Any] = {
            "security": security(place),
            "scheduler_options": {"dashboard_address": str(place.dashboard_socket(name)), **scheduler_address(place)},
            "times": self.times,
            "job_name": word(place.job_name(naming.Kind.WORKER)),
            "log_directory": str(place.logs),
            "death_timeout": DEATH_SECONDS,
            "local_directory": '"$ATRIUM_SCRATCH"',
            "worker_extra_args": ["--no-dashboard", *host, *(["--resources", f"GPU={gpus}"] if gpus else [])],
            "job_script_prologue": [PROLOGUE],
            "job_extra_directives": [f"--comment={word(naming.worker_comment(place.comment, name))}", "--no-requeue"],
            "job_cls": ProjectJob,
            "refused": self._refused,
        }
        if place.account:
            options["account"] = word(place.account)
        if gpus:
            options["job_extra_directives"].append(word(f"--gres=gpu:{f'{gpu_type}:' if gpu_type else ''}{gpus}"))
        return options

    @property
    def times(self) -> Times:
        """Of a worker that is sent for now: it ends with the server at the latest."""
        return Times.within(None if self.ends is None else self.ends - time.time(), self._minutes)

    def _refused(self, error: SlurmError) -> None:
        self.refusal, self._refused_at = error, time.monotonic()
        self.doubtful = self.doubtful or isinstance(error, SlurmUnavailable)

    @property
    def just_refused(self) -> bool:
        return self.refusal is not None and time.monotonic() - self._refused_at < AGAIN_SECONDS

    def adapt(self, *args: Any, **options: Any) -> Any:
        """As :meth:`distributed.deploy.SpecCluster.adapt`, with time for workers to hand over what they hold."""
        return super().adapt(*args, **{"Adaptive": ReliefAdaptive, **options})

    async def _start(self) -> None:
        await super()._start()
        self._mending = PeriodicCallback(self._mend, 1000 * MEND_SECONDS)
        self._mending.start()

    async def _close(self) -> None:
        if self._mending is not None:
            self._mending.stop()
        jobs = [str(job.job_id) for job in self.workers.values() if getattr(job, "job_id", None)]
        await slurm.cancel(jobs)  # first, and by one command: what comes now may take long or fail
        await super()._close()
        self.place.dashboard_socket(self.name).unlink(missing_ok=True)

    async def _mend(self) -> None:
        """Have as many workers as were asked for: others for those that left, none for those that Slurm refused.

        What Slurm did not answer is asked again, after a while.
        """
        if self.status is not Status.running:
            return
        for name, job in tuple(self.workers.items()):
            if job.job_id is None and self.refusal is not None:
                del self.workers[name]
                if not isinstance(self.refusal, SlurmUnavailable):
                    self.worker_spec.pop(name, None)
        self._relieve()
        ending = self.ends is not None and self.ends - time.time() < LAST_SECONDS
        missing = set(self.worker_spec) - set(self.workers)
        if missing and (ending or self.just_refused):
            return
        if missing or set(self.workers) - set(self.worker_spec):
            await self._correct_state()

    async def _correct_state_internal(self) -> None:
        """Dask names workers where its scheduler wants addresses, so nobody hands anything over; here they do."""
        leaving = {str(name) for name in self.workers} - {str(name) for name in self.worker_spec}
        scheduler: Any = self.scheduler
        addresses = [one.address for one in scheduler.workers.values() if str(one.name) in leaving]
        if addresses and self.status is Status.running:
            try:
                async with asyncio.timeout(RETIRE_SECONDS):
                    await scheduler.retire_workers(workers=addresses)
            except Exception as error:  # what is lost with them is computed again
                log.warning("Workers of %s could not hand over what they hold: %s", self.name, error)
        self._job_kwargs["times"] = self.times
        opening, begun = self.worker_spec.keys() - self.workers.keys(), time.monotonic()
        try:
            await super()._correct_state_internal()
        except SlurmError as error:  # kept in `refusal`, and told there
            log.warning("Not all workers of %s were taken: %s %s", self.name, error.message, error.hint)
        if opening and self._refused_at < begun:
            self.refusal = None  # all of them were taken, by this correction or by one beside it

    def _relieve(self) -> None:
        """Send another worker before one has to leave, and let that one go when it is there: so what it holds has
        somewhere to go even when all of them began, and so would end, at the same time.
        """
        joined, now = snapshot.joined(self), time.monotonic()
        self._since = {name: self._since.get(name, now) for name in joined}
        self._relieved = {name: at for name, at in self._relieved.items() if name in joined}
        for old, new in tuple(self.reliefs.items()):
            if new in self.worker_spec and (new in joined or old not in joined):
                self.worker_spec.pop(old, None)  # retired by the correction that follows
            if old not in self.worker_spec or new not in self.worker_spec:
                del self.reliefs[old]
        for name, since in self._since.items():
            job = self.workers.get(name)
            if job is None or name not in self.worker_spec or name in self.reliefs or not self._relief_helps(job.times):
                continue
            if now > max(since + job.times.relief(name), self._relieved.get(name, float("-inf")) + AGAIN_SECONDS):
                self._relieved[name] = now
                spec = self.new_worker_spec()
                self.worker_spec.update(spec)
                self.reliefs[name] = next(iter(spec))

    def _relief_helps(self, times: Times) -> bool:
        """Not when the next one would have to go with the server as soon as this one."""
        return self.ends is None or self.ends - time.time() > max(LAST_SECONDS, times.limit - times.lifetime + 60)

    @property
    def dashboard_link(self) -> str:
        """Below the person's own server, so that nobody signs in again and nobody else gets in."""
        return f"{self.place.dashboard_path(self.name)}status"

    @property
    def jobs(self) -> dict[str, str]:
        """Job by worker's name; those being submitted are not there yet."""
        return {str(name): str(job.job_id) for name, job in self.workers.items() if job.job_id}


PROLOGUE = """\
umask 0027
ATRIUM_SCRATCH=$(mktemp --directory --tmpdir="${TMPDIR:-/tmp}" atrium-dask-XXXXXXXX) || exit 73
export ATRIUM_SCRATCH
trap 'rm -rf -- "$ATRIUM_SCRATCH"' EXIT
trap : TERM
ATRIUM_HOST=$(scontrol --oneliner show node "$SLURMD_NODENAME" 2>/dev/null \\
  | sed -n 's/.* NodeAddr=\\([^ ]*\\).*/\\1/p')\
"""
"""What a worker spills lies in a directory that only the person enters and that goes with the job: Slurm tells all of a
job to end, and the shell, which waits (hence a trap that does nothing), removes it after the worker, which would make
it anew. The worker listens on the address by which Slurm knows its node."""


def security(place: Place) -> Security:
    files = {"cert": str(place.keys / CERTIFICATE), "key": str(place.keys / KEY)}
    roles = {f"tls_{role}_{part}": files[part] for role in ("scheduler", "worker", "client") for part in files}
    return Security(require_encryption=True, tls_ca_file=files["cert"], **roles)


def scheduler_address(place: Place) -> dict[str, str]:
    """Where the scheduler listens: on the interface the site names, else on the address Slurm has of this node."""
    if place.interface:
        return {"interface": place.interface}
    if not place.node:
        return {"host": "127.0.0.1"}
    try:
        told = _ask(commands.node(place.node))
        return {"host": socket.gethostbyname(commands.parse_node_address(told))}
    except (SlurmError, OSError) as error:  # and not on Dask's choice, which is every address
        raise SlurmUnavailable("Slurm does not tell this node's address.", hint="Try again in a minute.") from error


def job_end(job: str) -> float | None:
    """When Slurm ends a job, in seconds since the epoch; None: not known."""
    if not job:
        return None
    told = _ask(["squeue", "--noheader", f"--jobs={job}", "--format=%e"], SLURM_TIME_FORMAT="%s").strip()
    return float(told) if re.fullmatch(r"\d+", told) else None


def _ask(argv: commands.Argv, **variables: str) -> str:
    """A question before there is a loop; "" when there is no answer."""
    environment = {**slurm.job_environment(), **variables}
    try:
        done = subprocess.run(
            argv, env=environment, capture_output=True, text=True, timeout=slurm.DEADLINE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout
