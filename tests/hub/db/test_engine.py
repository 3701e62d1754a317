import threading

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from hub.db.base import now
from hub.db.engine import make_engine, make_sessions
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
