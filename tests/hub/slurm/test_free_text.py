"""Texts that people write into Slurm, with every separator in them, change nothing that Slurm says beside them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.slurm import commands, inventory, naming
from spawners.dask import training

TEXT = st.text(st.sampled_from("a1|=:,; \t\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\x00\x1b"), max_size=30)
"""One line for Slurm, and many for Python."""
TEXT_WITH_LINES = st.text(st.sampled_from("a1|=:,; \t\r\n\x0b\x0c\x1c\x85\u2028\x00"), max_size=40)


@settings(deadline=None)
@given(TEXT)
def test_the_reason_of_a_job_hides_no_other(reason):
    rows = [f"{number}|PENDING|founder|n/a|notebooks|N/A|N/A|{reason}" for number in (1, 2)]
    assert [(job.id, job.user, job.partition) for job in commands.parse_queue("\n".join(rows))] == [
        (1, "founder", "notebooks"),
        (2, "founder", "notebooks"),
    ]


@settings(deadline=None)
@given(TEXT_WITH_LINES)
def test_a_comment_keeps_the_comments_of_other_jobs(comment):
    comments = commands.parse_named_jobs(f"1|{comment}\n2|atrium:notebook:founder::2:0a1b2c3d\n")
    assert comments[2] == "atrium:notebook:founder::2:0a1b2c3d"
    assert naming.read(comments[1], naming.Kind.SERVER) is None


@settings(deadline=None)
@given(TEXT)
def test_the_description_of_a_quality_of_service_hides_no_other(description):
    fields = len(inventory._QOS_FIELDS)
    rows = ["|".join((name, *[""] * (fields - 2), text)) for name, text in (("first", description), ("second", ""))]
    assert [qos.name for qos in inventory.parse_qos("\n".join(rows))] == ["first", "second"]


@settings(deadline=None)
@given(TEXT)
@pytest.mark.parametrize("written", ["", "Users=mallory Accounts=mallory State=ACTIVE ReservationName=other"])
def test_the_comment_of_a_reservation_says_nothing_about_its_users(written, comment):
    line = (
        "ReservationName=workshop StartTime=2026-11-24T22:08:14 EndTime=2026-11-24T23:08:14 PartitionName=notebooks "
        f"Flags=SPEC_NODES Users=founder Groups=(null) Accounts=(null) State=INACTIVE Comment={comment} {written}"
    )
    [reservation] = inventory.parse_reservations(line)
    assert (reservation.name, reservation.users, reservation.accounts) == ("workshop", ("founder",), ())
    assert not reservation.active


@settings(deadline=None)
@given(TEXT_WITH_LINES)
def test_the_comment_of_a_training_hides_no_other(comment):
    row = "{}|RUNNING|cpu1|2026-11-24T22:08:14|N/A|None|{}|"
    lines = commands.rows("\n".join((row.format(7, comment), row.format(8, "demo:training"))))
    jobs = [entry.job for entry in map(training._training, lines) if entry is not None]
    assert 8 in jobs
