"""A cluster with its size, jobs, cost and trouble, as the manager keeps it."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime

from distributed.core import Status

from hub.dask import models
from hub.dask.models import ClusterPhase, ClusterRequest, Size, Trouble
from hub.errors import SlurmError, SlurmUnavailable
from hub.slurm.jobs import Job
from spawners.dask import status
from spawners.dask.cluster import ProjectCluster
from spawners.dask.memory import MemoryEvents
from spawners.node.job_context import JobContext

log = logging.getLogger(__name__)

IDLE_SECONDS = 1800.0
"""A cluster that computes nothing for so long ends."""
IDLE_WARNING_SECONDS = 300.0
CLOSE_SECONDS = 120.0
"""How long a scheduler may take to end: submissions that are under way are waited for, each has Slurm's deadline."""


class ManagedCluster:
    """A cluster and its bookkeeping."""

    def __init__(self, name: str, request: ClusterRequest, cluster: ProjectCluster) -> None:
        self.name = name
        self.shape, self.size = request.shape, request.size
        self.cluster = cluster
        self.since = datetime.now(UTC)
        self.paused = False
        self.note: Trouble | None = None
        """What was reduced or given up, until the person does something."""
        self.silence: Trouble | None = None
        """Set while Slurm does not answer."""
        self.jobs: dict[int, Job] = {}
        """Jobs of its workers as Slurm last showed them."""
        self.counted_jobs: set[str] = set()
        """Jobs that are known to work, and those that are counted in :attr:`deaths`."""
        self.deaths = 0
        """Workers in a row that ended before they joined."""
        self.memory = MemoryEvents()
        self.former_jobs: dict[int, Job] = {}
        """Jobs of its workers, those included that have left and that Slurm still lists."""
        self.busy_at = time.monotonic()
        self.cost = status.Cost()
        self.ending: asyncio.Task[models.ClusterEnd] | None = None
        """Ends it, once somebody has asked for that."""

    async def resize(self, size: Size) -> None:
        """Scale to a fixed size, or adapt; raises :class:`SlurmError` if Slurm refuses all workers."""
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
        """The most important current problem, or None."""
        error = self.cluster.refusal
        if self.silence is not None or error is None:
            return self.silence or self.note
        hint = f"{error.hint} {len(self.cluster.jobs)} of {self.size.maximum} workers were taken."
        return Trouble(message=error.message, hint=hint.strip())

    @property
    def refusal_of_all(self) -> SlurmError | None:
        """Slurm's refusal if it has taken no worker at all; None also while it does not answer."""
        error = self.cluster.refusal
        return None if self.cluster.jobs or isinstance(error, SlurmUnavailable) else error

    @property
    def idle_seconds(self) -> float:
        """Seconds since the last computation or the person's last action on it."""
        return time.monotonic() - self.busy_at

    def view(self, context: JobContext) -> models.Cluster:
        """Current state, for pages and notebooks."""
        ended = self.ending is not None or self.cluster.status not in (Status.running, Status.created)
        phase = ClusterPhase.ENDED if ended else ClusterPhase.PAUSED if self.paused else ClusterPhase.ON
        remaining = IDLE_SECONDS - self.idle_seconds
        return models.Cluster(
            name=self.name,
            phase=phase,
            shape=self.shape,
            size=self.size,
            address=self.cluster.scheduler_address or "",
            dashboard=context.dashboard_path(self.name),
            since=self.since,
            workers=() if ended else status.workers(self.cluster, self.jobs),
            tasks=models.Tasks() if ended else status.tasks(self.cluster.scheduler),
            cpu_hours=self.cost.cpu_hours,
            gpu_hours=self.cost.gpu_hours,
            trouble=self.trouble,
            idle_end=max(remaining, 0) if remaining < IDLE_WARNING_SECONDS else None,
        )

    async def close(self) -> None:
        """End the scheduler; never raises. What takes longer than :data:`CLOSE_SECONDS` goes on in the background."""
        closing = asyncio.ensure_future(self._close())
        await asyncio.wait({closing}, timeout=CLOSE_SECONDS)
        if not closing.done():
            log.warning("Cluster %s has not ended after %.0f s", self.name, CLOSE_SECONDS)

    async def _close(self) -> None:
        try:
            closing = self.cluster.close()
            if closing is not None:
                await closing
        except Exception:
            log.exception("Cluster %s did not end in order", self.name)
