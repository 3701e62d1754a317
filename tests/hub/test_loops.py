"""Loops of the worker: the error of one item stops no others, that of the database stops all."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from hub.errors import InvalidInput, SlurmUnavailable
from hub.loops import by_itself


def run(error: Exception, **options) -> list[int]:
    """The items of three that a loop gets through if the first one fails."""
    complete = []
    for item in range(3):
        with by_itself(f"item {item}", **options):
            if item == 0:
                raise error
            complete.append(item)
    return complete


@pytest.mark.parametrize(
    "error", [ValueError("a"), InvalidInput("b"), KeyError("c"), IntegrityError("d", {}, OSError())]
)
def test_an_item_that_fails_stops_no_others(error, caplog):
    assert run(error) == [1, 2]
    assert "item 0" in caplog.text


@pytest.mark.parametrize("error", [OperationalError("a", {}, OSError()), PoolTimeout("b"), SlurmUnavailable("c")])
def test_what_every_item_would_fail_with_is_raised(error):
    with pytest.raises(type(error)):
        run(error, of_all=(SlurmUnavailable,))
