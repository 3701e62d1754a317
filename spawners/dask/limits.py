"""What workers this person may have, and how many: the site's limits and the project's hours, asked for as the person.

What is left of the project comes from Atrium's API: Slurm shows an account's use to operators only.
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
from hub.slurm import inventory, reasons
from hub.slurm.cluster import Cluster
from hub.slurm.quoting import word
from spawners.dask import slurm
from spawners.node.place import Place
from spawners.options import limits

log = logging.getLogger(__name__)

FRESH_SECONDS = 60.0
FARTHEST = timedelta(days=3650)


@dataclass(frozen=True)
class Hours:
    """Left of the project, None: no limit, or not known."""

    cpu: float | None = None
    gpu: float | None = None

    @classmethod
    def told(cls, project: Mapping[str, Any] | None) -> Hours:
        """Out of what :class:`spawners.node.hours.ProjectHours` says."""
        left = {} if project is None else {kind: project[kind] for kind in ("cpu", "gpu")}
        return cls(**{kind: hours["left"] for kind, hours in left.items() if hours["granted"] or kind == "gpu"})


class Site:
    """The cluster as the person sees it, asked for at most once a minute."""

    def __init__(self, place: Place, user: str = "") -> None:
        self.place = place
        self._user = user or getpass.getuser()
        self._cluster = Cluster()
        self._asked = float("-inf")
        self._lock = asyncio.Lock()

    async def cluster(self) -> Cluster:
        """Raises :class:`SlurmError` when Slurm cannot be asked and never could be."""
        async with self._lock:
            if time.monotonic() - self._asked > FRESH_SECONDS:
                try:
                    self._cluster = await self._ask()
                except SlurmError:
                    if self._cluster.as_of is None:
                        raise
                self._asked = time.monotonic()
        return self._cluster

    async def _ask(self) -> Cluster:
        questions = (inventory.nodes(), inventory.partitions(), inventory.qos(), inventory.associations())
        nodes, partitions, qos, associations = await asyncio.gather(*map(slurm.run, questions))
        return Cluster(
            nodes=inventory.parse_nodes(nodes),
            partitions=inventory.parse_partitions(partitions),
            qos=inventory.parse_qos(qos),
            associations=inventory.parse_associations(associations),
            as_of=datetime.now(UTC),
        )

    async def places(self) -> tuple[limits.Place, ...]:
        """Partitions that take jobs of this project under its default QOS."""
        cluster = await self.cluster()
        nothing_else = cast(
            Any, SimpleNamespace(spawn=SimpleNamespace(environments=()), slurm=SimpleNamespace(default_account=""))
        )
        have = limits.offer(cluster, user=self._user, groups=_groups(), settings=nothing_else, now=datetime.now(UTC))
        project = have.project(self.place.account)
        if project is None:
            return ()
        found: dict[str, limits.Place] = {}
        for one in project.places:
            if one.nodes and (one.partition not in found or one.qos == project.default_qos):
                found[one.partition] = one
        usual = self.place.partition
        return tuple(sorted(found.values(), key=lambda one: one.partition != usual))

    async def most(self, shape: Shape, hours: Hours, minutes: int) -> tuple[int, str]:
        """How many such workers limits and hours allow at a time, and why not more."""
        cluster, places = await self.cluster(), await self.places()
        partition = shape.partition or self.place.partition
        place = next((one for one in places if one.partition == partition), None)
        bounds = [(models.MOST_WORKERS, f"One cluster has at most {models.MOST_WORKERS} workers.")]
        if place is not None:
            bounds.extend(self.by_limits(shape, place, cluster))
        bounds.extend(_by_hours(shape, hours, minutes))
        return min(bounds, key=lambda bound: bound[0])

    def by_limits(self, shape: Shape, place: limits.Place, cluster: Cluster) -> Iterator[tuple[int, str]]:
        needs = {"cpu": shape.cores, "mem": shape.memory_gb * 1024, "gres/gpu": shape.gpus}
        units = {"cpu": "cores", "mem": "MB of memory", "gres/gpu": "GPUs"}
        for tres, each in needs.items():
            for bound in limits.at_a_time(self.place.account, self._user, place, cluster, tres):
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

    found = []
    for number in os.getgroups():
        try:
            found.append(grp.getgrgid(number).gr_name)
        except KeyError:
            continue
    return found


async def offer(site: Site, hours: Hours, seconds_left: float | None) -> Offer:
    """What a worker may be; with a trouble in it when Slurm cannot be asked."""
    known: dict[str, Any] = {
        "account": site.place.account,
        "cpu_hours": hours.cpu,
        "gpu_hours": hours.gpu,
        "seconds_left": seconds_left,
    }
    try:
        places, cluster = await site.places(), await site.cluster()
    except SlurmError as error:
        return Offer(places=(), trouble=Trouble(message=error.message, hint=error.hint), **known)
    offered = []
    for one in places:
        workers, _ = min(site.by_limits(Shape(memory_gb=1), one, cluster), default=(None, ""))
        offered.append(
            models.Place(
                partition=one.partition,
                cores=one.cpus.most or 1,
                memory_gb=one.memory_gb.most or 1,
                gpus=one.gpus.most or 0,
                gpu_types=tuple(kind for kind in one.gpu_types if kind),
                minutes=one.minutes.most,
                workers=workers,
            )
        )
    return Offer(places=tuple(offered), **known)


async def estimate(site: Site, shape: Shape, size: Size, *, hours: Hours, minutes: int) -> Estimate:
    """What these workers would cost, and when the first would start."""
    most, why = await site.most(shape, hours, minutes)
    workers = min(size.maximum, most)
    cpu, gpu = float(shape.cores * workers), float(shape.gpus * workers)
    told: dict[str, Any] = {
        "workers": workers,
        "reason": why if most < size.maximum else "",
        "cpu_per_hour": cpu,
        "gpu_per_hour": gpu,
        "hours_end": _end(hours, cpu, gpu),
        "minutes": minutes,
    }
    try:
        trial = inventory.parse_trial(
            await slurm.run(inventory.trial(), stdin=_script(site.place, shape, minutes), both=True)
        )
    except SlurmError as error:
        refused = reasons.refusal(error.message)
        return Estimate(refusal=Trouble(message=refused.means, hint=refused.todo), **told)
    return Estimate(start=trial.start, **told)


def _end(hours: Hours, cpu: float, gpu: float) -> datetime | None:
    spans = [left / rate for left, rate in ((hours.cpu, cpu), (hours.gpu, gpu)) if left is not None and rate > 0]
    if not spans or min(spans) * 3600 > FARTHEST.total_seconds():
        return None
    return datetime.now(UTC) + timedelta(hours=max(min(spans), 0))


def _script(place: Place, shape: Shape, minutes: int) -> str:
    """Only to be tried: what a worker's job asks Slurm for."""
    wanted = {
        "account": place.account,
        "partition": shape.partition or place.partition,
        "ntasks": 1,
        "cpus-per-task": shape.cores,
        "mem": f"{shape.memory_gb}G",
        "time": minutes,
        "gres": f"gpu:{f'{shape.gpu_type}:' if shape.gpu_type else ''}{shape.gpus}" if shape.gpus else "",
    }
    lines = [f"#SBATCH --{name}={word(value)}" for name, value in wanted.items() if value]
    return "\n".join(["#!/bin/sh", *lines, "true", ""])
