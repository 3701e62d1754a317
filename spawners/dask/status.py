"""Current state of a cluster from its scheduler and Slurm, and its cost so far."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub.dask.models import Shape, Tasks, Worker, WorkerPhase
from hub.slurm import reasons
from hub.slurm.jobs import Job, Phase

PAUSED = "The cluster has paused it. It goes on by itself."


@dataclass
class Cost:
    """Core hours and GPU hours of the cluster's jobs so far."""

    cpu_hours: float = 0.0
    gpu_hours: float = 0.0
    _last: float = 0.0

    def count(self, jobs: Mapping[int, Job], shape: Shape) -> None:
        """Add the time since the last call for every job that runs."""
        now = time.monotonic()
        if self._last:
            running = sum(job.phase is Phase.RUNNING for job in jobs.values())
            hours = running * (now - self._last) / 3600
            self.cpu_hours += hours * shape.cores
            self.gpu_hours += hours * shape.gpus
        self._last = now


def workers(cluster: Any, jobs: Mapping[int, Job]) -> tuple[Worker, ...]:
    """All requested workers, ordered by name."""
    known = {str(worker.name): worker for worker in cluster.scheduler.workers.values()}
    own = cluster.jobs
    return tuple(
        _working(name, own.get(name, ""), known[name], jobs)
        if name in known
        else _coming(name, own.get(name, ""), jobs)
        for name in sorted({*map(str, cluster.worker_spec), *known}, key=_order)
    )


def joined(cluster: Any) -> set[str]:
    """Names of the workers that have joined."""
    return {str(worker.name) for worker in cluster.scheduler.workers.values()}


def _order(name: str) -> tuple[str, int]:
    head, _, number = name.rpartition("-")
    return head, int(number) if number.isdigit() else 0


def _working(name: str, job: str, worker: Any, jobs: Mapping[int, Job]) -> Worker:
    metrics = worker.metrics
    network = metrics.get("host", {}).get("network_io", {})
    ending = worker.status.name.startswith("closing")
    known = jobs.get(int(job)) if job.isdigit() else None
    words = "Its time is over; another one takes its place." if ending else ""
    if known is not None and known.is_paused:
        words = PAUSED
    return Worker(
        name=name,
        job=job,
        phase=WorkerPhase.ENDING if ending else WorkerPhase.WORKING,
        words=words,
        node=known.node if known else "",
        cpu=float(metrics.get("cpu", 0)),
        memory=int(metrics.get("memory", 0)),
        memory_limit=int(worker.memory_limit or 0),
        spilled=int(_spilled(metrics)),
        reads=float(network.get("read_bps", 0)),
        writes=float(network.get("write_bps", 0)),
        processing=len(worker.processing),
    )


def _spilled(metrics: Mapping[str, Any]) -> float:
    spilled = metrics.get("spilled_bytes", 0)
    return float(spilled.get("disk", 0) if isinstance(spilled, Mapping) else spilled)


def _coming(name: str, job: str, jobs: Mapping[int, Job]) -> Worker:
    known = jobs.get(int(job)) if job.isdigit() else None
    if known is None:
        sentence = "It is being handed to Slurm." if not job else "Slurm is about to look at it."
        return Worker(name=name, job=job, phase=WorkerPhase.WAITING, words=sentence)
    if known.phase is Phase.WAITING:
        return Worker(name=name, job=job, phase=WorkerPhase.WAITING, words=str(reasons.waiting(known)))
    if known.is_paused:
        return Worker(name=name, job=job, phase=WorkerPhase.WAITING, words=PAUSED, node=known.node)
    if known.phase is Phase.RUNNING:
        return Worker(
            name=name, job=job, phase=WorkerPhase.STARTING, words="Its node is ready; Python starts.", node=known.node
        )
    return Worker(name=name, job=job, phase=WorkerPhase.LOST, words=reasons.state(known.state), node=known.node)


def tasks(scheduler: Any) -> Tasks:
    """Task counts that the scheduler keeps, so reading them does not depend on the number of tasks."""
    counted: Counter[str] = Counter()
    for prefix in scheduler.task_prefixes.values():
        counted.update(prefix.states)
    return Tasks(
        waiting=counted["waiting"] + counted["queued"] + counted["no-worker"],
        processing=counted["processing"],
        done=counted["memory"],
        erred=counted["erred"],
    )
