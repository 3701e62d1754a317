"""Slurm's limits on jobs of a person, in the order in which Slurm lets one overrule another. Used by ``offer``.

The order is that of Slurm's manual (resource limits): the partition's QOS, the job's QOS (the other way round for a QOS
with the flag OverPartQOS), the person's association, the account and its parents. The first that names a resource
counts; what an account may use at a time counts at every level.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator
from dataclasses import dataclass

from hub.language import mark, translate
from hub.slurm.cluster import Association, Cluster, Limits, Partition, Qos


@dataclass(frozen=True)
class Bound:
    """A limit (None: no limit), and the beginning of its sentence ("“notebooks” gives …")."""

    most: int | None = None
    giver: str = ""


def number_of(bound: Bound) -> int:
    """The limit as a number; 0 without one."""
    return 0 if bound.most is None else bound.most


class SlurmLimits:
    """Limits for one partition, QOS and association."""

    def __init__(self, partition: Partition, qos: str, association: Association, cluster: Cluster) -> None:
        by_name = {entry.name: entry for entry in cluster.qos}
        job_qos = by_name.get(qos, Qos(qos))
        layers = [(partition.name, by_name[partition.qos])] if partition.qos in by_name else []
        layers.insert(0 if "OverPartQOS" in job_qos.flags else len(layers), (qos, job_qos))
        self._partition = partition
        self._qos = job_qos
        self._layers: list[tuple[str, Limits]] = [(name, layer.limits) for name, layer in layers]
        self._submitted = ChainMap(*(dict(layer.submitted) for _, layer in layers))
        self._association = association
        self._ancestors = list(ancestors(association, cluster))

    def accept_jobs(self) -> bool:
        """Whether no QOS is closed to new jobs, nor the person barred by a limit that no QOS overrules."""
        is_barred = self._association.barred and "user" not in self._submitted
        return not is_barred and 0 not in self._submitted.values()

    def most(self, tres: str, node: int, partition: int | None = None) -> Bound:
        """The lowest limit for one job, of node, partition and Slurm's limits."""
        name = f"“{self._partition.name}”"
        bounds = [Bound(node, translate(mark("a node of {name} has")).format(name=name))]
        if partition is not None:
            bounds.append(Bound(partition, translate(mark("{name} gives one job")).format(name=name)))
        bounds.extend(self._limits(tres))
        return min(bounds, key=number_of)

    def _limits(self, tres: str) -> Iterator[Bound]:
        account = f"“{self._association.account}”"
        qos = next(((name, limits.job[tres]) for name, limits in self._layers if tres in limits.job), None)
        if qos is not None:
            yield Bound(qos[1], translate(mark("{name} gives one job")).format(name=f"“{qos[0]}”"))
        elif tres in self._association.limits.job:
            giver = translate(mark("the project {name} gives one job")).format(name=account)
            yield Bound(self._association.limits.job[tres], giver)
        yield from self.together(tres)

    def together(self, tres: str) -> Iterator[Bound]:
        """Limits on concurrent jobs of a person, of all users and of the project."""
        for name, limits in self._layers:
            if tres in limits.user:
                yield Bound(limits.user[tres], translate(mark("{name} gives one person")).format(name=f"“{name}”"))
                break
        for name, limits in self._layers:
            if tres in limits.group:
                giver = translate(mark("{name} gives everybody together")).format(name=f"“{name}”")
                yield Bound(limits.group[tres], giver)
                return
        for association in self._ancestors:
            if tres in association.limits.group:
                giver = translate(mark("the project {name} may use at a time")).format(name=f"“{association.account}”")
                yield Bound(association.limits.group[tres], giver)

    def minutes(self) -> Bound:
        """The time limit of one job."""
        bounds = []
        if "PartitionTimeLimit" not in self._qos.flags:
            giver = translate(mark("{name} gives")).format(name=f"“{self._partition.name}”")
            bounds.append(Bound(self._partition.max_minutes, giver))
        qos = next(((name, limits.minutes) for name, limits in self._layers if limits.minutes is not None), None)
        if qos is not None:
            bounds.append(Bound(qos[1], translate(mark("{name} gives")).format(name=f"“{qos[0]}”")))
        else:
            giver = translate(mark("the project {name} gives one job")).format(name=f"“{self._association.account}”")
            bounds.append(Bound(self._association.limits.minutes, giver))
        return min((bound for bound in bounds if bound.most is not None), key=number_of, default=Bound())


def ancestors(association: Association, cluster: Cluster) -> Iterator[Association]:
    """The person's association, the account's and those above it."""
    accounts = {entry.account: entry for entry in cluster.associations if not entry.user}
    yield association
    account = accounts.get(association.account)
    for _ in range(len(accounts)):
        if account is None:
            return
        yield account
        account = accounts.get(account.parent)
