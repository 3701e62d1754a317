import errno
import sqlite3
import threading
from contextlib import closing

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from hub.db.base import now
from hub.db.engine import is_storage_full, make_engine, make_sessions
from hub.health.tables import SignOfLife
from hub.projects.models import MemberRole
from hub.projects.tables import Member


def test_a_row_cannot_point_at_nothing(session):
    session.add(Member(project_id=4711, person="founder", role=MemberRole.LEAD))
    with pytest.raises(IntegrityError):
        session.commit()


def test_sqlite_lets_readers_read_while_somebody_writes(tmp_path):
    engine = make_engine(f"sqlite:///{tmp_path}/some.sqlite")
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA busy_timeout")).scalar() == 5000
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1


def test_many_writers_wait_for_each_other(settings, engine):
    """Engines of their own, as the API, the worker and the command line have."""
    failed = []

    def write(part):
        own = make_engine(settings.api.database_url)
        try:
            for _ in range(20):
                with make_sessions(own)() as session:
                    session.merge(SignOfLife(part=part, at=now()))
                    session.commit()
        except Exception as error:
            failed.append(error)
        finally:
            own.dispose()

    threads = [threading.Thread(target=write, args=(f"part{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failed == []


def test_an_address_of_postgresql_means_the_driver_we_ship():
    assert make_engine("postgresql://somebody@localhost/atrium").driver == "psycopg"


# -- a file that has to be there --------------------------------------------------------------------------------------


def test_a_lost_file_is_not_made_anew(tmp_path):
    file = tmp_path / "some.sqlite"
    engine = make_engine(f"sqlite:///{file}", existing=True)
    with pytest.raises(OperationalError), engine.connect():
        pass
    assert not file.exists()


def test_a_file_that_was_removed_or_replaced_is_not_served_any_more(tmp_path):
    file, other = tmp_path / "some file.sqlite", tmp_path / "other.sqlite"
    for path, value in ((file, "old"), (other, "restored")):
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("CREATE TABLE words (word)")
            database.execute("INSERT INTO words VALUES (?)", (value,))
    engine = make_engine(f"sqlite:///{file}", existing=True)

    def word():
        with engine.connect() as connection:
            return connection.execute(text("SELECT word FROM words")).scalar()

    assert word() == "old"
    file.unlink()
    with pytest.raises(OperationalError):
        word()
    other.replace(file)
    assert word() == "restored"


def test_full_storage_is_known_by_its_code(tmp_path):
    engine = make_engine(f"sqlite:///{tmp_path}/some.sqlite")
    with pytest.raises(OperationalError) as caught, engine.begin() as connection:
        connection.execute(text("PRAGMA max_page_count = 1"))
        connection.execute(text("CREATE TABLE big (content)"))
        connection.execute(text("INSERT INTO big VALUES (zeroblob(1000000))"))
    assert is_storage_full(caught.value)
    with pytest.raises(OperationalError) as caught, engine.connect() as connection:
        connection.execute(text("SELECT * FROM nothing"))
    assert not is_storage_full(caught.value)
    assert is_storage_full(OSError(errno.EDQUOT, "Disk quota exceeded"))
    assert is_storage_full(DBAPIError("INSERT", {}, psycopg.errors.DiskFull()))
    assert not is_storage_full(OSError(errno.ENOENT, "No such file"))
