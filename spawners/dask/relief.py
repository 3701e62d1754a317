"""Replaces workers shortly before their time limit, so that data in their memory can move. Used by ``cluster``."""

from __future__ import annotations

import time
from typing import Any

from spawners.dask import status
from spawners.dask.worker import Times

AGAIN_SECONDS = 30.0
"""Pause after Slurm has refused a worker or could not be asked, and after a relief that did not come."""
LAST_SECONDS = 120.0
"""No worker is replaced any more so shortly before the server's end."""


class Reliefs:
    """Pairs of relieved and relieving workers, and when the next relief is due.

    :param cluster: a :class:`spawners.dask.cluster.ProjectCluster`.
    """

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster
        self.pairs: dict[str, str] = {}
        """Name of the relieving worker by the name of the relieved one, while both exist."""
        self._working_since: dict[str, tuple[str, float]] = {}
        """Each worker's job, and when the job was first seen to work (monotonic seconds).

        A worker that is restarted inside its job gets no more time from Slurm.
        """
        self._sent_at: dict[str, float] = {}
        """When another worker was last sent for each one (monotonic seconds)."""

    def update(self) -> None:
        """Submit a relief before a worker has to leave, and retire the worker when the relief has joined.

        So data can move even if all workers started, and would end, at the same time.

        Changes the cluster's specification of workers; the correction that follows submits and retires them.
        """
        cluster, now = self._cluster, time.monotonic()
        joined = status.joined(cluster)
        self._note_jobs(joined, now)
        self._sent_at = {name: at for name, at in self._sent_at.items() if name in self._working_since}
        self._release(joined)
        for name, (_, since) in self._working_since.items():
            job = cluster.workers.get(name)
            if job is None or name not in cluster.worker_spec or name in self.pairs or not self._helps(job.times):
                continue
            if now > max(since + job.times.relief(name), self._sent_at.get(name, float("-inf")) + AGAIN_SECONDS):
                self._sent_at[name] = now
                spec = cluster.new_worker_spec()
                cluster.worker_spec.update(spec)
                self.pairs[name] = next(iter(spec))

    def _note_jobs(self, joined: set[str], now: float) -> None:
        jobs = self._cluster.jobs
        for name in joined & jobs.keys():
            if self._working_since.get(name, ("", now))[0] != jobs[name]:
                self._working_since[name] = (jobs[name], now)
        self._working_since = {name: entry for name, entry in self._working_since.items() if jobs.get(name) == entry[0]}

    def _release(self, joined: set[str]) -> None:
        """Retire workers whose relief has joined, and drop pairs with a missing worker."""
        specification = self._cluster.worker_spec
        for old, new in tuple(self.pairs.items()):
            if new in specification and (new in joined or old not in joined):
                specification.pop(old, None)
            if old not in specification or new not in specification:
                del self.pairs[old]

    def _helps(self, times: Times) -> bool:
        """Whether a relief would outlive the worker; both end with the server at the latest."""
        ends = self._cluster.ends
        return ends is None or ends - time.time() > max(LAST_SECONDS, times.limit - times.lifetime + 60)
