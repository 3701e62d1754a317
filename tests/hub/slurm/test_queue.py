"""One squeue for all servers; a failed call changes nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

import pytest

from hub.errors import SlurmUnavailable
from hub.slurm import queue
from hub.slurm.jobs import Job, Pending
from hub.slurm.queue import QueueWatcher, places


class Controller:
    """A controller that can fall silent."""

    def __init__(self) -> None:
        self.jobs = [Job(7, "RUNNING", "founder", "cpu1")]
        self.waiting: list[Pending] = []
        self.forgotten: list[Job] = []
        """Jobs that are only listed by their numbers."""
        self.silent = False
        self.commands = 0
        self.asked_for_places = 0
        self.answers = asyncio.Event()
        self.answers.set()

    async def queue(self, name: str) -> list[Job]:
        assert name == "atrium-notebook"
        self.commands += 1
        jobs = self.jobs
        await self.answers.wait()
        if self.silent:
            raise SlurmUnavailable("Slurm has not answered for 15 s.")
        return jobs

    async def jobs_of(self, numbers: Iterable[int]) -> list[Job]:
        self.commands += 1
        return [job for job in self.forgotten if job.id in numbers]

    async def pending(self) -> list[Pending]:
        self.commands += 1
        self.asked_for_places += 1
        return self.waiting


def watch(
    controller: Controller,
    waiting_seconds: float = 0.001,
    idle_seconds: float = 60,
    calls_a_minute: int = 10_000_000,
) -> QueueWatcher:
    return QueueWatcher(
        controller,
        "atrium-notebook",
        waiting_seconds=waiting_seconds,
        idle_seconds=idle_seconds,
        calls_a_minute=calls_a_minute,
    )


async def until(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


async def test_sixty_who_want_to_know_cause_one_call():
    watcher = watch(Controller())
    now = time.monotonic()
    snapshots = await asyncio.gather(*(watcher.fresh(now) for _ in range(60)))
    assert watcher.calls == 1
    assert all(snapshot is not None and 7 in snapshot.jobs for snapshot in snapshots)


async def test_who_is_content_with_an_older_answer_causes_no_call():
    watcher = watch(Controller())
    earlier = time.monotonic()
    await watcher.fresh(earlier)
    await watcher.fresh(earlier)
    assert watcher.calls == 1
    await watcher.fresh(time.monotonic())
    assert watcher.calls == 2


async def test_an_answer_to_a_question_put_before_is_not_new_enough():
    controller = Controller()
    watcher = watch(controller)
    controller.answers.clear()
    first = asyncio.create_task(watcher.fresh(time.monotonic()))
    await until(lambda: watcher.calls == 1)
    controller.jobs = [*controller.jobs, Job(8, "PENDING", "founder")]
    second = asyncio.create_task(watcher.fresh(time.monotonic()))
    await asyncio.sleep(0)
    controller.answers.set()
    await first
    snapshot = await second
    assert snapshot is not None and 8 in snapshot.jobs
    assert watcher.calls == 2


async def test_silence_is_not_an_empty_queue():
    controller = Controller()
    watcher = watch(controller)
    await watcher.fresh(time.monotonic())
    controller.silent = True
    assert await watcher.fresh(time.monotonic()) is None
    assert 7 in watcher.snapshot.jobs
    assert watcher.error is not None and watcher.silent_since is not None
    controller.silent = False
    assert await watcher.fresh(time.monotonic()) is not None
    assert watcher.error is None and watcher.silent_since is None


async def test_a_bug_in_reading_does_not_end_the_watch():
    controller = Controller()
    watcher = watch(controller)
    controller.jobs = None  # type: ignore[assignment]
    assert await watcher.fresh(time.monotonic()) is None
    controller.jobs = []
    assert await watcher.fresh(time.monotonic()) is not None


@pytest.fixture
async def running():
    """A watcher that goes its rounds, and its controller."""
    controller = Controller()
    watcher = watch(controller)
    rounds = asyncio.create_task(watcher.run())
    yield watcher, controller
    rounds.cancel()


async def test_with_no_server_nobody_asks(running):
    watcher, _ = running
    for _ in range(20):
        await asyncio.sleep(0.001)
    assert watcher.calls == 0


async def test_a_change_is_reported_once_and_absence_each_time(running):
    watcher, controller = running
    news: list[Job | None] = []
    watcher.watch(7, news.append)
    with watcher.waiting():
        await until(lambda: watcher.calls > 5)
        assert news == [controller.jobs[0]]
        controller.jobs = [Job(7, "SUSPENDED", "founder", "cpu1")]
        await until(lambda: len(news) == 2)
        controller.jobs = []
        await until(lambda: news[2:4] == [None, None])
        watcher.unwatch(7)
        count, calls = len(news), watcher.calls
        await until(lambda: watcher.calls > calls + 2)
    assert len(news) <= count + 1


async def test_a_listener_that_fails_is_not_in_the_way_of_the_next(running):
    watcher, controller = running
    controller.jobs = [*controller.jobs, Job(8, "RUNNING", "colleague", "cpu2")]
    news: list[Job | None] = []
    watcher.watch(7, lambda job: 1 / 0)
    watcher.watch(8, news.append)
    with watcher.waiting():
        await until(lambda: news)


async def test_who_waits_makes_it_quicker_and_gets_a_place(running):
    watcher, controller = running
    mine = Job(7, "PENDING", "founder", partition="notebooks")
    controller.jobs = [mine]
    controller.waiting = [Pending(5, ("notebooks",), 10), Pending(7, ("notebooks",), 10)]
    watcher.watch(7, lambda job: None)
    await until(lambda: watcher.snapshot.jobs or watcher.calls == 0)
    with watcher.waiting():
        await until(lambda: watcher.place(mine) == 2)
    assert controller.asked_for_places == 1, "the order of the queue is asked for more rarely than its state"


async def test_jobs_that_the_list_lacks_are_asked_for_by_number_together(running):
    """Renamed by their owner, or forgotten by the controller."""
    watcher, controller = running
    controller.forgotten = [Job(8, "RUNNING", "founder", "cpu2")]
    news: dict[int, Job | None] = {}
    for number in (7, 8, 9):
        watcher.watch(number, lambda job, number=number: news.update({number: job}))
    with watcher.waiting():
        await until(lambda: len(news) == 3)
    assert (news[8], news[9]) == (controller.forgotten[0], None)


async def test_a_job_that_has_ended_is_reported_until_nobody_watches_it(running):
    watcher, controller = running
    controller.jobs = [Job(7, "COMPLETED", "founder", "cpu1")]
    news: list[Job | None] = []
    watcher.watch(7, news.append)
    with watcher.waiting():
        await until(lambda: len(news) >= 3)
    assert set(news) == {controller.jobs[0]}


async def test_a_silent_slurm_is_asked_until_it_answers_although_nobody_waits():
    """Starts are refused meanwhile, and must be possible again afterwards."""
    controller = Controller()
    watcher = watch(controller, idle_seconds=0.001)
    controller.silent = True
    assert await watcher.fresh(time.monotonic()) is None
    rounds = asyncio.create_task(watcher.run())
    controller.silent = False
    await until(lambda: watcher.error is None)
    rounds.cancel()


async def test_every_call_is_counted(running):
    watcher, controller = running
    controller.jobs, controller.waiting = [Job(7, "PENDING", "founder")], [Pending(7, ("notebooks",), 10)]
    watcher.watch(7, lambda job: None)
    watcher.watch(8, lambda job: None)
    with watcher.waiting():
        await until(lambda: watcher.calls > 10)
    assert controller.asked_for_places == 1
    assert watcher.calls - controller.commands in (0, 1), "the last one may be under way"


def test_no_minute_has_more_than_thirty_calls_however_many_are_requested(monkeypatch):
    now, times = 1000.0, []
    monkeypatch.setattr(queue.time, "monotonic", lambda: now)
    budget = queue.CallBudget()
    for second in range(600):
        now = 1000.0 + second
        if not 200 < second < 300:  # a rest in between gives no more than a few calls at once
            times += [now + budget.take() for _ in range(2 if second < 20 else 0 if second % 3 else 1)]
    assert max(sum(start <= other < start + 60 for other in times) for start in times) <= 30
    assert sum(moment < 1001 for moment in times) == 2, "the first ones do not wait"


@pytest.mark.parametrize("regular", [20 + 6])
def test_the_budget_has_room_for_the_regular_calls(monkeypatch, regular):
    """A snapshot every three seconds and the places every ten: these never wait."""
    now, waits = 1000.0, []
    monkeypatch.setattr(queue.time, "monotonic", lambda: now)
    budget = queue.CallBudget()
    moments = sorted([*range(0, 600, 3), *range(0, 600, 10)])
    for moment in moments:
        now = 1000.0 + moment
        waits.append(budget.take())
    assert len(moments) == regular * 10
    assert max(waits) == 0


def test_places_go_by_priority_then_by_number_in_each_partition():
    waiting = [
        Pending(9, ("notebooks",), 0),  # held
        Pending(3, ("notebooks",), 100),
        Pending(1, ("notebooks",), 50),
        Pending(2, ("notebooks", "batch"), 50),
        Pending(4, ("batch",), 900),
    ]
    assert places(waiting) == {
        (4, "batch"): 1,
        (3, "notebooks"): 1,
        (1, "notebooks"): 2,
        (2, "notebooks"): 3,
        (2, "batch"): 2,
        (2, "notebooks,batch"): 2,
    }
