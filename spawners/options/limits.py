"""What a person may have now, where each bound comes from, and whether a request keeps to it. Pure.

The order in which Slurm lets one limit overrule another is that of its manual (resource limits): the partition's QOS,
the job's QOS (the other way round for a QOS with the flag OverPartQOS), the person's association, the account and its
parents. The first that names a resource counts; what an account may use at a time counts at every level.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from hub.errors import InvalidInput
from hub.language import duration, mark, translate
from hub.slurm.cluster import Association, Cluster, Limits, Node, Partition, Qos, Reservation
from hub.slurm.jobs import Minutes

if TYPE_CHECKING:  # a person's server has neither the Hub's settings nor their library
    from hub.settings import Settings
    from spawners.job.request import SpawnRequest

SOON = timedelta(hours=24)
"""How long before its start a reservation can be chosen."""


@dataclass(frozen=True)
class Bound:
    """The most one may ask for (None: as much as one likes), and in words who says so ("“notebooks” gives …")."""

    most: int | None = None
    giver: str = ""


@dataclass(frozen=True)
class Place:
    """A partition under one QOS, as one project may use it. Memory in GB, time in minutes."""

    partition: str
    qos: str
    cpus: Bound
    memory_gb: Bound
    gpus: Bound
    gpu_types: Mapping[str, int]
    """The most GPUs of each kind that one job may have; "" where the site names no kinds."""
    minutes: Bound
    nodes: tuple[Node, ...] = ()


@dataclass(frozen=True)
class Project:
    """A Slurm account. Minutes left are core-minutes and GPU-minutes; None: without end."""

    account: str
    cpu_minutes: int | None
    gpu_minutes: int | None
    default_qos: str
    places: tuple[Place, ...]

    def place(self, partition: str, qos: str) -> Place | None:
        """``qos`` "" is what Slurm takes when none is asked for."""
        wanted = qos or self.default_qos
        return next((one for one in self.places if (one.partition, one.qos) == (partition, wanted)), None)


@dataclass(frozen=True)
class Offer:
    """All of it for one person. ``known`` False: Slurm was never heard, and it will have to judge itself."""

    projects: tuple[Project, ...] = ()
    reservations: tuple[Reservation, ...] = ()
    environments: Mapping[str, str] = field(default_factory=dict)
    """Titles by name, beside the standard one."""
    known: bool = True
    now: datetime | None = None

    def project(self, account: str) -> Project | None:
        return next((one for one in self.projects if one.account == account), None)


# -- the offer --------------------------------------------------------------------------------------------------------


def offer(cluster: Cluster, *, user: str, groups: Collection[str], settings: Settings, now: datetime) -> Offer:
    """What ``user``, a member of the OS ``groups``, may have at ``now`` (UTC)."""
    environments = {one.name: one.title for one in settings.spawn.environments}
    if cluster.as_of is None:
        return Offer(environments=environments, known=False, now=now)
    own = [one for one in cluster.associations if one.user == user and not one.barred]
    if not cluster.accounting:
        own = [Association(settings.slurm.default_account, user)]
    accounts = list(dict.fromkeys(one.account for one in own))
    projects = tuple(_project(account, own, cluster, groups) for account in accounts)
    usable = [project for project in projects if project.places]
    names = [project.account for project in usable]
    usual = settings.slurm.default_account
    open_to_them = (one for one in cluster.reservations if any(_may_use(one, user, name, groups) for name in names))
    return Offer(
        projects=tuple(sorted(usable, key=lambda one: (one.cpu_minutes == 0, one.account != usual, one.account))),
        reservations=tuple(one for one in open_to_them if one.start - SOON <= now < one.end),
        environments=environments,
        now=now,
    )


def _project(account: str, own: Iterable[Association], cluster: Cluster, groups: Collection[str]) -> Project:
    ours = [one for one in own if one.account == account]
    default = next((one.default_qos for one in ours if one.default_qos), "")
    places = []
    for partition in cluster.partitions:
        association = next((one for one in ours if one.partition == partition.name), None) or next(
            (one for one in ours if not one.partition), None
        )
        if association is None or not _admits(partition, account, groups):
            continue
        for qos in _choosable(association, partition, default):
            places.append(_place(partition, qos, association, cluster))
    return Project(
        account=account,
        cpu_minutes=_left(account, cluster, lambda usage: usage.cpu),
        gpu_minutes=_left(account, cluster, lambda usage: usage.gpu),
        default_qos=default,
        places=tuple(places),
    )


def _admits(partition: Partition, account: str, groups: Collection[str]) -> bool:
    if not (partition.up and partition.open):
        return False
    if partition.allow_groups is not None and not partition.allow_groups & set(groups):
        return False
    if partition.allow_accounts is not None:  # Slurm does not look at DenyAccounts then
        return account in partition.allow_accounts
    return account not in partition.deny_accounts


def _choosable(association: Association, partition: Partition, default: str) -> Iterator[str]:
    """QOS, the default one first; "" where the site has none."""
    names = sorted(association.qos, key=lambda name: name != (association.default_qos or default)) or [""]
    for name in names:
        if partition.allow_qos is not None:
            if name in partition.allow_qos:
                yield name
        elif name not in partition.deny_qos:
            yield name


def _place(partition: Partition, qos_name: str, association: Association, cluster: Cluster) -> Place:
    limits = _Reader(partition, qos_name, association, cluster)
    nodes = tuple(node for node in cluster.nodes if partition.name in node.partitions)
    kinds = _kinds(nodes)
    gpus = limits.most("gres/gpu", max(kinds.values(), default=0))
    return Place(
        partition=partition.name,
        qos=qos_name,
        cpus=limits.most("cpu", max((node.cpus for node in nodes), default=0), partition.max_cpus),
        memory_gb=_gb(limits.most("mem", max((node.memory_mb for node in nodes), default=0), partition.max_memory_mb)),
        gpus=gpus,
        gpu_types={
            kind: min(_number(gpus), _number(limits.most(f"gres/gpu:{kind}", count))) for kind, count in kinds.items()
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


def _number(bound: Bound) -> int:
    return 0 if bound.most is None else bound.most


class _Reader:
    """Limits in Slurm's own order, for one partition, QOS and association."""

    def __init__(self, partition: Partition, qos: str, association: Association, cluster: Cluster) -> None:
        by_name = {one.name: one for one in cluster.qos}
        own = by_name.get(qos, Qos(qos))
        layers = [(partition.name, by_name[partition.qos].limits)] if partition.qos in by_name else []
        layers.insert(0 if "OverPartQOS" in own.flags else len(layers), (qos, own.limits))
        self._partition = partition
        self._qos = own
        self._layers: list[tuple[str, Limits]] = layers
        self._association = association
        self._chain = list(_upwards(association, cluster))

    def most(self, tres: str, node: int, partition: int | None = None) -> Bound:
        """The least of what a node has, the partition gives and the limits leave."""
        name = f"“{self._partition.name}”"
        bounds = [Bound(node, translate(mark("a node of {name} has")).format(name=name))]
        if partition is not None:
            bounds.append(Bound(partition, translate(mark("{name} gives one job")).format(name=name)))
        bounds.extend(self._limits(tres))
        return min(bounds, key=_number)

    def _limits(self, tres: str) -> Iterator[Bound]:
        account = f"“{self._association.account}”"
        job = next(((giver, limits.job[tres]) for giver, limits in self._layers if tres in limits.job), None)
        if job is not None:
            yield Bound(job[1], translate(mark("{name} gives one job")).format(name=f"“{job[0]}”"))
        elif tres in self._association.limits.job:
            words = translate(mark("the project {name} gives one job")).format(name=account)
            yield Bound(self._association.limits.job[tres], words)
        yield from self.together(tres)

    def together(self, tres: str) -> Iterator[Bound]:
        """Bounds of what several jobs have at a time: a person's, everybody's, the project's."""
        for giver, limits in self._layers:
            if tres in limits.user:
                yield Bound(limits.user[tres], translate(mark("{name} gives one person")).format(name=f"“{giver}”"))
                break
        for giver, limits in self._layers:
            if tres in limits.group:
                words = translate(mark("{name} gives everybody together")).format(name=f"“{giver}”")
                yield Bound(limits.group[tres], words)
                return
        for one in self._chain:
            if tres in one.limits.group:
                words = translate(mark("the project {name} may use at a time")).format(name=f"“{one.account}”")
                yield Bound(one.limits.group[tres], words)

    def minutes(self) -> Bound:
        bounds = []
        if "PartitionTimeLimit" not in self._qos.flags:
            words = translate(mark("{name} gives")).format(name=f"“{self._partition.name}”")
            bounds.append(Bound(self._partition.max_minutes, words))
        wall = next(((giver, one.minutes) for giver, one in self._layers if one.minutes is not None), None)
        if wall is not None:
            bounds.append(Bound(wall[1], translate(mark("{name} gives")).format(name=f"“{wall[0]}”")))
        else:
            words = translate(mark("the project {name} gives one job")).format(name=f"“{self._association.account}”")
            bounds.append(Bound(self._association.limits.minutes, words))
        return min((one for one in bounds if one.most is not None), key=_number, default=Bound())


def _upwards(association: Association, cluster: Cluster) -> Iterator[Association]:
    """The person's association, the account's and those above it."""
    accounts = {one.account: one for one in cluster.associations if not one.user}
    yield association
    account = accounts.get(association.account)
    for _ in range(len(accounts)):
        if account is None:
            return
        yield account
        account = accounts.get(account.parent)


def _left(account: str, cluster: Cluster, kind: Callable[..., Minutes]) -> int | None:
    """Minutes left of the account and of those above it, whichever is less."""
    chain = (one.account for one in _upwards(Association(account), cluster))
    budgets = [kind(cluster.usage[name]) for name in chain if name in cluster.usage]
    return min((max(0, one.limit - one.used) for one in budgets if one.limit is not None), default=None)


def _may_use(reservation: Reservation, user: str, account: str, groups: Collection[str]) -> bool:
    """Slurm wants all of what a reservation names; a name with a minus in front is kept out."""
    return not reservation.maintenance and all(
        _named(names, mine)
        for names, mine in (
            (reservation.users, {user}),
            (reservation.accounts, {account}),
            (reservation.groups, set(groups)),
        )
    )


def _named(names: Collection[str], mine: set[str]) -> bool:
    if not names:
        return True
    out = {name[1:] for name in names if name.startswith("-")}
    return not (out & mine) if out else bool(set(names) & mine)


# -- the check --------------------------------------------------------------------------------------------------------


def complete(chosen: Mapping[str, Any], have: Offer, settings: Settings) -> SpawnRequest:
    """The request that ``chosen`` makes, with what it does not say taken from the offer: the first project with hours
    left, and where the standard partition is not to be had, one that is.

    :raises InvalidInput: from :func:`spawners.job.request.parse`.
    """
    from spawners.job.request import of_profile, parse

    values = {name: value for name, value in chosen.items() if value not in ("", None)}
    if "account" not in values and have.projects:
        values["account"] = have.projects[0].account
    request = parse(values, settings)
    if values.get("partition") or of_profile(values.get("profile"), settings).get("partition"):
        return request
    reservation = next((one for one in have.reservations if one.name == request.reservation), None)
    if reservation is not None and reservation.partition:
        return request.model_copy(update={"partition": reservation.partition})
    project = have.project(request.account)
    if project is None or project.place(request.partition, request.qos):
        return request
    others = (request.model_copy(update={"partition": place.partition}) for place in project.places)
    return next((other for other in others if is_fine(other, have)), request)


def is_fine(request: SpawnRequest, have: Offer) -> bool:
    try:
        check(request, have)
    except InvalidInput:
        return False
    return True


def check(request: SpawnRequest, have: Offer) -> None:
    """Raises :class:`InvalidInput` for the first choice that is more than there is: field, sentence, what to do.

    The same for the form, a link, the REST API, what was stored, and once more when the server starts.
    """
    if request.environment and request.environment not in have.environments:
        raise _no("environment", mark("There is no environment of that name."), mark("Choose one of the list."))
    if not have.known:
        return
    project = _checked_project(request, have)
    place = _checked_place(request, project)
    _check_gpus(request, place)
    _check_amount(request, "cpus", place.cpus, project)
    _check_amount(request, "memory_gb", place.memory_gb, project)
    _check_amount(request, "minutes", _with_reservation(request, place.minutes, have), project)
    if not any(_could_hold(node, request) for node in place.nodes):
        raise _no(
            "cpus",
            mark("No single node of “{partition}” has all of that together."),
            mark("Choose fewer cores, less memory or fewer GPUs."),
            partition=place.partition,
        )
    _check_hours(request, project)


def _no(field_name: str, sentence: str, hint: str, **values: object) -> InvalidInput:
    return InvalidInput(translate(sentence).format(**values), field=field_name, hint=translate(hint).format(**values))


def _checked_project(request: SpawnRequest, have: Offer) -> Project:
    if not have.projects:
        raise _no(
            "account",
            mark("You have no project yet. A notebook uses the hours of a project."),
            mark("Apply for one under Onboarding, or ask the lead of a project to add you."),
        )
    project = have.project(request.account)
    if project is None:
        raise _no(
            "account",
            mark("You cannot use the project “{account}”."),
            mark("Choose one of yours: {names}."),
            account=request.account,
            names=", ".join(one.account for one in have.projects),
        )
    return project


def _checked_place(request: SpawnRequest, project: Project) -> Place:
    partitions = list(dict.fromkeys(place.partition for place in project.places))
    if request.partition not in partitions:
        raise _no(
            "partition",
            mark("The project “{account}” cannot use the partition “{partition}” now."),
            mark("Choose one of these: {names}."),
            account=project.account,
            partition=request.partition,
            names=", ".join(partitions),
        )
    place = project.place(request.partition, request.qos)
    if place is None:
        raise _no(
            "qos",
            mark("The quality of service “{qos}” cannot be used in “{partition}” by “{account}”."),
            mark("Choose one of these: {names}."),
            account=project.account,
            partition=request.partition,
            qos=request.qos or project.default_qos,
            names=", ".join(one.qos for one in project.places if one.partition == request.partition),
        )
    return place


def _check_gpus(request: SpawnRequest, place: Place) -> None:
    if request.gpu_type and request.gpu_type not in place.gpu_types:
        raise _no(
            "gpu_type",
            mark("“{partition}” has no GPU of the kind “{kind}”."),
            mark("Choose another kind, or any."),
            partition=place.partition,
            kind=request.gpu_type,
        )
    if request.gpus and not place.gpu_types:
        raise _no(
            "gpus",
            mark("“{partition}” has no GPUs."),
            mark("Choose another partition, or none."),
            partition=place.partition,
        )
    most = place.gpu_types[request.gpu_type] if request.gpu_type else max(place.gpu_types.values(), default=0)
    if request.gpus > most:
        raise _no(
            "gpus",
            mark("You asked for more GPUs than {giver} ({most})."),
            mark("Choose {most} or fewer."),
            giver=place.gpus.giver,
            most=most,
        )


_SENTENCES = {
    "cpus": mark("You asked for more cores than {giver} ({amount})."),
    "memory_gb": mark("You asked for more memory than {giver} ({amount})."),
    "minutes": mark("You asked for more time than {giver} ({amount})."),
}


def _check_amount(request: SpawnRequest, name: str, bound: Bound, project: Project) -> None:
    wanted: int = getattr(request, name)
    if bound.most is None or wanted <= bound.most:
        return
    amount = in_words(name, bound.most)
    elsewhere = next((one.partition for one in project.places if _fits_elsewhere(request, one, name)), "")
    raise _no(
        name,
        _SENTENCES[name],
        mark("Choose {amount} or less, or use “{elsewhere}”.") if elsewhere else mark("Choose {amount} or less."),
        giver=bound.giver,
        amount=amount,
        elsewhere=elsewhere,
    )


def _fits_elsewhere(request: SpawnRequest, place: Place, name: str) -> bool:
    bound: Bound = getattr(place, name)
    enough = bound.most is None or getattr(request, name) <= bound.most
    return place.partition != request.partition and enough and any(_could_hold(node, request) for node in place.nodes)


def _with_reservation(request: SpawnRequest, bound: Bound, have: Offer) -> Bound:
    if not request.reservation:
        return bound
    reservation = next((one for one in have.reservations if one.name == request.reservation), None)
    in_it = reservation is not None and reservation.partition in ("", request.partition)
    if reservation is None or have.now is None or not in_it or not _named(reservation.accounts, {request.account}):
        raise _no(
            "reservation",
            mark("The reservation “{name}” is not open to this project in this partition now."),
            mark("Choose another one, or none."),
            name=request.reservation,
        )
    left = int((reservation.end - max(have.now, reservation.start)).total_seconds() // 60)
    if bound.most is not None and bound.most <= left:
        return bound
    return Bound(left, translate(mark("is left of the reservation {name}")).format(name=f"“{reservation.name}”"))


def _check_hours(request: SpawnRequest, project: Project) -> None:
    for kind, count, left in (
        ("CPU", request.cpus, project.cpu_minutes),
        ("GPU", request.gpus, project.gpu_minutes),
    ):
        if left is None or not count or count * request.minutes <= left:
            continue
        affordable = left // count
        if affordable < 1:
            raise _no(
                "account",
                mark("The {kind} hours of “{account}” are used up."),
                mark("Choose another project, or ask its lead for more."),
                kind=kind,
                account=project.account,
            )
        raise _no(
            "minutes",
            mark("“{account}” has {left} of {kind} time left, and this would take {cost}."),
            mark("Choose {affordable} or less."),
            account=project.account,
            kind=kind,
            left=duration(60 * left),
            cost=duration(60 * count * request.minutes),
            affordable=duration(60 * affordable),
        )


def _could_hold(node: Node, request: SpawnRequest) -> bool:
    """Whether the node is large enough, free or not."""
    enough = node.cpus >= request.cpus and node.memory_mb >= request.memory_gb * 1024
    return enough and _gpus_of(node, request, free=False) >= request.gpus


def fits_now(node: Node, request: SpawnRequest) -> bool:
    """Whether the node has all of it free."""
    enough = node.cpus_free >= request.cpus and node.memory_free_mb >= request.memory_gb * 1024
    kept_free = node.state.startswith("reserved") and not request.reservation
    return node.in_service and not kept_free and enough and _gpus_of(node, request, free=True) >= request.gpus


def _gpus_of(node: Node, request: SpawnRequest, *, free: bool) -> int:
    kinds = [one for one in node.gpus if request.gpu_type in ("", one.kind)]
    return max((one.free if free else one.total for one in kinds), default=0)


# -- words ------------------------------------------------------------------------------------------------------------


def in_words(name: str, amount: int) -> str:
    """An amount of one of the fields with its unit."""
    if name == "memory_gb":
        return f"{amount} GB"
    return duration(60 * amount) if name == "minutes" else str(amount)


def at_a_time(account: str, user: str, place: Place, cluster: Cluster, tres: str) -> tuple[Bound, ...]:
    """What bounds all jobs of a person there together: ``cpu``, ``mem`` (MB) or ``gres/gpu``."""
    partition = next((one for one in cluster.partitions if one.name == place.partition), Partition(place.partition))
    own = [one for one in cluster.associations if (one.account, one.user) == (account, user)]
    association = next((one for one in own if one.partition in ("", place.partition)), Association(account, user))
    return tuple(_Reader(partition, place.qos, association, cluster).together(tres))
