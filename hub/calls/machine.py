"""The machine's hardware as Slurm describes it, for pages that describe what can be applied for."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from functools import lru_cache

from hub.calls.models import Hardware, System
from hub.errors import AtriumError
from hub.settings import Settings
from hub.slurm.client import SlurmClient
from hub.slurm.cluster import Node

logger = logging.getLogger(__name__)

KEPT_SECONDS = 600.0
"""Hardware changes rarely; what was read last stays in use while Slurm is silent."""
RETRY_SECONDS = 30.0
DEADLINE_SECONDS = 5.0
"""Pages wait for it."""


class Machine:
    """Nodes of the machine, read from Slurm at most every ten minutes."""

    def __init__(
        self, read: Callable[[], Awaitable[tuple[Node, ...]]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._read = read
        self._clock = clock
        self._nodes: tuple[Node, ...] | None = None
        self._due = float("-inf")
        self._lock = asyncio.Lock()

    async def hardware(self, systems: Iterable[System]) -> tuple[Hardware, ...]:
        """Hardware of each system's partitions; empty if Slurm has never answered. Never raises."""
        async with self._lock:
            if self._clock() >= self._due:
                await self._refresh()
        return () if self._nodes is None else tuple(_hardware(system, self._nodes) for system in systems)

    async def _refresh(self) -> None:
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                self._nodes = await self._read()
        except (AtriumError, TimeoutError) as error:
            logger.warning("The machine's nodes cannot be read: %s", error or type(error).__name__)
            self._due = self._clock() + RETRY_SECONDS
        else:
            self._due = self._clock() + KEPT_SECONDS


def _hardware(system: System, nodes: Iterable[Node]) -> Hardware:
    own = [node for node in nodes if set(node.partitions) & set(system.partitions)]
    gpus: Counter[str] = Counter()
    for node in own:
        gpus.update({entry.kind: entry.total for entry in node.gpus})
    return Hardware(system=system.id, nodes=len(own), cores=sum(node.cpus for node in own), gpus=dict(gpus))


@lru_cache(maxsize=1)
def machine(settings: Settings) -> Machine:
    """The one machine of this process."""
    return Machine(SlurmClient(settings.slurm).nodes)
