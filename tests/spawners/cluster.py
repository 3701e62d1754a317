"""A cluster from the output recorded from Slurm 22.05, for tests of offers and limits."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from hub.settings import Settings, Software, Spawn
from hub.slurm import commands, inventory
from hub.slurm.cluster import Cluster
from spawners.options.offer import Offer, notebook_partitions, offer_for

DATA = Path(__file__).parents[1] / "data/slurm/22.05"
NOW = datetime(2026, 11, 24, 22, 10, tzinfo=UTC)
SETTINGS = Settings(
    spawn=Spawn(
        environments=(Software(name="deep", title="Deep learning", path=Path("/opt/atrium/deep")),),
        partitions=("short",),
    )
)


def text(name: str) -> str:
    return (DATA / f"{name}.txt").read_text()


CLUSTER = Cluster(
    partitions=inventory.parse_partitions(text("partitions")),
    nodes=inventory.parse_nodes(text("nodes")),
    reservations=inventory.parse_reservations(text("reservations")),
    qos=inventory.parse_qos(text("qos")),
    associations=inventory.parse_associations(text("associations")),
    usage=commands.parse_account_usage(text("usage")),
    as_of=NOW,
)


def offer(cluster: Cluster = CLUSTER, *, user: str = "founder", groups: tuple[str, ...] = ()) -> Offer:
    offered = offer_for(cluster, user=user, groups=groups, settings=SETTINGS, now=NOW)
    return replace(offered, proposed=notebook_partitions(SETTINGS))


def changed(kind: str, name: str, **changes: object) -> Cluster:
    """The cluster with one of its partitions or QOS changed."""
    entries = getattr(CLUSTER, kind)
    return replace(
        CLUSTER, **{kind: tuple(replace(entry, **changes) if entry.name == name else entry for entry in entries)}
    )
