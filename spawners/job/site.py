"""Shared by all servers of this Hub: settings, Slurm client, queue watcher and ledger."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from hub.settings import Settings, load
from hub.slurm import naming
from hub.slurm.client import SlurmClient
from hub.slurm.cluster import ClusterWatcher
from hub.slurm.queue import QueueWatcher
from spawners.job.ledger import Ledger
from spawners.job.strays import Strays


@dataclass(frozen=True)
class Site:
    settings: Settings
    slurm: SlurmClient
    queue: QueueWatcher
    ledger: Ledger
    cluster: ClusterWatcher
    strays: Strays = field(default_factory=Strays)


@lru_cache(maxsize=1)
def site() -> Site:
    """The shared instance of this process."""
    settings = load()
    slurm = SlurmClient(settings.slurm)
    queue = QueueWatcher(
        slurm,
        naming.job_name(settings.spawn.gateway, naming.Kind.SERVER),
        waiting_seconds=settings.slurm.waiting_seconds,
        idle_seconds=settings.slurm.idle_seconds,
    )
    cluster = ClusterWatcher(slurm, seconds=settings.slurm.cluster_seconds)
    return Site(settings, slurm, queue, Ledger(settings.api.database_url), cluster)
