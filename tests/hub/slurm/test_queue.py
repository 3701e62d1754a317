"""One squeue for everybody; "could not ask" changes nothing."""

import asyncio

from hub.errors import SlurmUnavailable
from hub.slurm.jobs import Job
from hub.slurm.queue import QueueWatcher


class Controller:
    """A controller that can fall silent."""

    def __init__(self) -> None:
        self.jobs = [Job(7, "RUNNING", "founder", "cpu1")]
        self.silent = False

    async def queue(self) -> list[Job]:
        await asyncio.sleep(0)
        if self.silent:
            raise SlurmUnavailable("Slurm has not answered for 15 s.")
        return self.jobs


async def test_sixty_who_wait_cause_one_call():
    watcher = QueueWatcher(Controller(), interval=60)
    snapshots = await asyncio.gather(*(watcher.fresh() for _ in range(60)))
    assert watcher.calls == 1
    assert all(snapshot is not None and 7 in snapshot.jobs for snapshot in snapshots)


async def test_within_the_interval_nobody_asks_again():
    watcher = QueueWatcher(Controller(), interval=60)
    await watcher.fresh()
    await watcher.fresh()
    assert watcher.calls == 1


async def test_silence_is_not_an_empty_queue():
    controller = Controller()
    watcher = QueueWatcher(controller, interval=0)
    await watcher.fresh()
    controller.silent = True
    assert await watcher.fresh() is None
    assert 7 in watcher.snapshot.jobs
    assert watcher.error is not None
    controller.silent = False
    assert await watcher.fresh() is not None
    assert watcher.error is None


async def test_a_bug_in_reading_does_not_end_the_watch():
    controller = Controller()
    watcher = QueueWatcher(controller, interval=0)
    controller.jobs = None  # type: ignore[assignment]
    assert await watcher.fresh() is None
    controller.jobs = []
    assert await watcher.fresh() is not None
