"""Data of the spawn page (hub/pages/templates/frame/choose.html), computed from offer, cluster and choice. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hub.errors import InvalidInput
from hub.formats import quantity
from hub.language import duration, translate
from hub.settings import Settings
from hub.slurm.cluster import Cluster
from spawners.job.request import LABELS, SpawnRequest, in_words, of_profile, values_of
from spawners.options import validation
from spawners.options.offer import Offer, PartitionOffer, ProjectOffer
from spawners.options.slurm_limits import Bound

TIMES = (30, 60, 120, 240, 480, 720, 1440, 2880)
_SIZE = ("cpus", "memory_gb", "gpus", "gpu_type", "partition", "qos")
_ADVANCED = {*_SIZE, "environment"}


@dataclass(frozen=True)
class Choice:
    value: str
    text: str
    chosen: bool = False


@dataclass(frozen=True)
class Field:
    name: str
    label: str
    value: str
    choices: tuple[Choice, ...] = ()
    """Empty: a number is typed."""
    most: int | None = None
    error: str = ""


@dataclass(frozen=True)
class Size:
    """A named profile as a card."""

    name: str
    title: str
    summary: str
    words: str
    chosen: bool


@dataclass(frozen=True)
class Free:
    """Free resources of a partition."""

    partition: str
    cpus: int
    cpus_total: int
    memory_gb: int
    """The most that one node has free."""
    gpus: str


@dataclass(frozen=True)
class Page:
    fields: Mapping[str, Field]
    sizes: tuple[Size, ...]
    own_size: bool
    """Whether "choose yourself" is chosen."""
    free: tuple[Free, ...]
    as_of: datetime | None
    stale: str
    """Why what is shown is not from just now; empty when it is."""
    homeless: bool
    """Slurm knows the person, and no project of theirs."""
    errors: Mapping[str, str]
    data: Mapping[str, Any]
    """For hub/pages/static/spawn.js."""


def build(
    offer: Offer, cluster: Cluster, *, last: Mapping[str, Any], sent: Mapping[str, Any] | None, settings: Settings
) -> Page:
    """The page for the ``sent`` fields, or else for the ``last`` choice as far as it is still valid."""
    base = suggestion(offer, last, settings)
    values, error = base.model_dump(), None
    if sent is not None:
        values, error = _sent(sent, base, offer, settings)
    errors = {error.field or "": f"{error.message} {error.hint}".strip()} if error else {}
    profile = "" if set(errors) & _ADVANCED else _named(values, settings)
    sizes = _sizes(offer, values, profile, settings)
    free = _free(offer, cluster)
    return Page(
        fields=_fields(offer, values, errors, free),
        sizes=sizes,
        own_size=not any(size.chosen for size in sizes),
        free=free,
        as_of=cluster.as_of,
        stale=cluster.error or ("" if offer.known else translate("Slurm has not been asked yet.")),
        homeless=offer.known and not offer.projects,
        errors=errors,
        data=_data(offer, settings),
    )


def suggestion(offer: Offer, last: Mapping[str, Any], settings: Settings) -> SpawnRequest:
    """The last choice if it is valid, else the first valid profile."""
    sizes = [{"profile": profile.name} for profile in settings.spawn.profiles] or [{}]
    accounts = [{"account": project.account} for project in offer.projects] or [{}]
    own: list[Mapping[str, Any]] = [last] if last else []
    for chosen in [*own, *({**size, **account} for account in accounts for size in sizes), {}]:
        try:
            request = validation.complete(chosen, offer, settings)
        except InvalidInput:
            continue
        if validation.is_fine(request, offer):
            return request
    return validation.complete({}, offer, settings)


def _sent(
    sent: Mapping[str, Any], base: SpawnRequest, offer: Offer, settings: Settings
) -> tuple[dict[str, Any], InvalidInput | None]:
    """Sent fields as typed, with the error."""
    try:
        request = validation.complete(sent, offer, settings)
        validation.check(request, offer)
    except InvalidInput as error:
        try:
            of_size = of_profile(sent.get("profile"), settings)
        except InvalidInput:
            of_size = {}
        shown = {**base.model_dump(), "profile": "", **of_size, **sent}
        return {name: shown[name] for name in SpawnRequest.model_fields}, error
    return request.model_dump(), None


def _named(values: Mapping[str, Any], settings: Settings) -> str:
    """The profile with exactly these values, if any."""
    profile = next((entry for entry in settings.spawn.profiles if entry.name == values["profile"]), None)
    if profile is None:
        return ""
    size = {"gpus": 0, "gpu_type": "", **values_of(profile)}
    return profile.name if all(str(values[name]) == str(size[name]) for name in _SIZE if name in size) else ""


def _sizes(offer: Offer, values: Mapping[str, Any], chosen: str, settings: Settings) -> tuple[Size, ...]:
    """Profiles that are valid in at least one project."""
    accounts = [project.account for project in offer.projects] or [values["account"]]
    sizes = []
    for profile in settings.spawn.profiles:
        requests = [
            validation.complete({"profile": profile.name, "account": account}, offer, settings) for account in accounts
        ]
        if any(validation.is_fine(request, offer) for request in requests):
            name = profile.name
            sizes.append(
                Size(
                    name,
                    profile.title,
                    profile.summary,
                    in_words(requests[0].model_dump(include={"cpus", "memory_gb", "gpus", "gpu_type"})),
                    name == chosen,
                )
            )
    return tuple(sizes)


# -- fields -----------------------------------------------------------------------------------------------------------


def _fields(
    offer: Offer, values: Mapping[str, Any], errors: Mapping[str, str], free: Iterable[Free]
) -> dict[str, Field]:
    partitions = [partition for project in offer.projects for partition in project.partitions]
    kinds = _once(kind for partition in partitions for kind in partition.gpu_types if kind)
    choices: dict[str, list[tuple[str, str]]] = {
        "account": [(entry.account, _project_words(entry)) for entry in offer.projects]
        or [(str(values["account"]), str(values["account"]))],
        "partition": [(entry.partition, _partition_words(entry)) for entry in free]
        or [(str(values["partition"]), str(values["partition"]))],
        "qos": [
            ("", translate("the usual one")),
            *((name, name) for name in _once(partition.qos for partition in partitions)),
        ],
        "gpu_type": [("", translate("any")), *((kind, kind) for kind in kinds)],
        "minutes": _times(_most(partitions, "minutes"), values["minutes"]),
        "reservation": [("", translate("none")), *((entry.name, entry.name) for entry in offer.reservations)],
        "environment": [("", translate("the standard one")), *offer.environments.items()],
    }
    fields = {}
    for name, label in LABELS.items():
        value = str(values[name])
        offered = choices.get(name, [])
        if offered and value not in (option for option, _ in offered) and name in errors:
            offered = [*offered, (value[:64], value[:64])]  # keep the sent value visible next to its error
        fields[name] = Field(
            name=name,
            label=translate(label),
            value=value,
            choices=tuple(Choice(option, text, option == value) for option, text in offered),
            most=_most(partitions, name) if name in ("cpus", "memory_gb", "gpus") else None,
            error=errors.get(name, ""),
        )
    return fields


def _project_words(project: ProjectOffer) -> str:
    amounts = [
        f"{quantity(minutes / 60)} {kind}"
        for kind, minutes in (("GPU", project.gpu_minutes), ("CPU", project.cpu_minutes))
        if minutes is not None
    ]
    return f"{project.account} ({' · '.join(amounts)})" if amounts else project.account


def _partition_words(free: Free) -> str:
    parts = [translate("{n} cores").format(n=free.cpus), *([f"{free.gpus} GPU"] if free.gpus else [])]
    return translate("{name} ({what} free)").format(name=free.partition, what=", ".join(parts))


def _times(most: int | None, chosen: Any) -> list[tuple[str, str]]:
    chosen_minutes = int(chosen) if re.match(r"[0-9]{1,6}\Z", str(chosen)) else 0
    times = {minutes for minutes in TIMES if most is None or minutes <= most} | {
        minutes for minutes in (chosen_minutes, most) if minutes
    }
    return [(str(minutes), duration(60 * minutes)) for minutes in sorted(times)]


def _most(partitions: Iterable[PartitionOffer], name: str) -> int | None:
    bounds: list[Bound] = [getattr(partition, name) for partition in partitions]
    if any(bound.most is None for bound in bounds):
        return None
    return max((bound.most or 0 for bound in bounds), default=None)


def _once(names: Iterable[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if name]


def _free(offer: Offer, cluster: Cluster) -> tuple[Free, ...]:
    partitions = []
    for name in _once(partition.name for project in offer.projects for partition in project.partitions):
        nodes = [node for node in cluster.nodes if name in node.partitions and node.in_service]
        nodes = [node for node in nodes if not node.state.startswith("reserved")]
        kinds: dict[str, int] = {}
        for node in nodes:
            for gpus in node.gpus:
                kinds[gpus.kind] = kinds.get(gpus.kind, 0) + gpus.free
        partitions.append(
            Free(
                partition=name,
                cpus=sum(node.cpus_free for node in nodes),
                cpus_total=sum(node.cpus for node in nodes),
                memory_gb=max((node.memory_free_mb // 1024 for node in nodes), default=0),
                gpus=" + ".join(f"{count} {kind}".strip() for kind, count in kinds.items()),
            )
        )
    return tuple(partitions)


# -- data for the script ----------------------------------------------------------------------------------------------


def _data(offer: Offer, settings: Settings) -> dict[str, Any]:
    return {
        "projects": {
            project.account: {
                "default_qos": project.default_qos,
                "places": [_partition_data(partition) for partition in project.partitions],
            }
            for project in offer.projects
        },
        "profiles": {entry.name: {"gpus": 0, "gpu_type": "", **values_of(entry)} for entry in settings.spawn.profiles},
        "partitions": {"cpu": settings.slurm.partition, "gpu": settings.slurm.gpu_partition},
        "reservations": {entry.name: entry.partition for entry in offer.reservations},
        "words": {
            "upTo": translate("up to {n}"),
            "asking": translate("Asking Slurm …"),
            "silent": translate("The expected start is not known at the moment."),
            "newProject": translate("You have a new project: {names}. Choose it under Project."),
        },
    }


def _partition_data(partition: PartitionOffer) -> dict[str, Any]:
    return {
        "partition": partition.name,
        "qos": partition.qos,
        "cpus": partition.cpus.most,
        "memory_gb": partition.memory_gb.most,
        "gpus": max(partition.gpu_types.values(), default=0),
        "gpu_types": dict(partition.gpu_types),
        "minutes": partition.minutes.most,
    }
