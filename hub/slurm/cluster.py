"""Nodes, partitions, limits and associations of a cluster: one shared view, refreshed in the background.

Amounts: memory in MB, times in minutes; None is no limit.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from hub.errors import SlurmError
from hub.slurm.jobs import AccountUsage

log = logging.getLogger(__name__)

LOOKED_SECONDS = 300.0
"""For how long after somebody has looked the view is kept fresh."""
PATIENCE_SECONDS = 3.0
"""How long a page waits for a refresh if there is a view from before."""
SELDOM = 5
"""Partitions and QOS change by an administrator's hand: asked for every so many refreshes."""


@dataclass(frozen=True)
class Gpus:
    """GPUs of one type in one node; ``kind`` is "" if the site does not name types."""

    kind: str
    total: int
    free: int


@dataclass(frozen=True)
class Node:
    name: str
    state: str
    in_service: bool
    """Whether a job may start there sooner or later."""
    partitions: tuple[str, ...]
    cpus: int
    cpus_free: int
    memory_mb: int
    memory_free_mb: int
    gpus: tuple[Gpus, ...] = ()

    def also_in(self, partitions: tuple[str, ...]) -> Node:
        return replace(self, partitions=self.partitions + partitions)


@dataclass(frozen=True)
class Partition:
    name: str
    up: bool = True
    default: bool = False
    open: bool = True
    """Neither hidden nor root's alone."""
    reservation_only: bool = False
    qos: str = ""
    """QOS whose limits hold for every job in it."""
    max_minutes: int | None = None
    max_cpus: int | None = None
    """Of one job on one node."""
    max_memory_mb: int | None = None
    allow_accounts: frozenset[str] | None = None
    deny_accounts: frozenset[str] = frozenset()
    allow_groups: frozenset[str] | None = None
    allow_qos: frozenset[str] | None = None
    deny_qos: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Limits:
    """``job``, ``user`` and ``group``: resources (``cpu``, ``mem``, ``gres/gpu``, …) of one job, of all jobs of one
    person, of all jobs of everybody together."""

    minutes: int | None = None
    job: Mapping[str, int] = field(default_factory=dict)
    user: Mapping[str, int] = field(default_factory=dict)
    group: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Qos:
    name: str
    flags: frozenset[str] = frozenset()
    gives_way_to: tuple[str, ...] = ()
    """QOS whose jobs this one may push back into the queue (Slurm's Preempt)."""
    description: str = ""
    limits: Limits = Limits()


@dataclass(frozen=True)
class Association:
    """An account (``user`` is "") or a person's right to charge it, perhaps in one partition only."""

    account: str
    user: str = ""
    partition: str = ""
    parent: str = ""
    qos: tuple[str, ...] = ()
    default_qos: str = ""
    barred: bool = False
    """Whether nothing may be submitted on it (MaxSubmitJobs=0), by a limit that a row below may overrule."""
    closed: bool = False
    """Whether nothing may be submitted on it and below it (GrpSubmitJobs=0: a project that has ended, a member who has
    left)."""
    limits: Limits = Limits()


@dataclass(frozen=True)
class Reservation:
    name: str
    start: datetime
    end: datetime
    active: bool = True
    partition: str = ""
    users: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    maintenance: bool = False


@dataclass(frozen=True)
class Trial:
    """Where and when Slurm would start a job that was only tried (``sbatch --test-only``); UTC."""

    start: datetime
    cpus: int
    nodes: str
    partition: str = ""


@dataclass(frozen=True)
class Cluster:
    """The view at one moment. ``as_of`` None: never read; ``error``: why the view is out of date."""

    partitions: tuple[Partition, ...] = ()
    nodes: tuple[Node, ...] = ()
    reservations: tuple[Reservation, ...] = ()
    qos: tuple[Qos, ...] = ()
    associations: tuple[Association, ...] = ()
    usage: Mapping[str, AccountUsage] = field(default_factory=dict)
    as_of: datetime | None = None
    error: str = ""
    accounting: bool = True
    """False: this Slurm keeps no accounts, so there are neither projects nor limits of theirs."""


class Source(Protocol):
    """The part of :class:`hub.slurm.client.SlurmClient` that is used here."""

    async def nodes(self) -> tuple[Node, ...]: ...

    async def partitions(self) -> tuple[Partition, ...]: ...

    async def reservations(self) -> tuple[Reservation, ...]: ...

    async def qos(self) -> tuple[Qos, ...]: ...

    async def associations(self) -> tuple[Association, ...]: ...

    async def account_hours(self) -> dict[str, AccountUsage]: ...


class ClusterWatcher:
    """Keeps one view for all readers and refreshes it only while somebody chooses a size; one refresh at a time.

    If Slurm does not answer, the last view stays, with its age and the error.
    """

    def __init__(self, source: Source, *, seconds: float) -> None:
        self._source = source
        self._seconds = seconds
        self._looked_at = float("-inf")
        self._asked_at = float("-inf")
        self._heard_at = float("-inf")
        self._refreshes = 0
        self._refresh: asyncio.Task[None] | None = None
        self._background: asyncio.Task[None] | None = None
        self.cluster = Cluster()

    async def look(self, *, since: float = float("-inf")) -> Cluster:
        """The current view: a recent one at once, else after a refresh that all callers share.

        If Slurm takes longer than :data:`PATIENCE_SECONDS`, the view from before, whose age is in it.

        :param since: monotonic seconds; the refresh must have started after this, for example after a project was
            created.
        """
        now = self._looked_at = time.monotonic()
        failed_just_now = bool(self.cluster.error) and self._asked_at > now - self._seconds
        if self._heard_at < max(since, now - 2 * self._seconds) and not failed_just_now:
            may_be_old = self.cluster.as_of is not None and since == float("-inf")
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_SECONDS if may_be_old else None):
                    await self._shared_refresh()
        if self._background is None or self._background.done():
            self._background = asyncio.create_task(self._keep_fresh())
        return self.cluster

    async def _keep_fresh(self) -> None:
        while (now := time.monotonic()) - self._looked_at < LOOKED_SECONDS:
            if now - self._asked_at >= self._seconds:
                await self._shared_refresh()
            await asyncio.sleep(max(0.01, self._asked_at + self._seconds - time.monotonic()))

    async def _shared_refresh(self) -> None:
        if self._refresh is None or self._refresh.done():
            self._refresh = asyncio.create_task(self._ask())
        await asyncio.shield(self._refresh)

    async def _ask(self) -> None:
        asked_at = self._asked_at = time.monotonic()
        questions: dict[str, Awaitable[Any]] = {
            "nodes": self._source.nodes(),
            "reservations": self._source.reservations(),
            "associations": self._source.associations(),
            "usage": self._source.account_hours(),
        }
        if self._refreshes % SELDOM == 0:
            questions |= {"partitions": self._source.partitions(), "qos": self._source.qos()}
        answers = dict(zip(questions, await asyncio.gather(*questions.values(), return_exceptions=True), strict=True))
        accounting = not any(_keeps_no_accounts(answer) for answer in answers.values())
        known = {name: answer for name, answer in answers.items() if not isinstance(answer, BaseException)}
        failed = {
            name: answer
            for name, answer in answers.items()
            if isinstance(answer, BaseException) and not _keeps_no_accounts(answer)
        }
        for name, error in failed.items():
            log.warning("The cluster's %s could not be read; what we know of them stays: %s", name, error)
        if failed:
            self._refreshes = 0  # read partitions and QOS next time
            self.cluster = replace(self.cluster, **known, accounting=accounting, error=_sentence(failed))
            return
        self._refreshes += 1
        self._heard_at = asked_at
        self.cluster = replace(self.cluster, **known, accounting=accounting, error="", as_of=datetime.now(UTC))


def _keeps_no_accounts(answer: object) -> bool:
    return isinstance(answer, SlurmError) and "not running a supported accounting_storage" in answer.message.lower()


def _sentence(failed: Mapping[str, BaseException]) -> str:
    error = next(iter(failed.values()))
    return error.message if isinstance(error, SlurmError) else "What Slurm says of the cluster could not be read."
