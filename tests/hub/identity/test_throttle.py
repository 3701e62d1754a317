"""Counts of attempts, and the delays that follow from them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hub.identity import throttle
from hub.identity.throttle import Limit, Throttle
from tests.hub.fakes import Clock

LIMIT = Limit(free=3, forget_seconds=1800, longest_seconds=60)


@pytest.fixture
def counts(clock: Clock) -> Throttle:
    return Throttle(clock=clock)


def delays(counts: Throttle, clock: Clock, attempts: int, limit: Limit = LIMIT) -> list[float]:
    """The delay after each of so many attempts, each made as soon as it is allowed."""
    delays = []
    for _ in range(attempts):
        counts.add("key", limit)
        delays.append(counts.wait_seconds("key", limit))
        clock.now += delays[-1]
    return delays


def test_the_first_attempts_are_free_and_then_each_waits_twice_as_long(counts: Throttle, clock: Clock) -> None:
    assert delays(counts, clock, 10) == [0, 0, 0, 2, 4, 8, 16, 32, 60, 60]


def test_keys_are_counted_apart(counts: Throttle, clock: Clock) -> None:
    delays(counts, clock, 10)
    counts.add("key", LIMIT)
    assert counts.wait_seconds("key", LIMIT) and not counts.wait_seconds("other", LIMIT)


def test_attempts_are_forgotten_one_by_one(counts: Throttle, clock: Clock) -> None:
    delays(counts, clock, 5)
    clock.now += 2 * LIMIT.forget_seconds
    assert delays(counts, clock, 2) == [2, 4]
    clock.now += 100 * LIMIT.forget_seconds
    assert delays(counts, clock, 4) == [0, 0, 0, 2]


def test_a_rate_is_held_however_long_it_goes_on(counts: Throttle, clock: Clock) -> None:
    rate, start = Limit(free=60, forget_seconds=1, longest_seconds=300), clock.now
    delays(counts, clock, 1000, rate)
    assert 1000 / ((clock.now - start) / 60) < 70


@pytest.mark.parametrize("undo", [Throttle.reset, Throttle.take_back])
def test_what_is_undone_delays_nobody(counts: Throttle, clock: Clock, undo: Callable[[Throttle, str], None]) -> None:
    delays(counts, clock, 3)
    counts.add("key", LIMIT)
    undo(counts, "key")
    assert counts.wait_seconds("key", LIMIT) == 0
    undo(counts, "unknown")


def test_the_memory_has_an_end(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "REMEMBER_AT_MOST", 10)
    counts = Throttle(clock=clock)
    for number in range(100):
        counts.add(number, LIMIT)
    assert len(counts._counts) == 10
