"""The watch: time, idleness and the end, with a clock of the test's."""

from __future__ import annotations

import asyncio
import logging

import pytest

from spawners.node import watch as module
from spawners.node.idle import Activity, IdleClock
from spawners.node.job import Job
from spawners.node.watch import IDLE, TIME_LIMIT, UNATTENDED, Watch

START = 1_800_000_000.0


class NoKernels:
    def list_kernel_ids(self) -> list[str]:
        return []


class Slurm(Job):
    """A job whose end an administrator can move."""

    truth: float | None = None
    query_count = 0

    async def ask_end(self) -> None:
        self.query_count += 1
        self.ends = self.truth if self.truth is not None else self.ends


class World:
    """A watch and what is around it."""

    def __init__(self, *, ends_in: float | None = 14_400, idle: float = 7_200) -> None:
        self.now, self.gpus, self.gpus_asked, self.stopped = START, False, 0, 0
        self.job = Slurm(id="1", ends=None if ends_in is None else START + ends_in)
        self.watch = Watch(
            job=self.job,
            idle=IdleClock(limit=idle, warning=600, last=START),
            activity=Activity(NoKernels(), clock=lambda: self.now),
            gpus_work=self._gpus,
            stop=self._stop,
            warn_seconds=120,
            clock=lambda: self.now,
        )

    async def _gpus(self) -> bool:
        self.gpus_asked += 1
        return self.gpus

    def _stop(self) -> None:
        self.stopped += 1

    async def later(self, seconds: float) -> None:
        self.now += seconds
        await self.watch.round()


async def test_nothing_happens_for_long_and_the_server_ends_once() -> None:
    world = World()
    await world.later(7_199)
    assert (world.stopped, world.watch.idle_end) == (0, 1)
    await world.later(1)
    await world.later(1)
    assert (world.stopped, world.watch.farewell) == (1, IDLE)


async def test_a_person_cancels_the_end() -> None:
    world = World()
    await world.later(7_190)
    world.watch.activity.person()
    await world.later(100)
    assert (world.stopped, world.watch.idle_end) == (0, None)


async def test_working_gpus_keep_a_server_and_are_asked_only_when_it_looks_idle() -> None:
    world = World()
    world.gpus = True
    await world.later(3_000)
    assert world.gpus_asked == 0
    await world.later(4_300)
    assert (world.gpus_asked, world.stopped) == (1, 0)
    world.gpus = False
    await world.later(7_200)
    assert world.stopped == 1


async def test_time_alone_ends_nothing_before_slurms_signal() -> None:
    world = World(ends_in=3_000)
    await world.later(2_999)
    assert world.stopped == 0


async def test_after_the_signal_the_server_leaves_shortly_before_the_end() -> None:
    world = World(ends_in=3_000)
    world.now += 2_880
    await world.watch.signal()
    await world.later(99)
    assert world.stopped == 0
    await world.later(1)
    assert (world.stopped, world.watch.farewell) == (1, TIME_LIMIT)


async def test_a_job_that_was_given_more_time_goes_on() -> None:
    world = World(ends_in=3_000)
    world.now += 2_880
    await world.watch.signal()
    world.job.truth = START + 9_000
    await world.later(110)
    assert world.stopped == 0
    assert world.watch.seconds_left == pytest.approx(6_010)


async def test_without_slurms_word_the_signal_says_when() -> None:
    world = World(ends_in=None)
    assert world.watch.seconds_left is None
    await world.watch.signal()
    assert world.watch.seconds_left == 120
    await world.later(100)
    assert world.stopped == 1


async def test_slurm_is_asked_again_once_before_people_are_warned() -> None:
    world = World(ends_in=3_000)
    world.job.truth = START + 6_000
    for _ in range(5):
        await world.later(420)
    assert world.job.query_count == 1
    assert world.watch.seconds_left == pytest.approx(3_900)


async def test_a_round_that_fails_is_told_and_not_the_last(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world, rounds = World(), 0
    monkeypatch.setattr(module, "ROUND_SECONDS", 0)

    async def failing() -> None:
        nonlocal rounds
        rounds += 1
        if rounds < 3:
            raise RuntimeError("kernels have gone mad")
        world.watch._end(IDLE, "enough.")

    monkeypatch.setattr(world.watch, "round", failing)
    with caplog.at_level(logging.ERROR):
        await world.watch.run()

    assert world.stopped == 1
    assert caplog.text.count("missed a round") == 2


async def test_activity_is_told_to_jupyter_server_so_that_the_hub_hears_of_it() -> None:
    world, activity_times = World(), []
    world.watch.note_activity = activity_times.append
    await world.later(5_000)
    world.gpus = True
    await world.later(5)
    assert activity_times == [START, START + 5_005]


async def test_a_moved_end_is_seen_within_a_minute_while_somebody_looks() -> None:
    world = World(ends_in=14_400)
    hub_answers: list[float | None] = [START + 7_200, None]
    hub_questions: list[float] = []

    async def ask_hub() -> float | None:
        hub_questions.append(world.now)
        return hub_answers[min(len(hub_questions), 2) - 1]

    world.watch.ask_hub = ask_hub
    await world.later(100)
    assert hub_questions == [], "nobody looks"
    world.watch.note_reader()
    await world.later(5)
    assert world.watch.seconds_left == 7_200 - 105
    world.watch.note_reader()
    await world.later(30)
    assert world.watch.seconds_left == 7_200 - 135, "what the Hub does not know changes nothing"
    await world.later(5)
    assert len(hub_questions) == 2
    assert world.job.query_count == 0


async def test_a_pause_is_no_idleness_and_moves_the_end() -> None:
    world = World(ends_in=14_400)
    world.now += 7_100
    world.job.truth = START + 21_500
    await world.watch.resumed(7_100)
    await world.later(5)
    assert (world.stopped, world.watch.idle_end) == (0, None)
    assert world.watch.seconds_left == 21_500 - 7_105


async def test_a_round_that_comes_much_too_late_shows_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()

    async def sleep(seconds: float) -> None:
        world.now += 7_300 if world.job.query_count == 0 else seconds
        world.watch.ending = world.job.query_count > 0

    monkeypatch.setattr(asyncio, "sleep", sleep)
    world.job.truth = START + 20_000
    await world.watch.run()
    assert (world.job.query_count, world.stopped) == (1, 0)


async def test_a_server_ends_when_slurms_process_for_it_is_gone() -> None:
    world = World()
    await world.later(5)
    assert world.stopped == 0
    world.watch.is_unattended = lambda: True
    await world.later(5)
    assert (world.stopped, world.watch.farewell) == (1, UNATTENDED)


# -- GPUs that were asked for -----------------------------------------------------------------------------------------


async def test_gpus_that_do_not_compute_are_said_after_a_while() -> None:
    world = World()
    world.job.gpus, world.gpus = "0,1", True
    await world.later(60)
    world.gpus = False
    await world.later(60)
    assert world.watch.gpu_unused is None
    await world.later(900)
    assert world.watch.gpu_unused == 960
    world.gpus = True
    await world.later(60)
    assert world.watch.gpu_unused is None


async def test_nothing_is_said_of_gpus_that_nobody_knows_of() -> None:
    world = World()
    world.job.gpus = "0"
    await world.later(60)

    async def not_known() -> None:
        return None

    world.watch.gpus_work = not_known
    await world.later(2_000)
    assert world.watch.gpu_unused is None


async def test_a_job_without_gpus_is_not_looked_at_for_them() -> None:
    world = World()
    await world.later(2_000)
    assert (world.gpus_asked, world.watch.gpu_unused) == (0, None)
