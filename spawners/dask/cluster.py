"""``ProjectCluster``: a :class:`dask_jobqueue.SLURMCluster` with the node, the project and the end of its server."""

from __future__ import annotations

import asyncio
import logging
import shlex
import time
from typing import Any

from dask_jobqueue import SLURMCluster
from distributed.core import Status
from distributed.deploy.adaptive import Adaptive
from tornado.ioloop import PeriodicCallback

from hub.dask.models import Shape
from hub.errors import SlurmError, SlurmUnavailable
from hub.slurm import naming
from hub.slurm.quoting import word
from spawners.dask import quiet_worker, slurm
from spawners.dask.own_modules import OWN_MODULES
from spawners.dask.relief import AGAIN_SECONDS, LAST_SECONDS, Reliefs
from spawners.dask.scheduler import GuardedScheduler, scheduler_address, security
from spawners.dask.worker import PROLOGUE, ProjectJob, Times
from spawners.node import keys
from spawners.node.job_context import JobContext

log = logging.getLogger(__name__)

DEATH_SECONDS = 60
"""How long a worker lives without a scheduler."""
MEND_SECONDS = 1.0
RETIRE_SECONDS = 60.0
"""How long workers that were let go may hand over what they hold."""


class ReliefAdaptive(Adaptive):
    """Adaptive scaling that also counts workers sent to relieve others whose time is nearly over."""

    async def safe_target(self) -> int:
        """Dask's target, but without new workers for a while after Slurm refused some."""
        cluster: Any = self.cluster
        target = int(await super().safe_target()) + len(cluster.reliefs)
        return min(target, len(self.plan)) if cluster.just_refused else target


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
        context: JobContext | None = None,
        **options: Any,
    ) -> None:
        self.context = context or JobContext.from_environment()
        keys.ensure(self.context)
        self.refusal: SlurmError | None = None
        self.doubtful = False
        """Slurm did not answer a submission, so there may be a job whose number is not known."""
        self._refused_at = float("-inf")
        self._mending: PeriodicCallback | None = None
        self._reliefs = Reliefs(self)
        name = name or f"dask-{self.context.job or 'here'}-{time.time_ns() % 10**6}"
        self.ends = ends if ends is not None else slurm.job_end(self.context.job)
        """When the server ends (seconds since the epoch); None: not known."""
        self._minutes = minutes
        defaults = self._options(name, gpus, gpu_type)
        for key in ("worker_extra_args", "job_extra_directives", "job_script_prologue"):
            defaults[key] = [*defaults[key], *options.pop(key, ())]
        options = {"processes": 1, **defaults, **options}
        super().__init__(name=name, cores=cores, memory=memory, scheduler_cls=GuardedScheduler, **options)
        if n_workers:
            self.scale(n_workers)

    @classmethod
    def of(
        cls, shape: Shape, *, name: str, context: JobContext, ends: float | None, directory: str = ""
    ) -> ProjectCluster:
        """A cluster for the manager, on the manager's event loop.

        :param directory: where workers run.
        """
        OWN_MODULES.add(directory)
        return cls(
            name=name,
            cores=shape.cores,
            memory=f"{shape.memory_gb}GB",
            gpus=shape.gpus,
            gpu_type=shape.gpu_type,
            minutes=shape.minutes,
            ends=ends,
            context=context,
            asynchronous=True,
            queue=shape.partition or context.partition or None,
            job_script_prologue=[f"cd -- {shlex.quote(directory)}"] if directory else [],
        )

    def _options(self, name: str, gpus: int, gpu_type: str) -> dict[str, Any]:
        context = self.context
        host = () if context.interface else ('${ATRIUM_HOST:+--host "$ATRIUM_HOST"}',)
        options: dict[str, Any] = {
            "security": security(context),
            "scheduler_options": {
                "dashboard_address": str(context.dashboard_socket(name)),
                **scheduler_address(context),
            },
            "times": self.times,
            "job_name": word(context.job_name(naming.Kind.WORKER)),
            "log_directory": str(context.logs),
            "death_timeout": DEATH_SECONDS,
            "local_directory": '"$ATRIUM_SCRATCH"',
            "worker_extra_args": [
                "--no-dashboard",
                "--worker-class",
                quiet_worker.CLASS,
                *host,
                *(["--resources", f"GPU={gpus}"] if gpus else []),
            ],
            "job_script_prologue": [PROLOGUE],
            "job_extra_directives": [f"--comment={word(naming.worker_comment(context.comment, name))}", "--no-requeue"],
            "job_cls": ProjectJob,
            "on_refusal": self._note_refusal,
        }
        if context.account:
            options["account"] = word(context.account)
        if gpus:
            options["job_extra_directives"].append(word(f"--gres=gpu:{f'{gpu_type}:' if gpu_type else ''}{gpus}"))
        return options

    @property
    def times(self) -> Times:
        """Times of a worker submitted now; it ends with the server at the latest."""
        return Times.within(None if self.ends is None else self.ends - time.time(), self._minutes)

    def _note_refusal(self, error: SlurmError) -> None:
        self.refusal, self._refused_at = error, time.monotonic()
        self.doubtful = self.doubtful or isinstance(error, SlurmUnavailable)

    @property
    def just_refused(self) -> bool:
        return self.refusal is not None and time.monotonic() - self._refused_at < AGAIN_SECONDS

    @property
    def reliefs(self) -> dict[str, str]:
        """Name of each relieved worker and of the worker that relieves it, while both exist."""
        return self._reliefs.pairs

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
        await slurm.cancel(jobs)  # first and by one command, because the rest may take long or fail
        await super()._close()
        self.context.dashboard_socket(self.name).unlink(missing_ok=True)

    async def _mend(self) -> None:
        """Have as many workers as requested: replace those that left, but not those that Slurm refused.

        What Slurm did not answer is asked again, after a while.
        """
        if self.status is not Status.running:
            return
        for name, job in tuple(self.workers.items()):
            if job.job_id is None and self.refusal is not None:
                del self.workers[name]
                if not isinstance(self.refusal, SlurmUnavailable):
                    self.worker_spec.pop(name, None)
        self._reliefs.update()
        ending = self.ends is not None and self.ends - time.time() < LAST_SECONDS
        missing = set(self.worker_spec) - set(self.workers)
        if missing and (ending or self.just_refused):
            return
        if missing or set(self.workers) - set(self.worker_spec):
            await self._correct_state()

    async def _correct_state_internal(self) -> None:
        """Retire workers by their addresses before their jobs are cancelled, so that they hand over what they hold.

        Dask itself passes names where its scheduler takes addresses, and nothing is handed over.
        """
        leaving = {str(name) for name in self.workers} - {str(name) for name in self.worker_spec}
        scheduler: Any = self.scheduler
        addresses = [worker.address for worker in scheduler.workers.values() if str(worker.name) in leaving]
        if addresses and self.status is Status.running:
            try:
                async with asyncio.timeout(RETIRE_SECONDS):
                    await scheduler.retire_workers(workers=addresses)
            except Exception as error:  # lost results are computed again
                log.warning("Workers of %s could not hand over what they hold: %s", self.name, error)
        self._job_kwargs["times"] = self.times
        new_workers, start = self.worker_spec.keys() - self.workers.keys(), time.monotonic()
        try:
            await super()._correct_state_internal()
        except SlurmError as error:  # the page shows `refusal`
            log.warning("Slurm does not take all workers of %s: %s %s", self.name, error.message, error.hint)
        if new_workers and self._refused_at < start:
            self.refusal = None  # this or a concurrent correction submitted all of them

    @property
    def dashboard_link(self) -> str:
        """Address below the person's own server, whose sign-in protects it."""
        return f"{self.context.dashboard_path(self.name)}status"

    @property
    def jobs(self) -> dict[str, str]:
        """Job numbers by the workers' names, without those still being submitted."""
        return {str(name): str(job.job_id) for name, job in self.workers.items() if job.job_id}
