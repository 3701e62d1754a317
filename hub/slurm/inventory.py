"""Slurm's commands for nodes, partitions, reservations, associations and QOS, and parsers of their output. Pure.

Fields are requested and read by name; other fields of a version are ignored. A line that cannot be parsed is left out.
If no line can be parsed, Slurm's output itself is wrong, which raises :class:`SlurmError`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import TypeVar

from hub.errors import SlurmError
from hub.slurm.cluster import Association, Gpus, Limits, Node, Partition, Qos, Reservation, System, Trial
from hub.slurm.commands import Argv, parse_configuration, rows
from hub.slurm.jobs import moment

T = TypeVar("T")

# States of nodes on which a job may start now or later, in sinfo's long form without suffixes.
_IN_SERVICE = {"idle", "mixed", "allocated", "completing", "reserved", "planned", "powered_down", "powering_up"}
_OUT_OF_SERVICE_SIGNS = "*$%!@"  # not responding, maintenance, powering down, rebooting

_NODE_FIELDS = ("Partition", "NodeList", "StateLong", "CPUsState", "Memory", "AllocMem", "Gres", "GresUsed")
_ASSOCIATION_FIELDS = (
    *("Account", "User", "Partition", "ParentName", "QOS", "DefaultQOS"),
    *("MaxWall", "MaxTRES", "MaxJobs", "MaxSubmit", "GrpTRES", "GrpSubmit"),
)
_QOS_FIELDS = (
    *("Name", "Flags", "MaxWall", "MaxTRES", "MaxTRESPU", "GrpTRES", "MaxSubmitPU", "MaxSubmitPA", "GrpSubmit"),
    *("Preempt", "Description"),
)
_SUBMITTED = {"user": "MaxSubmitPU", "account": "MaxSubmitPA", "group": "GrpSubmit"}


# -- the whole --------------------------------------------------------------------------------------------------------


def parse_system(text: str) -> System:
    """Name and version from the output of :func:`hub.slurm.commands.configuration`."""
    configuration = parse_configuration(text)
    name = configuration.get("clustername", "")
    if not name:
        raise SlurmError("scontrol did not tell the name of the cluster.")
    version = re.match(r"(\d+)\.(\d+)", configuration.get("slurm_version", ""))
    return System(name, (int(version[1]), int(version[2])) if version else (0, 0))


# -- nodes ------------------------------------------------------------------------------------------------------------


def nodes() -> Argv:
    """One line per node and partition. Widths are given because sinfo cuts values at 20 characters otherwise."""
    layout = ",".join(f"{field}:{512 if field.startswith('Gres') else 128}|" for field in _NODE_FIELDS)
    return ["sinfo", "--noheader", "--all", "--Node", f"--Format={layout}"]


def parse_nodes(text: str) -> tuple[Node, ...]:
    """Nodes in Slurm's order without duplicates, each with all its partitions."""
    nodes: dict[str, Node] = {}
    for node in _readable(text, _node, "sinfo"):
        before = nodes.get(node.name)
        nodes[node.name] = node if before is None else before.also_in(node.partitions)
    return tuple(nodes.values())


def _node(line: str) -> Node:
    fields = dict(zip(_NODE_FIELDS, (part.strip() for part in line.split("|")), strict=False))
    _allocated, idle, _other, total = (int(count) for count in fields["CPUsState"].split("/"))
    memory = int(fields["Memory"])
    state = fields["StateLong"]
    used = _gres(fields["GresUsed"])
    return Node(
        name=fields["NodeList"],
        state=state,
        in_service=state.rstrip("*~#!%$@^-") in _IN_SERVICE and not set(state) & set(_OUT_OF_SERVICE_SIGNS),
        partitions=(fields["Partition"].rstrip("*"),),
        cpus=total,
        cpus_free=idle,
        memory_mb=memory,
        memory_free_mb=max(0, memory - int(fields["AllocMem"])),
        gpus=tuple(Gpus(kind, count, count - used.get(kind, 0)) for kind, count in _gres(fields["Gres"]).items()),
    )


def _gres(text: str) -> dict[str, int]:
    """GPUs by type ("" without one) from ``gpu:a100:4(S:0-1),shard:8`` or ``gpu:a100:2(IDX:0,3)``."""
    counts: dict[str, int] = {}
    for entry in re.sub(r"\([^)]*\)", "", text).split(","):
        name, _, rest = entry.strip().partition(":")
        kind, _, count = rest.rpartition(":")
        if name == "gpu" and count.isdigit():
            counts[kind] = counts.get(kind, 0) + int(count)
    return counts


# -- partitions and reservations --------------------------------------------------------------------------------------


def partitions() -> Argv:
    return ["scontrol", "--oneliner", "--all", "show", "partition"]


def parse_partitions(text: str) -> tuple[Partition, ...]:
    return tuple(_readable(text, _partition, "scontrol"))


def _partition(line: str) -> Partition:
    fields = _pairs(line)
    return Partition(
        name=fields["PartitionName"],
        up=fields["State"] == "UP",
        default=fields.get("Default") == "YES",
        open=fields.get("RootOnly") != "YES" and fields.get("Hidden") != "YES",
        reservation_only=fields.get("ReqResv") == "YES",
        qos=_plain(fields.get("QoS", "")),
        max_minutes=minutes(fields.get("MaxTime", "")),
        max_cpus=_count(fields.get("MaxCPUsPerNode", "")),
        max_memory_mb=_count(fields.get("MaxMemPerNode", "")),
        allow_accounts=_allowed(fields.get("AllowAccounts", "ALL")),
        deny_accounts=frozenset(_names(fields.get("DenyAccounts", ""))),
        allow_groups=_allowed(fields.get("AllowGroups", "ALL")),
        allow_qos=_allowed(fields.get("AllowQos", "ALL")),
        deny_qos=frozenset(_names(fields.get("DenyQos", ""))),
    )


def _allowed(text: str) -> frozenset[str] | None:
    return None if text in ("ALL", "(null)", "") else frozenset(_names(text))


def reservations() -> Argv:
    return ["scontrol", "--oneliner", "--all", "show", "reservation"]


def parse_reservations(text: str) -> tuple[Reservation, ...]:
    """Reservations that have not ended; an empty output is valid."""
    if text.strip().lower().startswith("no reservations"):
        return ()
    return tuple(_readable(text, _reservation, "scontrol"))


def _reservation(line: str) -> Reservation:
    fields = _pairs(line)
    start, end = moment(fields["StartTime"]), moment(fields["EndTime"])
    return Reservation(
        name=fields["ReservationName"],
        start=start or datetime.min.replace(tzinfo=UTC),
        end=end or datetime.max.replace(tzinfo=UTC),
        active=fields.get("State") == "ACTIVE",
        partition=_plain(fields.get("PartitionName", "")),
        users=tuple(_names(fields.get("Users", ""))),
        accounts=tuple(_names(fields.get("Accounts", ""))),
        groups=tuple(_names(fields.get("Groups", ""))),
        maintenance="MAINT" in fields.get("Flags", "").split(","),
    )


# -- associations and QOS ---------------------------------------------------------------------------------------------


def associations(cluster: str) -> Argv:
    """Associations of all users with this cluster; slurmdbd may serve others.

    Slurm fills in inherited Max… limits, but not Grp… limits.
    """
    fields = ",".join(_ASSOCIATION_FIELDS)
    what = [f"cluster={cluster}", f"format={fields}"]
    return ["sacctmgr", "--noheader", "--parsable2", "show", "associations", *what]


def parse_associations(text: str) -> tuple[Association, ...]:
    return tuple(_readable(text, _association, "sacctmgr"))


def _association(line: str) -> Association:
    fields = dict(zip(_ASSOCIATION_FIELDS, line.split("|"), strict=True))
    return Association(
        account=fields["Account"],
        user=fields["User"],
        partition=fields["Partition"],
        parent=fields["ParentName"],
        qos=tuple(_names(fields["QOS"])),
        default_qos=fields["DefaultQOS"],
        barred=fields["MaxSubmit"] == "0",
        closed=fields["GrpSubmit"] == "0",
        limits=_limits(fields, user_tres=""),
    )


def qos() -> Argv:
    return ["sacctmgr", "--noheader", "--parsable2", "show", "qos", f"format={','.join(_QOS_FIELDS)}"]


def parse_qos(text: str) -> tuple[Qos, ...]:
    return tuple(_readable(text, _qos, "sacctmgr"))


def _qos(line: str) -> Qos:
    fields = dict(zip(_QOS_FIELDS, line.split("|", len(_QOS_FIELDS) - 1), strict=True))
    return Qos(
        name=fields["Name"],
        flags=frozenset(_names(fields["Flags"])),
        gives_way_to=tuple(_names(fields["Preempt"])),
        description=fields["Description"],
        limits=_limits(fields, user_tres=fields["MaxTRESPU"]),
        submitted={scope: int(fields[name]) for scope, name in _SUBMITTED.items() if fields[name].isdigit()},
    )


def _limits(fields: dict[str, str], *, user_tres: str) -> Limits:
    return Limits(
        minutes=minutes(fields["MaxWall"]),
        job=tres(fields["MaxTRES"]),
        user=tres(user_tres),
        group=tres(fields["GrpTRES"]),
    )


def usage() -> Argv:
    """Limits and used hours of all accounts, as the controller counts them."""
    return ["scontrol", "--oneliner", "show", "assoc_mgr", "flags=assoc"]


# -- would it start, and when -----------------------------------------------------------------------------------------


def trial() -> Argv:
    """``sbatch --test-only`` with its script on standard input; it submits nothing."""
    return ["sbatch", "--test-only"]


def parse_trial(text: str) -> Trial:
    """The start that ``sbatch --test-only`` wrote to standard error; raises :class:`SlurmError` if it refuses.

    ``sbatch: Job 12 to start at 2026-11-24T21:05:46 using 2 processors on nodes cpu1 in partition notebooks``
    """
    match = re.search(
        r"\bto start at (?P<start>\S+)(?: a)? using (?P<cpus>\d+) processors on (?:nodes )?(?P<nodes>\S+)"
        r"(?: in partition (?P<partition>\S+))?",
        text,
    )
    start = moment(match["start"]) if match else None
    if match is None or start is None:
        raise SlurmError(text.strip()[:500] or "sbatch did not say when the job would start.")
    return Trial(start, int(match["cpus"]), match["nodes"], match["partition"] or "")


# -- Slurm's notations ------------------------------------------------------------------------------------------------


def minutes(text: str) -> int | None:
    """``2-00:00:00``, ``12:00:00``, ``30:00`` or ``30`` in whole minutes; None for no limit."""
    match = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", text.strip())
    if not match:
        return None
    days, first, second, third = (int(part) if part else 0 for part in match.groups())
    if match[1]:
        return days * 1440 + first * 60 + second
    return first * 60 + second if match[4] else first + third


_UNITS = {"": 1.0, "K": 1 / 1024, "M": 1.0, "G": 1024.0, "T": 1024.0**2, "P": 1024.0**3}


def tres(text: str) -> dict[str, int]:
    """Limits by resource from ``cpu=16,mem=64G,gres/gpu=4``; memory in MB."""
    limits = {}
    for entry in text.split(","):
        name, _, amount = entry.partition("=")
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGTP]?)", amount.strip())
        if name and match:
            scale = _UNITS[match[2]] if name == "mem" else 1
            limits[name.strip()] = int(float(match[1]) * scale)
    return limits


def _count(text: str) -> int | None:
    return int(text) if text.isdigit() and int(text) > 0 else None


def _plain(text: str) -> str:
    return "" if text in ("(null)", "N/A", "None") else text


def _names(text: str) -> Iterator[str]:
    return (name for name in _plain(text).replace("+", ",").split(",") if name)


def _pairs(line: str) -> dict[str, str]:
    """``KEY=VALUE`` pairs of a line of scontrol; values may contain spaces (names of partitions do).

    Of several pairs with one key the first counts: texts that people write, such as ``Comment``, come last.
    """
    pairs = re.findall(r"(?:^|\s)([A-Za-z]\w*)=(.*?)(?=\s+[A-Za-z]\w*=|\s*$)", line)
    return dict(reversed(pairs))


def _readable(text: str, read: Callable[[str], T], command: str) -> Iterable[T]:
    lines = rows(text)
    records = []
    for line in lines:
        try:
            records.append(read(line))
        except (KeyError, ValueError):
            continue
    if lines and not records:
        raise SlurmError(f"{command} printed what we cannot read: {lines[0][:80]!r}.")
    return records
