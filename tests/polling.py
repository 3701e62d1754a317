"""Waiting for a condition instead of sleeping for a guess."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def eventually(condition: Callable[[], Value | None], *, within: float, what: str, every: float = 0.1) -> Value:
    """The first true value of ``condition``; an AssertionError that says ``what`` was awaited after ``within`` s."""
    deadline = time.monotonic() + within
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {within:g} s for: {what} (last seen: {value!r})")
        time.sleep(every)
    return value
