"""The background jobs, and a real worker process."""

import os
import signal
import subprocess
import sys
from datetime import datetime, timedelta

from sqlalchemy.exc import OperationalError

from hub.health import service as health
from hub.health.tables import SignOfLife
from hub.programs.worker import Every, SeldomLog, make_queue
from tests.polling import eventually


def test_a_job_is_due_at_once_and_then_in_its_rhythm():
    due, start = Every(15, tick=5), datetime(2026, 1, 1)
    beats = [seconds for seconds in range(0, 61, 5) if due(start + timedelta(seconds=seconds))]
    assert beats == [0, 15, 30, 45, 60]


def test_an_error_in_a_job_ends_only_that_run(settings, sessions, caplog, monkeypatch):
    def fail(_session, _part):
        raise RuntimeError("a bug")

    queue = make_queue(settings, sessions)
    heartbeat = next(task for task in queue._registry.periodic_tasks if "heartbeat" in str(task))
    with monkeypatch.context() as patch:
        patch.setattr(health, "seen", fail)
        queue.execute(heartbeat)
    assert "Unhandled exception" in caplog.text
    queue.execute(heartbeat)
    with sessions() as session:
        assert session.get(SignOfLife, "worker")
    queue.storage.close()


def test_a_worker_without_a_database_logs_once_a_minute_and_goes_on_with_it(settings, sessions, caplog, engine):
    """Without a table the heartbeat fails; with it the next one works."""
    queue = make_queue(settings, sessions)
    heartbeat = next(task for task in queue._registry.periodic_tasks if "heartbeat" in str(task))
    SignOfLife.__table__.drop(engine)
    for _ in range(10):
        queue.execute(heartbeat)
    assert [record.message.partition(":")[0] for record in caplog.records if record.levelname == "ERROR"] == [
        "the database cannot be used, so jobs wait for it"
    ]
    SignOfLife.__table__.create(engine)
    queue.execute(heartbeat)
    with sessions() as session:
        assert session.get(SignOfLife, "worker")
    queue.storage.close()


def test_all_jobs_together_log_once_a_minute(caplog):
    clock = [0.0]
    seldom = SeldomLog(lambda: clock[0])

    def fail():
        raise OperationalError("SELECT 1", {}, Exception("unable to open database file"))

    for clock[0] in (0.0, 30.0, 59.0, 61.0, 90.0):
        for job in (seldom.without_database(fail), seldom.without_database(fail)):
            job()
    assert len(caplog.records) == 2


def test_a_worker_gives_a_sign_of_life_at_once_and_stops_when_told(settings, sessions, tmp_path):
    environment = {
        **os.environ,
        "ATRIUM_CONFIG": "/nonexistent.toml",
        "ATRIUM_API__DATABASE_URL": settings.api.database_url,
        "ATRIUM_PATHS__STATE": str(settings.paths.state),
        "ATRIUM_PATHS__ETC": str(settings.paths.etc),
        "ATRIUM_SLURM__BIN": "/nonexistent",
    }
    log = tmp_path / "worker.log"
    with log.open("w") as output:
        worker = subprocess.Popen([sys.executable, "-m", "hub.cli", "worker"], env=environment, stderr=output)
    try:
        eventually(lambda: _seen(sessions), within=30, what="a heartbeat")
        eventually(lambda: "could not be started" in log.read_text(), within=30, what="the question put to Slurm")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
    finally:
        worker.kill()
        worker.wait()
    assert "worker stopped" in log.read_text()


def _seen(sessions):
    with sessions() as session:
        return session.get(SignOfLife, "worker")
