"""Workers that ended because their tasks needed more memory than they have."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from hub.slurm.jobs import Job, Phase

RESTARTED = "worker-restart-memory"
"""Dask's topic of events: a worker passed its memory and was started anew, within its job."""
_ENDED = re.compile(r"oom[-_ ]kill|exceeded (?:job )?memory limit|Memory cgroup out of memory", re.IGNORECASE)
"""What Slurm writes into a job's log; without cgroups its state does not say it."""


class MemoryEvents:
    """Counts such ends of one cluster's workers."""

    def __init__(self) -> None:
        self._restarts = 0
        self._read_jobs: set[int] = set()

    async def has_new(self, scheduler: Any, jobs: Iterable[Job], log_tail: Callable[[Job], Awaitable[str]]) -> bool:
        """Whether there was one since the last call, by Dask's events or among the cluster's ended ``jobs``."""
        restarts = len(scheduler.get_events(RESTARTED))
        is_new, self._restarts = restarts > self._restarts, restarts
        for job in jobs:
            if job.phase is Phase.ENDED and job.id not in self._read_jobs:
                self._read_jobs.add(job.id)
                is_new |= job.state.startswith("OUT_OF_MEMORY") or bool(_ENDED.search(await log_tail(job)))
        return is_new
