"""Progress of a start at each step, also with unexpected output of Slurm."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.servers.models import AttemptState
from hub.slurm.jobs import Job
from hub.slurm.steps import StartStep
from spawners.job import progress
from spawners.job.progress import Standing

NOW = datetime(2026, 11, 24, 14, 2, tzinfo=UTC)
WAITING = Standing(
    state=AttemptState.WAITING,
    job_id=7,
    job=Job(7, "PENDING", "f", reason="Priority", partition="notebooks", start=NOW + timedelta(minutes=6)),
    place=3,
)


def test_progress_rises_with_each_state():
    steps = [
        Standing(),
        Standing(job_id=7),
        WAITING,
        replace(WAITING, job=Job(7, "CONFIGURING", "f", "cpu1")),
        replace(WAITING, job=Job(7, "RUNNING", "f", "cpu1")),
        replace(WAITING, state=AttemptState.READY),
    ]
    events = [progress.event(step, NOW) for step in steps]
    assert [event["state"] for event in events] == [
        "submitting",
        "submitted",
        "waiting",
        "configuring",
        "starting",
        "ready",
    ]
    assert [event["progress"] for event in events] == sorted(event["progress"] for event in events)
    assert events[4]["node"] == "cpu1" and "cpu1" in events[4]["message"]


def test_waiting_says_place_partition_and_expected_start():
    event = progress.event(WAITING, NOW)
    assert event == {
        "progress": 25,
        "message": "Waiting for a free node in notebooks. You are 3rd in line. "
        "Slurm expects to start it in about 6\u202fmin.",
        "state": "waiting",
        "job_id": 7,
        "place": 3,
        "partition": "notebooks",
        "reason": "Priority",
        "whose": "time",
        "expected_start": "2026-11-24T14:08:00+00:00",
    }


@pytest.mark.parametrize(
    ("step", "part", "name"),
    [
        (StartStep.UNKNOWN, "Nothing of it can be read in its log", "unknown"),
        (StartStep.HOME, "your home directory and the projects' storage", "home"),
        (StartStep.ENVIRONMENT, "programs of its environment", "environment"),
        (StartStep.SERVER, "settings and extensions", "server"),
        (StartStep.ANNOUNCE, "has not reached this gateway", "announce"),
    ],
)
def test_a_start_that_takes_long_names_its_step(step, part, name):
    starting = replace(WAITING, job=Job(7, "RUNNING", "f", "cpu1"))
    event = progress.event(replace(starting, step=step), NOW)
    assert part in event["message"] and "this start is ended" in event["message"] and event["step"] == name
    assert "step" not in progress.event(starting, NOW)


def test_first_place_is_called_next_in_line():
    assert "You are next in line." in progress.event(replace(WAITING, place=1), NOW)["message"]


@pytest.mark.parametrize(
    ("reason", "expected_text", "unexpected_text"),
    [
        ("QOSMaxCpuPerUserLimit", "Stop another notebook", "for a free node"),
        ("AssocGrpGRESMinutes", "GPU hours are used up", "for a free node"),
        ("ReqNodeNotAvail, Reserved for maintenance", "maintenance", "Stop another"),
        ("SomethingNew", "Slurm says: “SomethingNew”.", "Stop another"),
        ("PartitionTimeLimit", "shorter time", "for a free node"),
    ],
)
def test_a_reached_limit_is_not_described_as_waiting_for_a_node(reason, expected_text, unexpected_text):
    message = progress.event(replace(WAITING, job=replace(WAITING.job, reason=reason)), NOW)["message"]
    assert expected_text in message and unexpected_text not in message


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("PENDING", "JobHeldUser"),
        ("PENDING", "JobHeldAdmin"),
        ("PENDING", "(launch failed requeued held)"),
        ("PENDING", "JobHoldMaxRequeue"),
        ("REQUEUE_HOLD", "None"),
        ("SPECIAL_EXIT", "Priority"),
        ("RESV_DEL_HOLD", ""),
        ("PENDING", "AssocGrpCPUMinutesLimit"),
        ("PENDING", "PartitionTimeLimit"),
    ],
)
def test_no_start_is_promised_to_a_job_that_waits_for_somebody(state, reason):
    event = progress.event(replace(WAITING, job=replace(WAITING.job, state=state, reason=reason)), NOW)
    assert "expected_start" not in event and "expects" not in event["message"]
    assert "free node" not in event["message"] and "by itself" not in event["message"]


@pytest.mark.parametrize(("state", "reason"), [("PENDING", "JobHeldUser"), ("REQUEUE_HOLD", "None")])
def test_a_held_job_has_no_place_in_line(state, reason):
    event = progress.event(replace(WAITING, job=replace(WAITING.job, state=state, reason=reason), place=1), NOW)
    assert "place" not in event and "in line" not in event["message"]


@pytest.mark.parametrize("state", ["SUSPENDED", "STOPPED"])
def test_a_paused_start_is_said_to_be_paused(state):
    event = progress.event(replace(WAITING, job=Job(7, state, "f", "cpu1")), NOW)
    assert event["message"] == "The cluster has paused your notebook. It goes on by itself."


def test_an_expected_start_behind_us_is_none():
    event = progress.event(replace(WAITING, job=replace(WAITING.job, start=NOW - timedelta(minutes=1))), NOW)
    assert "expected_start" not in event and "expects" not in event["message"]


def test_silence_and_requeues_are_told():
    silent = progress.event(replace(WAITING, silent_since=NOW - timedelta(seconds=40)), NOW)
    assert silent["silent_since"] == "2026-11-24T14:01:20+00:00" and "does not answer" in silent["message"]
    assert "taken away" in progress.event(replace(WAITING, requeues=1), NOW)["message"]
    assert progress.event(replace(WAITING, state=AttemptState.STOPPING), NOW)["state"] == "stopping"


def test_a_job_that_is_over_is_told_without_a_verdict():
    event = progress.event(replace(WAITING, job=Job(7, "OUT_OF_MEMORY", "f", "cpu1")), NOW)
    assert event["state"] == "ended" and "out of memory" in event["message"]


@pytest.mark.parametrize(
    ("minutes", "text"),
    [(0.2, "1\u202fmin"), (6.4, "6\u202fmin"), (14, "15\u202fmin"), (118, "2\u202fh"), (700, "12\u202fh")],
)
def test_long_waits_are_rounded_more_coarsely(minutes, text):
    assert progress.about(NOW + timedelta(minutes=minutes), NOW) == f"about {text}"


@pytest.mark.parametrize(("place", "ordinal"), [(2, "2nd"), (3, "3rd"), (11, "11th"), (21, "21st"), (112, "112th")])
def test_places_are_ordinal_numbers(place, ordinal):
    assert progress.nth(place) == ordinal


@given(st.text(), st.text(), st.text(), st.none() | st.integers())
def test_any_job_state_gives_a_message_and_a_percentage(state, reason, node, place):
    job = Job(7, state, "f", node, reason)
    event = progress.event(Standing(job_id=7, job=job, place=place), NOW)
    assert event["message"] and 0 <= event["progress"] <= 100


def test_even_a_mistake_of_ours_gives_words():
    assert progress.event(Standing(job_id=7, job="no job"), NOW)["message"] == "Your notebook is on its way."
