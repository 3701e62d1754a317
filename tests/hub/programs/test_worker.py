"""The background jobs, and a real worker process."""

import os
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.exc import OperationalError

from hub.health import service as health
from hub.health.tables import SignOfLife
from hub.programs.worker import Every, SeldomLog, make_queue
from tests.polling import eventually

LOOPS = {
    "heartbeat": [],
    "culling": [],  # jupyterhub-idle-culler, which ends each server by itself
    "projects": [
        "test_a_project_whose_phase_cannot_be_updated_stops_no_other",
        "test_projects_are_provisioned_although_their_phases_cannot_be_updated",
        "test_a_project_that_fails_unexpectedly_stops_no_other",
        "test_an_unexpected_error_of_the_storage_keeps_nobody_in_the_group",
        "test_an_address_that_cannot_be_used_stops_neither_project_nor_mail",
    ],
    "mail": ["test_a_mail_that_is_not_accepted_now_holds_up_no_other"],
    "slurm": [
        "test_a_day_that_cannot_be_read_stops_no_other_and_is_tried_later_and_later",
        "test_days_are_collected_although_slurm_refuses_to_say_what_is_left",
    ],
    "retention": ["test_a_kind_of_rows_that_cannot_be_removed_stops_no_other"],
    "store": [
        "test_whatever_an_upload_fails_with_the_others_are_stored",
        "test_a_file_that_cannot_be_deleted_keeps_no_other",
        "test_remains_of_an_upload_that_cannot_be_deleted_keep_no_other",
    ],
    "dataspace-harvest": [
        "test_one_source_that_breaks_does_not_hold_up_the_others",
        "test_a_source_of_the_settings_that_is_still_being_removed_stops_no_other",
    ],
    "dataspace-index": ["test_a_record_that_cannot_be_read_leaves_the_index_and_stops_no_other"],
    "dataspace-quality": ["test_a_source_whose_pages_cannot_be_read_stops_no_quality_of_others"],
    "dataspace-transfers": [
        "test_a_transfer_whose_job_cannot_be_written_fails_and_stops_no_other",
        "test_a_home_that_does_not_answer_stops_no_transfer_of_others",
    ],
    "dataspace-news": ["test_a_broken_saved_search_does_not_hold_up_the_others"],
}
"""For each job the tests that put something broken first in each of its loops."""


def test_each_job_goes_on_after_an_item_that_fails(settings, sessions):
    queue = make_queue(settings, sessions)
    jobs = {task.name for task in queue._registry.periodic_tasks}
    queue.storage.close()
    texts = "".join(path.read_text() for path in Path(__file__).parents[1].rglob("test_*.py"))
    assert jobs == LOOPS.keys()
    assert [test for tests in LOOPS.values() for test in tests if f"def {test}(" not in texts] == []


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
