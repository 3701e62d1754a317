"""Allowed sizes and numbers of workers: Slurm's limits, requested as the person, and the project's hours.

Hours left come from Atrium's API, because Slurm shows an account's usage to operators only.
"""

from __future__ import annotations

import asyncio
import getpass
import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from hub.dask import models
from hub.dask.models import Estimate, Offer, Shape, Size, Trouble
from hub.errors import SlurmError
from hub.slurm import commands, inventory, reasons
from hub.slurm.cluster import Cluster
from hub.slurm.quoting import word
from spawners.dask import slurm
from spawners.node.job_context import JobContext
from spawners.options.offer import PartitionOffer, default_partition, limits_at_a_time, offer_for

log = logging.getLogger(__name__)

FRESH_SECONDS = 60.0
FARTHEST = timedelta(days=3650)


@dataclass(frozen=True)
class Hours:
    """Hours left of the project; None: no limit, or not known."""

    cpu: float | None = None
    gpu: float | None = None

    @classmethod
    def from_project(cls, project: Mapping[str, Any] | None) -> Hours:
        """From the dictionary of :class:`spawners.node.hours.ProjectHours`."""
        hours_left = {} if project is None else {kind: project[kind] for kind in ("cpu", "gpu")}
        return cls(**{kind: hours["left"] for kind, hours in hours_left.items() if hours["granted"] or kind == "gpu"})


class Site:
    """The cluster as the person sees it, refreshed at most once a minute."""

    def __init__(self, context: JobContext, user: str = "") -> None:
        self.context = context
        self._user = user or getpass.getuser()
        self._cluster = Cluster()
        self._asked_at = float("-inf")
        self._lock = asyncio.Lock()

    async def cluster(self) -> Cluster:
        """The cluster; raises :class:`SlurmError` if Slurm has never answered."""
        async with self._lock:
            if time.monotonic() - self._asked_at > FRESH_SECONDS:
                try:
                    self._cluster = await self._ask()
                except SlurmError:
                    if self._cluster.as_of is None:
                        raise
                self._asked_at = time.monotonic()
        return self._cluster

    async def _ask(self) -> Cluster:
        system = inventory.parse_system(await slurm.run(commands.configuration()))
        questions = (inventory.nodes(), inventory.partitions(), inventory.qos(), inventory.associations(system.name))
        nodes, partitions, qos, associations = await asyncio.gather(*map(slurm.run, questions))
        return Cluster(
            system=system,
            nodes=inventory.parse_nodes(nodes),
            partitions=inventory.parse_partitions(partitions),
            qos=inventory.parse_qos(qos),
            associations=inventory.parse_associations(associations),
            as_of=datetime.now(UTC),
        )

    async def partitions(self) -> tuple[PartitionOffer, ...]:
        """Partitions that accept jobs of this project under its default QOS."""
        cluster = await self.cluster()
        settings = cast(
            Any, SimpleNamespace(spawn=SimpleNamespace(environments=()), slurm=SimpleNamespace(default_account=""))
        )
        whole = offer_for(cluster, user=self._user, groups=_groups(), settings=settings, now=datetime.now(UTC))
        project = whole.project(self.context.account)
        if project is None:
            return ()
        offered = (partition for partition in project.partitions if partition.nodes and partition.is_default)
        return tuple(sorted(offered, key=lambda partition: partition.name != self.context.partition))

    async def partition_for(self, shape: Shape, own_partition: str) -> str:
        """The shape's partition, or else one that the project may use: the default, the server's own, or another one.

        "" if none is known; raises :class:`SlurmError` if Slurm has never answered.
        """
        preferred = (self.context.partition, own_partition)
        offers, cluster = await self.partitions(), await self.cluster()
        return shape.partition or default_partition(offers, cluster, preferred, shape.gpus)

    async def most(self, shape: Shape, hours: Hours, minutes: int) -> tuple[int, str]:
        """Largest number of such workers at a time by limits and hours, and the reason for the bound."""
        cluster, partitions = await self.cluster(), await self.partitions()
        name = shape.partition or self.context.partition
        partition = next((entry for entry in partitions if entry.name == name), None)
        bounds = [(models.MOST_WORKERS, f"One cluster has at most {models.MOST_WORKERS} workers.")]
        if partition is not None:
            bounds.extend(self.by_limits(shape, partition, cluster))
        bounds.extend(_by_hours(shape, hours, minutes))
        return min(bounds, key=lambda bound: bound[0])

    def by_limits(self, shape: Shape, partition: PartitionOffer, cluster: Cluster) -> Iterator[tuple[int, str]]:
        """Number of workers that each limit of Slurm allows, with its sentence."""
        needs = {"cpu": shape.cores, "mem": shape.memory_gb * 1024, "gres/gpu": shape.gpus}
        units = {"cpu": "cores", "mem": "MB of memory", "gres/gpu": "GPUs"}
        for tres, each in needs.items():
            for bound in limits_at_a_time(self.context.account, self._user, partition, cluster, tres):
                if each and bound.most is not None:
                    yield bound.most // each, f"{bound.giver} {bound.most} {units[tres]}.".replace("*", "")


def _by_hours(shape: Shape, hours: Hours, minutes: int) -> Iterator[tuple[int, str]]:
    """Slurm starts a job only if the project has hours for all of its time limit."""
    for kind, each, left in (("CPU", shape.cores, hours.cpu), ("GPU", shape.gpus, hours.gpu)):
        if each and left is not None:
            affordable = int(left * 60 // (each * minutes))
            yield max(affordable, 0), f"The project has {max(left, 0):.3g} {kind} hours left."


def _groups() -> list[str]:
    import grp
    import os

    names = []
    for number in os.getgroups():
        try:
            names.append(grp.getgrgid(number).gr_name)
        except KeyError:
            continue
    return names


async def offer(site: Site, hours: Hours, seconds_left: float | None) -> Offer:
    """Allowed sizes of workers; contains a trouble if Slurm does not answer."""
    known: dict[str, Any] = {
        "account": site.context.account,
        "cpu_hours": hours.cpu,
        "gpu_hours": hours.gpu,
        "seconds_left": seconds_left,
    }
    try:
        partitions, cluster = await site.partitions(), await site.cluster()
    except SlurmError as error:
        return Offer(places=(), trouble=Trouble(message=error.message, hint=error.hint), **known)
    places = []
    for partition in partitions:
        workers, _ = min(site.by_limits(Shape(memory_gb=1), partition, cluster), default=(None, ""))
        places.append(
            models.Place(
                partition=partition.name,
                cores=partition.cpus.most or 1,
                memory_gb=partition.memory_gb.most or 1,
                gpus=partition.gpus.most or 0,
                gpu_types=tuple(kind for kind in partition.gpu_types if kind),
                minutes=partition.minutes.most,
                workers=workers,
            )
        )
    return Offer(places=tuple(places), **known)


async def estimate(site: Site, shape: Shape, size: Size, *, hours: Hours, minutes: int) -> Estimate:
    """Cost of these workers and expected start of the first one."""
    most, why = await site.most(shape, hours, minutes)
    workers = min(size.maximum, most)
    cpu, gpu = float(shape.cores * workers), float(shape.gpus * workers)
    values: dict[str, Any] = {
        "workers": workers,
        "reason": why if most < size.maximum else "",
        "cpu_per_hour": cpu,
        "gpu_per_hour": gpu,
        "hours_end": _end(hours, cpu, gpu),
        "minutes": minutes,
    }
    try:
        trial = inventory.parse_trial(
            await slurm.run(inventory.trial(), stdin=_script(site.context, shape, minutes), both=True)
        )
    except SlurmError as error:
        refusal = reasons.refusal(error.message)
        return Estimate(refusal=Trouble(message=refusal.means, hint=refusal.todo), **values)
    return Estimate(start=trial.start, **values)


def _end(hours: Hours, cpu: float, gpu: float) -> datetime | None:
    spans = [left / rate for left, rate in ((hours.cpu, cpu), (hours.gpu, gpu)) if left is not None and rate > 0]
    if not spans or min(spans) * 3600 > FARTHEST.total_seconds():
        return None
    return datetime.now(UTC) + timedelta(hours=max(min(spans), 0))


def _script(context: JobContext, shape: Shape, minutes: int) -> str:
    """Job script with a worker's requests, for ``sbatch --test-only``."""
    directives = {
        "account": context.account,
        "partition": shape.partition or context.partition,
        "ntasks": 1,
        "cpus-per-task": shape.cores,
        "mem": f"{shape.memory_gb}G",
        "time": minutes,
        "gres": f"gpu:{f'{shape.gpu_type}:' if shape.gpu_type else ''}{shape.gpus}" if shape.gpus else "",
    }
    lines = [f"#SBATCH --{name}={word(value)}" for name, value in directives.items() if value]
    return "\n".join(["#!/bin/sh", *lines, "true", ""])
