"""Jobs that no server owns: what is taken for one (tests/slurm/test_orphans.py asks a real Slurm)."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from hub.audit import service as audit
from hub.db.base import Base
from hub.settings import Settings, Spawn
from hub.slurm.jobs import Job
from hub.slurm.queue import QueueWatcher
from spawners.job.ledger import Ledger
from spawners.job.orphans import Sweep
from spawners.job.site import Site


class Slurm:
    """Jobs of people with their comments."""

    def __init__(self, **comments: str) -> None:
        self.jobs = {number: Job(number, "RUNNING", user) for number, user in enumerate(comments, 1)}
        self.comments = dict(enumerate(comments.values(), 1))
        self.cancelled: list[int] = []

    async def queue(self, name: str) -> list[Job]:
        return list(self.jobs.values())

    async def named_jobs(self, name: str, user: str) -> dict[int, str]:
        return self.comments

    async def cancel(self, job_id: int, *, user: str) -> None:
        self.cancelled.append(job_id)


def site(slurm: Slurm, path: Path) -> Site:
    url = f"sqlite:///{path}/atrium.sqlite"
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    engine.dispose()
    queue = QueueWatcher(slurm, "atrium-notebook", waiting_seconds=1, idle_seconds=1)
    return Site(Settings(spawn=Spawn(orphan_seconds=0)), slurm, queue, Ledger(url), None)  # type: ignore[arg-type]


async def told(here: Site) -> list[str]:
    return [event.what for event in await here.ledger.run(audit.events)]


async def test_an_orphan_is_found_although_nobody_has_a_server(tmp_path: Path) -> None:
    slurm = Slurm(founder="atrium:founder::99")
    await Sweep(site(slurm, tmp_path)).round()
    assert slurm.cancelled == [1]


async def test_a_job_that_ended_since_the_queue_was_asked_is_no_orphan(tmp_path: Path) -> None:
    slurm = Slurm(founder="atrium:founder::99")
    here = site(slurm, tmp_path)
    await here.queue.fresh(time.monotonic())
    slurm.jobs.clear()
    await Sweep(here).round()
    assert slurm.cancelled == []
    assert await told(here) == []


@pytest.mark.parametrize(
    "comment", ["atrium:mallory::²", "atrium:mallory::-1", "atrium:mallory:::", "²", f"atrium:mallory::{'9' * 5000}"]
)
async def test_nobodys_comment_hides_the_orphans_of_others(comment: str, tmp_path: Path) -> None:
    slurm = Slurm(mallory=comment, founder="atrium:founder::99")
    await Sweep(site(slurm, tmp_path)).round()
    assert slurm.cancelled == [2]
