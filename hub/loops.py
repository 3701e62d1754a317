"""Loops of the worker: what is wrong with one item stops no others."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from hub.errors import AtriumError

logger = logging.getLogger(__name__)

OF_AN_ITEM = (IntegrityError, DataError)
"""Errors of the database that are about the values of a row; of the others every item would fail."""


@contextmanager
def by_itself(what: str, *, session: Session | None = None, of_all: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Log what one item of a loop fails with, and go on after it.

    :param what: names the item, for the log.
    :param session: one that the items share; it is rolled back after an error.
    :param of_all: errors that every item would have, so they are raised.
    :raises sqlalchemy.exc.SQLAlchemyError: the database itself cannot be used.
    """
    try:
        yield
    except Exception as error:
        if session is not None:
            session.rollback()
        if isinstance(error, (DBAPIError, PoolTimeout, *of_all)) and not isinstance(error, OF_AN_ITEM):
            raise
        if isinstance(error, AtriumError):
            logger.warning("%s: %s", what, error.message)
        else:
            logger.exception("%s failed; the others go on", what)
