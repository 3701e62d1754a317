"""Writing into the ledger while its database does not answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from tenacity import wait_none

from spawners.job import ledger
from spawners.job.ledger import TRIES, Ledger


class Database:
    """Does not answer at first."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.written: list[int] = []

    def write(self, _session: Session, number: int) -> None:
        if self.failures:
            self.failures -= 1
            raise OperationalError("INSERT", {}, Exception("database is locked"))
        self.written.append(number)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "wait_exponential", lambda **_: wait_none())


async def test_a_note_is_written_once_the_database_answers(tmp_path: Path) -> None:
    database = Database(failures=TRIES - 1)
    await Ledger(f"sqlite:///{tmp_path}/atrium.sqlite").note(database.write, 7)
    assert database.written == [7]


async def test_a_database_that_stays_away_is_in_no_servers_way(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    database = Database(failures=TRIES)
    await Ledger(f"sqlite:///{tmp_path}/atrium.sqlite").note(database.write, 7)
    assert (database.written, database.failures) == ([], 0)
    assert "write was not written" in caplog.text
