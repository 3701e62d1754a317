"""What pages tell of attempts; the pages themselves are in tests/e2e/test_waiting.py."""

from datetime import UTC, datetime, timedelta

import pytest
from jupyterhub import handlers

from hub import pages
from hub.servers.models import Attempt, AttemptState, Ending
from hub.settings import Settings
from spawners import attempts

NOW = datetime(2026, 11, 24, 14, 2, tzinfo=UTC)


def attempt(number=1, server="", ending=None, ago=timedelta(hours=1), **known):
    values = {
        "id": number,
        "person": "maria",
        "server": server,
        "request": {},
        "job_id": 7,
        "node": "cpu1",
        "port": None,
        "requeues": 0,
        "created": NOW - timedelta(hours=3),
        "submitted": None,
        "started": None,
        "ready": None,
        "ended": NOW - ago if ending else None,
        "ends": None,
        "ending": ending,
        "message": "",
        "hint": "",
        "slurm_state": "",
        "exit_code": "",
        "reason": "",
        "log_tail": "",
        "tell": False,
        "state": AttemptState.ENDED if ending else AttemptState.READY,
    }
    return Attempt(**{**values, **known})


def test_every_ending_and_state_has_words():
    assert set(attempts.ENDINGS) == set(Ending) and set(attempts.STATES) == set(AttemptState)
    assert attempts.standing(attempt(ending=Ending.OUT_OF_MEMORY)) == "out of memory"
    assert attempts.standing(attempt()) == "running"
    assert [attempts.sign(attempt(ending=e)) for e in (None, Ending.CRASHED, Ending.STOPPED)] == ["ok", "bad", ""]


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (
            {"cpus": 2, "memory_gb": 4, "minutes": 240, "partition": "notebooks"},
            "2 cores, 4\u202fGB, 4\u202fh in notebooks",
        ),
        ({"cpus": 1, "gpus": 1, "gpu_type": "a100"}, "1 core, 1 GPU a100"),
        ({"gpus": 2, "cpus": "many", "minutes": None}, "2 GPUs"),
        ({}, ""),
    ],
)
def test_requests_as_people_say_them(request_, said):
    assert attempts.asked_for(request_) == said


def test_how_long_it_waited():
    assert attempts.waited(attempt(started=NOW - timedelta(hours=1))) == "2\u202fh"
    assert attempts.waited(attempt()) == ""


def test_the_start_page_tells_what_ended_otherwise_than_wanted():
    past = [
        attempt(9, "big", Ending.OUT_OF_MEMORY),
        attempt(8, "big", Ending.CRASHED),
        attempt(7, "", Ending.STOPPED),
        attempt(6, "", Ending.TIME_LIMIT),
        attempt(5, "old", Ending.NODE_FAILED, ago=timedelta(days=8)),
        attempt(4, "runs"),
        attempt(3, "again", Ending.IDLE),
    ]
    assert [one.id for one in attempts.endings_to_tell(past, {"runs"}, NOW)] == [9, 3]
    assert [one.id for one in attempts.endings_to_tell(past, {"big", "again"}, NOW)] == []


def test_handlers_take_their_places_whatever_the_order(tmp_path):
    before = list(handlers.default_handlers)
    try:
        pages.install(Settings(paths={"etc": tmp_path}))
        for _ in range(2):
            attempts.install()
        found = {entry[0]: entry for entry in handlers.default_handlers}
        assert found["/home"][1] is attempts.HomePage and "overviews" in found["/home"][2]
        kinds = [entry[1] for entry in handlers.default_handlers]
        assert kinds.count(attempts.PendingPage) == 2 and kinds.count(attempts.ServerPage) == 1
        assert len([entry for entry in handlers.default_handlers if entry[0].startswith("/atrium/history")]) == 1
    finally:
        handlers.default_handlers[:] = before
