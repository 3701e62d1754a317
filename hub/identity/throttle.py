"""Counts of attempts to guess a secret, and the delays that follow from them. Kept in memory and bounded."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from threading import Lock

from cachetools import TTLCache

REMEMBER_AT_MOST = 100_000
"""Counts in memory; of more, the one that was used least recently is dropped."""
REMEMBER_SECONDS = 24 * 3600.0
"""Seconds after its last attempt in which a count is dropped."""
FIRST_SECONDS = 2.0
"""The first delay; each further attempt doubles it."""


@dataclass(frozen=True)
class Limit:
    """When delays begin, how long they become, and how soon attempts are forgotten."""

    free: int
    """Attempts without a delay."""
    forget_seconds: float
    """One attempt is forgotten after this time."""
    longest_seconds: float
    """The longest delay."""

    def delay(self, attempts: float) -> float:
        """Seconds to wait after so many attempts."""
        excess = math.ceil(attempts - self.free)
        return 0.0 if excess < 1 else min(FIRST_SECONDS * 2.0 ** min(excess - 1, 60), self.longest_seconds)


@dataclass
class _Count:
    attempts: float
    """Attempts that were not forgotten by :attr:`at`."""
    at: float
    """Time of the last attempt."""


class Throttle:
    """A count of attempts for each key. Threads may share it.

    :param clock: monotonic seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: TTLCache[Hashable, _Count] = TTLCache(REMEMBER_AT_MOST, REMEMBER_SECONDS, clock)
        self._lock = Lock()

    def wait_seconds(self, key: Hashable, limit: Limit) -> float:
        """Seconds until the next attempt is allowed; 0 if it is allowed now."""
        with self._lock:
            count = self._counts.get(key)
            return 0.0 if count is None else max(0.0, count.at + limit.delay(count.attempts) - self._clock())

    def add(self, key: Hashable, limit: Limit) -> None:
        """Count an attempt."""
        with self._lock:
            moment, count = self._clock(), self._counts.get(key)
            before = 0.0 if count is None else count.attempts - (moment - count.at) / limit.forget_seconds
            self._counts[key] = _Count(max(0.0, before) + 1, moment)

    def take_back(self, key: Hashable) -> None:
        """Uncount an attempt."""
        with self._lock:
            count = self._counts.get(key)
            if count is not None:
                count.attempts = max(0.0, count.attempts - 1)

    def reset(self, key: Hashable) -> None:
        """Forget all attempts."""
        with self._lock:
            self._counts.pop(key, None)
