"""Cost and expected start of a choice, and a faster alternative, before submission."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

from cachetools import TTLCache

from hub.errors import InvalidInput, SlurmError, SlurmUnavailable
from hub.formats import quantity
from hub.language import duration, translate, translate_many
from hub.slurm import reasons
from hub.slurm.cluster import Cluster, Node, Trial
from spawners.job.request import SpawnRequest
from spawners.options import validation
from spawners.options.offer import Offer, ProjectOffer

Ask = Callable[[SpawnRequest], Awaitable[Trial]]
Look = Callable[[], Awaitable[Cluster]]
"""The cluster as it is now: the view that pages share may be from before jobs started or ended."""

KEPT_SECONDS = 30.0
"""How long one answer of Slurm counts for the same question of the same person."""
A_MINUTE = 20
"""Trials of all people together: each is a command for Slurm."""
A_PERSON = 10
"""Of those, one person's: somebody who asks without end keeps nobody else from asking."""
NOW = timedelta(minutes=1)
SOONER = timedelta(minutes=2)
"""An alternative has to be that much earlier to be worth a word."""


class TooMany(Exception):
    """Too many estimates were requested; Slurm is not called."""


class Estimates:
    """Estimates, with a cache and a limit of trials per minute."""

    def __init__(self) -> None:
        # Size of the cache; more are not requested within its time.
        self._answers: TTLCache[tuple[str, SpawnRequest], Trial | SlurmError] = TTLCache(A_MINUTE, KEPT_SECONDS)
        self._recent_trials: deque[tuple[float, str]] = deque(maxlen=A_MINUTE)
        """When the last trials were, and whose."""

    async def of(
        self, name: str, request: SpawnRequest, offer: Offer, cluster: Cluster, *, trial: Ask, look: Look
    ) -> dict[str, Any]:
        """``{"cost", "left"}``, and of ``"start"`` (ISO, UTC), ``"starts"``, ``"refused"``, ``"unknown"`` and
        ``"sooner"`` (``{"words", "values"}``) what there is to say."""
        answer: dict[str, Any] = cost(request, offer.project(request.account))
        try:
            trial_result = await self._tried(name, request, trial)
        except (SlurmUnavailable, TooMany):
            return answer | {"unknown": translate("The expected start is not known at the moment.")}
        except SlurmError as error:
            if not any(node.in_service for node in _nodes(request, cluster)):
                # --test-only considers nodes that are up; a submitted job waits for others, too.
                return answer | {"unknown": str(reasons.reason("ReqNodeNotAvail"))}
            refusal = reasons.refusal(error.message)
            return answer | {"refused": f"{refusal.means} {refusal.todo}".strip()}
        now = datetime.now(UTC)
        starts = when(trial_result.start, now)
        answer["start"] = trial_result.start.isoformat()
        answer["starts"] = translate("Starts {when}").format(when=starts)
        if trial_result.start - now <= SOONER:
            return answer
        cluster = await look()
        if has_room(request, cluster):
            words = translate("Nodes with room for it are free, so it may start soon. Slurm's own forecast is: {when}.")
            return answer | {"starts": words.format(when=starts)}
        return answer | {"sooner": await self._sooner(name, request, trial_result.start, offer, cluster, trial=trial)}

    async def _sooner(
        self, name: str, request: SpawnRequest, start: datetime, offer: Offer, cluster: Cluster, *, trial: Ask
    ) -> dict[str, Any] | None:
        """An alternative that starts earlier according to Slurm: the first with a free node, else the first of all."""
        others = list(alternatives(request, offer))
        free = (other for other in others if has_room(other, cluster))
        best = next(free, None) or next(iter(others), None)
        if best is None:
            return None
        try:
            trial_result = await self._tried(name, best, trial)
        except (SlurmError, TooMany):
            return None
        if start - trial_result.start < SOONER:
            return None
        words = translate("{change} it starts {when}.").format(
            change=difference(request, best), when=when(trial_result.start, datetime.now(UTC))
        )
        return {"words": words, "values": best.model_dump(exclude={"profile"})}

    async def _tried(self, name: str, request: SpawnRequest, trial: Ask) -> Trial:
        answer = self._answers.get((name, request))
        if answer is None:
            now = time.monotonic()
            recent_askers = [whose for at, whose in self._recent_trials if now - at < 60]
            if len(recent_askers) >= A_MINUTE or recent_askers.count(name) >= A_PERSON:
                raise TooMany
            self._recent_trials.append((now, name))
            try:
                answer = await trial(request)
            except SlurmUnavailable:
                raise
            except SlurmError as error:
                answer = error
            self._answers[name, request] = answer
        if isinstance(answer, SlurmError):
            raise answer
        return answer


def cost(request: SpawnRequest, project: ProjectOffer | None) -> dict[str, str]:
    """Hours of a run up to the time limit, and the project's remaining hours afterwards."""
    cores, gpus = request.cpus * request.minutes, request.gpus * request.minutes
    parts = [_core_hours(cores)] + [_gpu_hours(gpus)] * bool(gpus)
    amounts_left = []
    if project is not None and project.cpu_minutes is not None:
        amounts_left.append(_core_hours(max(0, project.cpu_minutes - cores)))
    if project is not None and project.gpu_minutes is not None and gpus:
        amounts_left.append(_gpu_hours(max(0, project.gpu_minutes - gpus)))
    return {"cost": " · ".join(parts), "left": " · ".join(amounts_left)}


def _core_hours(minutes: int) -> str:
    return translate_many("{n} core-hour", "{n} core-hours", ceil(minutes / 60)).format(n=quantity(minutes / 60))


def _gpu_hours(minutes: int) -> str:
    return translate_many("{n} GPU-hour", "{n} GPU-hours", ceil(minutes / 60)).format(n=quantity(minutes / 60))


def when(start: datetime, now: datetime) -> str:
    """``now`` or ``in 6 min``."""
    if start - now < NOW:
        return translate("now")
    return translate("in {time}").format(time=duration((start - now).total_seconds()))


def alternatives(request: SpawnRequest, offer: Offer) -> Iterator[SpawnRequest]:
    """Valid alternatives, smallest changes first: another partition, any GPU, fewer resources, shorter."""
    project = offer.project(request.account)
    partitions = () if project is None else dict.fromkeys(partition.name for partition in project.partitions)
    changes: list[dict[str, Any]] = [
        {"partition": name, "qos": "", "reservation": ""}
        for name in partitions
        if name != request.partition and name in offer.proposed
    ]
    if request.gpu_type:
        changes.append({"gpu_type": ""})
    changes.append({"cpus": max(1, request.cpus // 2), "memory_gb": max(1, request.memory_gb // 2)})
    changes.append({"cpus": 1, "memory_gb": min(2, request.memory_gb)})
    changes.append({"minutes": max(30, request.minutes // 4)})
    for change in changes:
        other = request.model_copy(update=change)
        if other == request or (not request.gpus and _has_gpus(other, project)):
            continue
        try:
            validation.check(other, offer)
        except InvalidInput:
            continue
        yield other


def _has_gpus(request: SpawnRequest, project: ProjectOffer | None) -> bool:
    """Whether the partition has GPUs; alternatives for jobs without GPUs leave such partitions out."""
    place = None if project is None else project.partition(request.partition, request.qos)
    return place is not None and any(place.gpu_types.values())


def has_room(request: SpawnRequest, cluster: Cluster) -> bool:
    """Whether a node of the partition has enough free resources, as far as the last look at the cluster shows."""
    return any(validation.fits_now(node, request) for node in _nodes(request, cluster))


def _nodes(request: SpawnRequest, cluster: Cluster) -> Iterator[Node]:
    return (node for node in cluster.nodes if request.partition in node.partitions)


def difference(request: SpawnRequest, other: SpawnRequest) -> str:
    """The changes of an alternative, as text."""
    if other.partition != request.partition:
        return translate("In “{name}”").format(name=other.partition)
    if other.minutes != request.minutes:
        return translate("For {time}").format(time=duration(60 * other.minutes))
    if other.gpu_type != request.gpu_type:
        return translate("With any kind of GPU")
    return translate("With {cores} cores and {memory} GB").format(cores=other.cpus, memory=other.memory_gb)
