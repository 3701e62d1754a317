"""Loops of the worker: what is wrong with one item stops no others, and is tried after growing pauses."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from hub.errors import AtriumError

logger = logging.getLogger(__name__)

FIRST_PAUSE = 5.0
LONGEST_PAUSE = 600.0
"""Seconds between two tries of an item."""
OF_AN_ITEM = (IntegrityError, DataError)
"""Errors of the database that are about the values of a row; of the others every item would fail."""


@contextmanager
def by_itself(
    what: str,
    *,
    session: Session | None = None,
    of_all: tuple[type[Exception], ...] = (),
    on_failure: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """Log what one item of a loop fails with, and go on after it.

    :param what: names the item, for the log.
    :param session: one that the items share; it is rolled back after an error.
    :param of_all: errors that every item would have, so they are raised.
    :param on_failure: called after an error of the item's own.
    :raises sqlalchemy.exc.SQLAlchemyError: the database itself cannot be used.
    """
    try:
        yield
    except Exception as error:
        if session is not None:
            session.rollback()
        if isinstance(error, (DBAPIError, PoolTimeout, *of_all)) and not isinstance(error, OF_AN_ITEM):
            raise
        on_failure()
        if isinstance(error, AtriumError):
            logger.warning("%s: %s", what, error.message)
        else:
            logger.exception("%s failed; the others go on", what)


class Pauses:
    """When an item that failed is tried again: after pauses that double. A worker that starts anew begins with none."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed: dict[Hashable, tuple[int, float]] = {}
        """For each item: how often it failed, and when it is due again."""

    def is_due(self, item: Hashable) -> bool:
        return item not in self._failed or self._clock() >= self._failed[item][1]

    def lengthen(self, item: Hashable) -> None:
        """The item has failed."""
        times = self._failed.get(item, (0, 0.0))[0] + 1
        pause = min(FIRST_PAUSE * 2.0 ** min(times - 1, 16), LONGEST_PAUSE)
        self._failed[item] = (times, self._clock() + pause)

    def forget(self, item: Hashable) -> None:
        """The item has not failed."""
        self._failed.pop(item, None)
