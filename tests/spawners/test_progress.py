"""Sentences, whatever Slurm says."""

import pytest

from hub.slurm.jobs import Job
from spawners import progress


def test_the_way_up():
    steps = [
        progress.event("", None),
        progress.event("7", None),
        progress.event("7", Job(7, "PENDING", "f", reason="Resources")),
        progress.event("7", Job(7, "RUNNING", "f", "cpu1")),
    ]
    assert [step["progress"] for step in steps] == sorted(step["progress"] for step in steps)
    assert "no node has what you asked for" in steps[2]["message"]
    assert "cpu1" in steps[3]["message"]


@pytest.mark.parametrize("reason", ["", "None", "SomethingNew", "(", "ReqNodeNotAvail, UnavailableNodes:cpu1"])
def test_no_reason_breaks_it(reason):
    assert progress.event("7", Job(7, "PENDING", "f", reason=reason))["message"].endswith(".")


def test_refusals_are_explained():
    text = "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified"
    assert progress.explain(text).startswith("You may not use this project")
    assert progress.explain("something new") == "something new"
