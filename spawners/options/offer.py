"""What a person may request now, and the source of each limit. Pure; used by spawn page, validation and Dask."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from hub.slurm.cluster import Association, Cluster, Node, Partition, Reservation
from hub.slurm.jobs import Minutes
from spawners.options.slurm_limits import Bound, SlurmLimits, ancestors, number_of

if TYPE_CHECKING:  # not installed in the environment of a person's server
    from hub.settings import Settings

UNKNOWN_VERSION = (0, 0)
HIERARCHICAL_ACCOUNTS = (23, 2)
"""From this version of Slurm on, accounts that a partition names stand for those below them, too."""
SOON = timedelta(hours=24)
"""How long before its start a reservation can be chosen."""


@dataclass(frozen=True)
class PartitionOffer:
    """A partition under one QOS, as one project may use it. Memory in GB, time in minutes."""

    name: str
    qos: str
    cpus: Bound
    memory_gb: Bound
    gpus: Bound
    gpu_types: Mapping[str, int]
    """The most GPUs of each kind that one job may have; "" where the site names no kinds."""
    minutes: Bound
    nodes: tuple[Node, ...] = ()
    is_default: bool = True
    """Whether Slurm takes this QOS for a job that names none."""


@dataclass(frozen=True)
class ProjectOffer:
    """A Slurm account. Minutes left are core-minutes and GPU-minutes; None: no limit."""

    account: str
    cpu_minutes: int | None
    gpu_minutes: int | None
    default_qos: str
    partitions: tuple[PartitionOffer, ...]
    lineage: frozenset[str] = frozenset()
    """The account and those above it."""

    def partition(self, partition: str, qos: str) -> PartitionOffer | None:
        """This partition under this QOS; "" is Slurm's default QOS."""
        offers = (offer for offer in self.partitions if offer.name == partition)
        return next((offer for offer in offers if (offer.qos == qos if qos else offer.is_default)), None)


@dataclass(frozen=True)
class Offer:
    """Everything that a person may request. ``known`` False: Slurm has not answered yet, so it checks at submission."""

    projects: tuple[ProjectOffer, ...] = ()
    reservations: tuple[Reservation, ...] = ()
    environments: Mapping[str, str] = field(default_factory=dict)
    """Titles by name, beside the standard one."""
    known: bool = True
    now: datetime | None = None
    proposed: frozenset[str] = frozenset()
    """Partitions that are for notebooks; no other one is proposed."""

    def project(self, account: str) -> ProjectOffer | None:
        return next((project for project in self.projects if project.account == account), None)


def notebook_partitions(settings: Settings) -> frozenset[str]:
    """Partitions that the settings name for notebooks; others may be for transfers or for workers alone."""
    profiles = {profile.partition for profile in settings.spawn.profiles}
    names = {settings.slurm.partition, settings.slurm.gpu_partition, *profiles, *settings.spawn.partitions}
    return frozenset(names - {""})


def offer_for(cluster: Cluster, *, user: str, groups: Collection[str], settings: Settings, now: datetime) -> Offer:
    """Offer for ``user``, a member of the OS ``groups``, at ``now`` (UTC)."""
    environments = {software.name: software.title for software in settings.spawn.environments}
    if cluster.as_of is None:
        return Offer(environments=environments, known=False, now=now)
    associations = [
        entry
        for entry in cluster.associations
        if entry.user == user and not any(level.closed for level in ancestors(entry, cluster))
    ]
    if not cluster.accounting:
        associations = [Association(settings.slurm.default_account, user)]
    accounts = list(dict.fromkeys(association.account for association in associations))
    projects = [_project(account, associations, cluster, groups) for account in accounts]
    projects = [project for project in projects if project.partitions]
    default_account = settings.slurm.default_account
    reservations = [
        reservation
        for reservation in cluster.reservations
        if reservation.start - SOON <= now < reservation.end
        and any(_may_use(reservation, user, project.lineage, groups) for project in projects)
    ]
    return Offer(
        projects=tuple(
            sorted(
                projects, key=lambda entry: (entry.cpu_minutes == 0, entry.account == default_account, entry.account)
            )
        ),
        reservations=tuple(reservations),
        environments=environments,
        now=now,
    )


def _project(
    account: str, associations: Iterable[Association], cluster: Cluster, groups: Collection[str]
) -> ProjectOffer:
    own = [association for association in associations if association.account == account]
    partitions = []
    for partition in cluster.partitions:
        association = next((entry for entry in own if entry.partition == partition.name), None) or next(
            (entry for entry in own if not entry.partition), None
        )
        if association is None or not _admits(partition, association, cluster, groups):
            continue
        default_qos = _default_qos(association, cluster)
        for qos in _qos_names(association, partition, default_qos):
            limits = SlurmLimits(partition, qos, association, cluster)
            if limits.accept_jobs():
                offer = _partition(partition, qos, limits, cluster)
                partitions.append(replace(offer, is_default=qos == default_qos))
    return ProjectOffer(
        account=account,
        cpu_minutes=_left(account, cluster, lambda usage: usage.cpu),
        gpu_minutes=_left(account, cluster, lambda usage: usage.gpu),
        default_qos=_default_qos(own[0], cluster),
        partitions=tuple(partitions),
        lineage=_lineage(own[0], cluster),
    )


def _lineage(association: Association, cluster: Cluster) -> frozenset[str]:
    return frozenset(entry.account for entry in ancestors(association, cluster))


def _admits(partition: Partition, association: Association, cluster: Cluster, groups: Collection[str]) -> bool:
    if not (partition.up and partition.open):
        return False
    if partition.allow_groups is not None and not partition.allow_groups & set(groups):
        return False
    own, version = {association.account}, cluster.system.version
    lineage = _lineage(association, cluster)
    if partition.allow_accounts is not None:  # Slurm ignores DenyAccounts then
        return bool(partition.allow_accounts & (lineage if version >= HIERARCHICAL_ACCOUNTS else own))
    return not partition.deny_accounts & (own if UNKNOWN_VERSION < version < HIERARCHICAL_ACCOUNTS else lineage)


def _default_qos(association: Association, cluster: Cluster) -> str:
    """The QOS that Slurm takes for a job that names none; "" if the site has none.

    It is the association's default, else its only one, else the default of the root account, else ``normal``.
    """
    if association.default_qos or not association.qos:
        return association.default_qos
    if len(association.qos) == 1:
        return association.qos[0]
    root = next((entry for entry in cluster.associations if (entry.account, entry.user) == ("root", "")), None)
    return (root.default_qos if root else "") or "normal"


def _qos_names(association: Association, partition: Partition, default_qos: str) -> Iterator[str]:
    """QOS of the association that the partition accepts, the default one first; "" if the site has none."""
    names = sorted(association.qos, key=lambda name: name != default_qos) or [""]
    for name in names:
        if partition.allow_qos is not None:
            if name in partition.allow_qos:
                yield name
        elif name not in partition.deny_qos:
            yield name


def _partition(partition: Partition, qos_name: str, limits: SlurmLimits, cluster: Cluster) -> PartitionOffer:
    nodes = tuple(node for node in cluster.nodes if partition.name in node.partitions)
    kinds = _kinds(nodes)
    gpus = limits.most("gres/gpu", max(kinds.values(), default=0))
    return PartitionOffer(
        name=partition.name,
        qos=qos_name,
        cpus=limits.most("cpu", max((node.cpus for node in nodes), default=0), partition.max_cpus),
        memory_gb=_gb(limits.most("mem", max((node.memory_mb for node in nodes), default=0), partition.max_memory_mb)),
        gpus=gpus,
        gpu_types={
            kind: min(number_of(gpus), number_of(limits.most(f"gres/gpu:{kind}", count)))
            for kind, count in kinds.items()
        },
        minutes=limits.minutes(),
        nodes=nodes,
    )


def _kinds(nodes: Iterable[Node]) -> dict[str, int]:
    kinds: dict[str, int] = {}
    for node in nodes:
        for gpus in node.gpus:
            kinds[gpus.kind] = max(kinds.get(gpus.kind, 0), gpus.total)
    return kinds


def _gb(bound: Bound) -> Bound:
    return Bound(None if bound.most is None else bound.most // 1024, bound.giver)


def default_partition(
    offers: Iterable[PartitionOffer], cluster: Cluster, preferred: Iterable[str], gpus: int = 0
) -> str:
    """Partition of jobs that name none: the first of the ``preferred`` ones that has nodes for the project and ``gpus``
    GPUs, or that is switched off just now, else the first other one; "" if there is none."""
    names = [offer.name for offer in offers if offer.nodes and number_of(offer.gpus) >= gpus]
    switched_off = {partition.name for partition in cluster.partitions if not partition.up}
    return next((name for name in preferred if name in {*names, *switched_off}), names[0] if names else "")


def limits_at_a_time(account: str, user: str, offer: PartitionOffer, cluster: Cluster, tres: str) -> tuple[Bound, ...]:
    """Bounds on all jobs of a person in a partition together; ``tres``: ``cpu``, ``mem`` (MB) or ``gres/gpu``."""
    name = offer.name
    partition = next((entry for entry in cluster.partitions if entry.name == name), Partition(name))
    own = [entry for entry in cluster.associations if (entry.account, entry.user) == (account, user)]
    association = next((entry for entry in own if entry.partition in ("", name)), Association(account, user))
    return tuple(SlurmLimits(partition, offer.qos, association, cluster).together(tres))


def _left(account: str, cluster: Cluster, kind: Callable[..., Minutes]) -> int | None:
    """Minutes left of the account and its parents, whichever is less."""
    accounts = (association.account for association in ancestors(Association(account), cluster))
    budgets = [kind(cluster.usage[name]) for name in accounts if name in cluster.usage]
    return min((max(0, budget.limit - budget.used) for budget in budgets if budget.limit is not None), default=None)


def _may_use(reservation: Reservation, user: str, lineage: Collection[str], groups: Collection[str]) -> bool:
    """Whether a reservation admits a person by all the users, accounts and groups that it names.

    An account stands for those below it, in every version of Slurm.
    """
    return not reservation.maintenance and all(
        admitted(names, own_names)
        for names, own_names in (
            (reservation.users, {user}),
            (reservation.accounts, lineage),
            (reservation.groups, groups),
        )
    )


def admitted(names: Collection[str], own_names: Collection[str]) -> bool:
    """Whether a list of a reservation admits one of ``own_names``; a name with a minus in front is excluded."""
    if not names:
        return True
    excluded = {name[1:] for name in names if name.startswith("-")}
    return not (excluded & set(own_names)) if excluded else bool(set(names) & set(own_names))
