"""The machine's hardware, as Slurm has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.calls.machine import KEPT_SECONDS, RETRY_SECONDS, Machine
from hub.calls.models import Hardware, System
from hub.errors import SlurmUnavailable
from hub.slurm import inventory
from hub.slurm.cluster import Node

NODES = inventory.parse_nodes((Path(__file__).parents[2] / "data/slurm/22.05/nodes.txt").read_text())
SYSTEMS = (
    System(id="cpu", title="CPU", partitions=("batch",), source="site"),
    System(id="gpu", title="GPU", partitions=("notebooks", "gpu"), source="site"),
)


class Slurm:
    def __init__(self) -> None:
        self.now, self.questions, self.silent = 0.0, 0, False
        self.machine = Machine(self.nodes, clock=lambda: self.now)

    async def nodes(self) -> tuple[Node, ...]:
        self.questions += 1
        if self.silent:
            raise SlurmUnavailable("Slurm has not answered for 15 s (sinfo).")
        return NODES


@pytest.fixture
def slurm() -> Slurm:
    return Slurm()


async def test_it_is_counted_by_kind_and_once_for_each_node(slurm: Slurm) -> None:
    assert await slurm.machine.hardware(SYSTEMS) == (
        Hardware(system="cpu", nodes=3, cores=48, gpus={}),
        Hardware(system="gpu", nodes=5, cores=80, gpus={"a100": 4, "l40s": 4}),
    )


async def test_slurm_is_asked_once_for_many_pages(slurm: Slurm) -> None:
    for _ in range(3):
        await slurm.machine.hardware(SYSTEMS)
    assert slurm.questions == 1
    slurm.now += KEPT_SECONDS
    await slurm.machine.hardware(SYSTEMS)
    assert slurm.questions == 2


async def test_what_slurm_has_not_said_is_not_made_up(slurm: Slurm) -> None:
    slurm.silent = True
    assert await slurm.machine.hardware(SYSTEMS) == ()
    assert await slurm.machine.hardware(SYSTEMS) == ()
    assert slurm.questions == 1, "a silent Slurm is asked again only after a pause"
    slurm.silent, slurm.now = False, RETRY_SECONDS
    assert len(await slurm.machine.hardware(SYSTEMS)) == 2
    slurm.silent, slurm.now = True, RETRY_SECONDS + KEPT_SECONDS
    assert len(await slurm.machine.hardware(SYSTEMS)) == 2, "the last answer stays in use"
