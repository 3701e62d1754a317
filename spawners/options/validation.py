"""Validates options against what the person may request. Pure.

The form, links, the REST API, stored options and the start of a server all use :func:`check`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from hub.errors import InvalidInput
from hub.language import duration, mark, translate
from hub.slurm.cluster import Node
from spawners.options.offer import Offer, PartitionOffer, ProjectOffer, admitted
from spawners.options.slurm_limits import Bound

if TYPE_CHECKING:  # not installed in the environment of a person's server
    from hub.settings import Settings
    from spawners.job.request import SpawnRequest


def complete(chosen: Mapping[str, Any], offer: Offer, settings: Settings) -> SpawnRequest:
    """The request that ``chosen`` makes, with what it does not say taken from the offer: the first project that can
    have it, and where the standard partition is not to be had, one that is.

    :raises InvalidInput: from :func:`spawners.job.request.parse`.
    """
    values = {name: value for name, value in chosen.items() if value not in ("", None)}
    if "account" in values or not offer.projects:
        return _with_partition(values, offer, settings)
    requests = [_with_partition({**values, "account": entry.account}, offer, settings) for entry in offer.projects]
    return next((request for request in requests if is_fine(request, offer)), requests[0])


def _with_partition(values: Mapping[str, Any], offer: Offer, settings: Settings) -> SpawnRequest:
    from spawners.job.request import of_profile, parse

    request = parse(values, settings)
    if values.get("partition") or of_profile(values.get("profile"), settings).get("partition"):
        return request
    reservation = next((entry for entry in offer.reservations if entry.name == request.reservation), None)
    if reservation is not None and reservation.partition:
        return request.model_copy(update={"partition": reservation.partition})
    project = offer.project(request.account)
    if project is None or project.partition(request.partition, request.qos):
        return request
    ranked = sorted(project.partitions, key=lambda entry: (entry.name != request.partition, not entry.is_default))
    others = (
        request.model_copy(update={"partition": entry.name, "qos": "" if entry.is_default else entry.qos})
        for entry in ranked
        if request.qos in ("", entry.qos)
    )
    return next((other for other in others if is_fine(other, offer)), request)


def is_fine(request: SpawnRequest, offer: Offer) -> bool:
    """Whether :func:`check` accepts the request."""
    try:
        check(request, offer)
    except InvalidInput:
        return False
    return True


def check(request: SpawnRequest, offer: Offer) -> None:
    """Raise :class:`InvalidInput` with field, sentence and hint for the first option beyond the limits.

    Called for the form, links, the REST API, stored options, and again when the server starts.
    """
    if request.environment and request.environment not in offer.environments:
        raise _refusal("environment", mark("There is no environment of that name."), mark("Choose one of the list."))
    if not offer.known:
        return
    project = _checked_project(request, offer)
    partition = _checked_partition(request, project)
    _check_gpus(request, partition)
    others = [entry for entry in project.partitions if entry.name in offer.proposed]
    _check_amount(request, "cpus", partition.cpus, others)
    _check_amount(request, "memory_gb", partition.memory_gb, others)
    _check_amount(request, "minutes", _with_reservation(request, partition.minutes, project, offer), others)
    if not any(_could_hold(node, request) for node in partition.nodes):
        raise _refusal(
            "cpus",
            mark("No single node of “{partition}” has all of that together."),
            mark("Choose fewer cores, less memory or fewer GPUs."),
            partition=partition.name,
        )
    _check_hours(request, project)


def _refusal(field_name: str, sentence: str, hint: str, **values: object) -> InvalidInput:
    return InvalidInput(translate(sentence).format(**values), field=field_name, hint=translate(hint).format(**values))


def _checked_project(request: SpawnRequest, offer: Offer) -> ProjectOffer:
    if not offer.projects:
        raise _refusal(
            "account",
            mark("You have no project yet. A notebook uses the hours of a project."),
            mark("Apply for one under Onboarding, or ask the lead of a project to add you."),
        )
    project = offer.project(request.account)
    if project is None:
        raise _refusal(
            "account",
            mark("You cannot use the project “{account}”."),
            mark("Choose one of yours: {names}."),
            account=request.account,
            names=", ".join(entry.account for entry in offer.projects),
        )
    return project


def _checked_partition(request: SpawnRequest, project: ProjectOffer) -> PartitionOffer:
    partitions = list(dict.fromkeys(partition.name for partition in project.partitions))
    if request.partition not in partitions:
        raise _refusal(
            "partition",
            mark("The project “{account}” cannot use the partition “{partition}” now."),
            mark("Choose one of these: {names}."),
            account=project.account,
            partition=request.partition,
            names=", ".join(partitions),
        )
    partition = project.partition(request.partition, request.qos)
    if partition is None:
        raise _refusal(
            "qos",
            mark("The quality of service “{qos}” cannot be used in “{partition}” by “{account}”."),
            mark("Choose one of these: {names}."),
            account=project.account,
            partition=request.partition,
            qos=request.qos or project.default_qos,
            names=", ".join(entry.qos for entry in project.partitions if entry.name == request.partition),
        )
    return partition


def _check_gpus(request: SpawnRequest, partition: PartitionOffer) -> None:
    if request.gpu_type and request.gpu_type not in partition.gpu_types:
        raise _refusal(
            "gpu_type",
            mark("“{partition}” has no GPU of the kind “{kind}”."),
            mark("Choose another kind, or any."),
            partition=partition.name,
            kind=request.gpu_type,
        )
    if request.gpus and not partition.gpu_types:
        raise _refusal(
            "gpus",
            mark("“{partition}” has no GPUs."),
            mark("Choose another partition, or none."),
            partition=partition.name,
        )
    most = partition.gpu_types[request.gpu_type] if request.gpu_type else max(partition.gpu_types.values(), default=0)
    if request.gpus > most:
        raise _refusal(
            "gpus",
            mark("You asked for more GPUs than {giver} ({most})."),
            mark("Choose {most} or fewer."),
            giver=partition.gpus.giver,
            most=most,
        )


_SENTENCES = {
    "cpus": mark("You asked for more cores than {giver} ({amount})."),
    "memory_gb": mark("You asked for more memory than {giver} ({amount})."),
    "minutes": mark("You asked for more time than {giver} ({amount})."),
}


def _check_amount(request: SpawnRequest, name: str, bound: Bound, others: Iterable[PartitionOffer]) -> None:
    value: int = getattr(request, name)
    if bound.most is None or value <= bound.most:
        return
    amount = in_words(name, bound.most)
    elsewhere = next((entry.name for entry in others if _fits_elsewhere(request, entry, name)), "")
    raise _refusal(
        name,
        _SENTENCES[name],
        mark("Choose {amount} or less, or use “{elsewhere}”.") if elsewhere else mark("Choose {amount} or less."),
        giver=bound.giver,
        amount=amount,
        elsewhere=elsewhere,
    )


def _fits_elsewhere(request: SpawnRequest, partition: PartitionOffer, name: str) -> bool:
    if not request.gpus and any(partition.gpu_types.values()):
        return False
    bound: Bound = getattr(partition, name)
    enough = bound.most is None or getattr(request, name) <= bound.most
    return (
        partition.name != request.partition and enough and any(_could_hold(node, request) for node in partition.nodes)
    )


def _with_reservation(request: SpawnRequest, bound: Bound, project: ProjectOffer, offer: Offer) -> Bound:
    if not request.reservation:
        return bound
    reservation = next((entry for entry in offer.reservations if entry.name == request.reservation), None)
    in_partition = reservation is not None and reservation.partition in ("", request.partition)
    if (
        reservation is None
        or offer.now is None
        or not in_partition
        or not admitted(reservation.accounts, project.lineage)
    ):
        raise _refusal(
            "reservation",
            mark("The reservation “{name}” is not open to this project in this partition now."),
            mark("Choose another one, or none."),
            name=request.reservation,
        )
    minutes_left = int((reservation.end - max(offer.now, reservation.start)).total_seconds() // 60)
    if bound.most is not None and bound.most <= minutes_left:
        return bound
    giver = translate(mark("is left of the reservation {name}")).format(name=f"“{reservation.name}”")
    return Bound(minutes_left, giver)


def _check_hours(request: SpawnRequest, project: ProjectOffer) -> None:
    for kind, count, left in (
        ("CPU", request.cpus, project.cpu_minutes),
        ("GPU", request.gpus, project.gpu_minutes),
    ):
        if left is None or not count or count * request.minutes <= left:
            continue
        affordable = left // count
        if affordable < 1:
            raise _refusal(
                "account",
                mark("The {kind} hours of “{account}” are used up."),
                mark("Choose another project. A lead of this one can ask for more hours under Projects."),
                kind=kind,
                account=project.account,
            )
        raise _refusal(
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
    large_enough = node.cpus >= request.cpus and node.memory_mb >= request.memory_gb * 1024
    return large_enough and _gpus_of(node, request, free=False) >= request.gpus


def fits_now(node: Node, request: SpawnRequest) -> bool:
    """Whether the node has enough free resources."""
    enough = node.cpus_free >= request.cpus and node.memory_free_mb >= request.memory_gb * 1024
    reserved = node.state.startswith("reserved") and not request.reservation
    return node.in_service and not reserved and enough and _gpus_of(node, request, free=True) >= request.gpus


def _gpus_of(node: Node, request: SpawnRequest, *, free: bool) -> int:
    matching = [gpus for gpus in node.gpus if request.gpu_type in ("", gpus.kind)]
    return max((gpus.free if free else gpus.total for gpus in matching), default=0)


def in_words(name: str, amount: int) -> str:
    """An amount of one of the fields with its unit."""
    if name == "memory_gb":
        return f"{amount} GB"
    return duration(60 * amount) if name == "minutes" else str(amount)
