"""Detection of orphans (with a real Slurm: tests/slurm/test_orphans.py)."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from hub.audit import service as audit
from hub.db.base import Base
from hub.errors import SlurmError
from hub.servers import service
from hub.servers.models import AttemptState, Ending, Verdict
from hub.servers.service import JobOwner
from hub.settings import Settings, Spawn
from hub.slurm import commands, naming
from hub.slurm.jobs import Job
from hub.slurm.queue import QueueWatcher
from spawners.job import orphans
from spawners.job.ledger import Ledger
from spawners.job.orphans import Followed, Sweep, is_orphan
from spawners.job.site import Site


class Slurm:
    """Jobs of people with their comments."""

    def __init__(self, **comments: str) -> None:
        self.jobs = {number: Job(number, "RUNNING", user) for number, user in enumerate(comments, 1)}
        self.comments = dict(enumerate(comments.values(), 1))
        self.calls: list[str] = []
        self.cancelled: list[int] = []

    def add(self, number: int, user: str, comment: str) -> None:
        self.jobs[number] = Job(number, "RUNNING", user)
        self.comments[number] = comment

    async def queue(self, name: str) -> list[Job]:
        return list(self.jobs.values())

    async def named_jobs(self, name: str, user: str) -> dict[int, str]:
        """As ``squeue`` prints them: a line break in a comment makes a row of its own."""
        self.calls.append(user)
        rows = [f"{number}|{self.comments[number]}" for number, job in self.jobs.items() if job.user == user]
        return commands.parse_named_jobs("\n".join(rows))

    async def cancel(self, job_id: int, *, user: str) -> None:
        self.cancelled.append(job_id)


def site(slurm: Slurm, path: Path) -> Site:
    url = f"sqlite:///{path}/atrium.sqlite"
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    engine.dispose()
    queue = QueueWatcher(slurm, "atrium-notebook", waiting_seconds=1, idle_seconds=1, calls_a_minute=100_000)
    return Site(Settings(spawn=Spawn(orphan_seconds=0)), slurm, queue, Ledger(url), None)  # type: ignore[arg-type]


async def events(here: Site) -> list[str]:
    return [event.what for event in await here.ledger.run(audit.events)]


OWNER = JobOwner("founder", "0a1b2c3d", is_open=True)
ENDED = replace(OWNER, is_open=False)
COMMENT = "atrium:notebook:founder::99:0a1b2c3d"


@pytest.mark.parametrize(
    ("comment", "os_account", "owner", "orphan"),
    [
        (COMMENT, "founder", OWNER, False),
        (COMMENT, "founder", ENDED, True),
        (COMMENT, "founder", None, True),  # the row was lost
        (COMMENT, "mallory", OWNER, False),  # somebody repeats another's comment
        (COMMENT, "mallory", ENDED, False),
        (COMMENT, "mallory", None, False),
        ("atrium:notebook:founder::99:99999999", "founder", OWNER, True),  # guessed, or of a row that was lost
        ("atrium:founder::99", "founder", OWNER, True),
        # The OS account of the row decides, not the Hub user of the comment.
        ("atrium:notebook:app::99:0a1b2c3d", "founder", OWNER, False),
        ("atrium:notebook:app::99:0a1b2c3d", "founder", ENDED, True),
        ("atrium:notebook:app::99:0a1b2c3d", "app", ENDED, False),
        # Written by an earlier version.
        ("atrium:founder::99", "founder", replace(OWNER, nonce=""), False),
        ("atrium:founder::99", "founder", replace(ENDED, nonce=""), True),
        ("atrium:founder::99", "founder", None, True),
        ("atrium:founder::99", "mallory", None, False),
        ("my own words", "founder", None, False),
    ],
)
def test_a_job_is_an_orphan_if_its_attempt_is_over_or_unknown(
    comment: str, os_account: str, owner: JobOwner | None, orphan: bool
) -> None:
    assert is_orphan(naming.read(comment, naming.Kind.SERVER), os_account, owner) is orphan


@pytest.mark.parametrize("comment", [COMMENT, "atrium:founder::99"])
async def test_an_orphan_is_found_although_nobody_has_a_server(comment: str, tmp_path: Path) -> None:
    slurm = Slurm(founder=comment)
    await Sweep(site(slurm, tmp_path)).round()
    assert slurm.cancelled == [1]


async def test_comments_are_read_once_for_each_account(tmp_path: Path) -> None:
    slurm = Slurm()
    for number in range(1, 201):
        slurm.add(number, "mallory", "my own words")
    slurm.add(201, "founder", COMMENT)
    sweep = Sweep(site(slurm, tmp_path))
    await sweep.round()
    await sweep.round()
    assert sorted(slurm.calls) == ["founder", "mallory"]
    assert 201 in slurm.cancelled


async def test_a_start_whose_number_is_not_stored_is_no_orphan(tmp_path: Path) -> None:
    slurm = Slurm()
    here = site(slurm, tmp_path)
    for person in ("founder", "app"):
        attempt = await here.ledger.run(
            service.begin, gateway="atrium", person=person, os_account="founder", server="", request={}
        )
        slurm.jobs[attempt.id] = Job(attempt.id, "RUNNING", "founder")
        slurm.comments[attempt.id] = f"atrium:notebook:{person}::{attempt.id}:{attempt.nonce}"
    await Sweep(here).round()
    assert slurm.cancelled == []


def nothing_followed() -> Followed:
    return Followed(frozenset(), frozenset())


async def test_an_open_row_that_the_hub_does_not_follow_has_no_server(tmp_path: Path) -> None:
    """The Hub's own database is older than the ledger."""
    slurm = Slurm()
    here = site(slurm, tmp_path)
    attempt = await here.ledger.run(
        service.begin, gateway="atrium", person="founder", os_account="founder", server="", request={}
    )
    slurm.add(7, "founder", f"atrium:notebook:founder::{attempt.id}:{attempt.nonce}")
    await here.ledger.run(service.submitted, attempt.id, 7)
    await Sweep(here, lambda: Followed(frozenset({attempt.id}), frozenset())).round()
    assert slurm.cancelled == []
    await Sweep(here, nothing_followed).round()
    assert slurm.cancelled == [7]


async def test_a_job_that_the_hub_follows_is_no_orphan_while_its_row_is_lost(tmp_path: Path) -> None:
    slurm = Slurm(founder=COMMENT)
    await Sweep(site(slurm, tmp_path), lambda: Followed(frozenset(), frozenset({1}))).round()
    assert slurm.cancelled == []


async def test_an_old_row_without_server_and_job_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = site(Slurm(), tmp_path)
    await here.ledger.run(
        service.begin, gateway="atrium", person="founder", os_account="founder", server="", request={}
    )
    await Sweep(here, nothing_followed).round()
    assert await here.ledger.run(service.open_attempts, "atrium")
    monkeypatch.setattr(orphans, "FORGOTTEN_AFTER", timedelta(0))
    await Sweep(here, nothing_followed).round()
    [attempt] = await here.ledger.run(service.history, "founder")
    assert (attempt.state, attempt.ending) == (AttemptState.ENDED, Ending.CANCELLED)


async def test_pages_know_the_jobs_without_a_server_until_they_end(tmp_path: Path) -> None:
    slurm = Slurm(founder=COMMENT)
    here = site(slurm, tmp_path)
    here.strays.unchecked = True
    sweep = Sweep(here, nothing_followed)
    await sweep.round()
    assert [(stray.user, stray.job.id) for stray in here.strays.of_user("founder")] == [("founder", 1)]
    assert list(here.strays.of_user("colleague")) == []
    assert here.strays.possible("founder", "")
    assert not here.strays.possible("founder", "b")
    slurm.jobs.clear()
    await sweep.round()
    assert not here.strays.possible("founder", "")


async def test_the_worker_of_a_rebuilt_row_is_known_by_the_nonce(tmp_path: Path) -> None:
    slurm = Slurm()
    here = site(slurm, tmp_path)
    attempt = await here.ledger.run(
        service.begin, gateway="atrium", person="founder", os_account="founder", server="", request={}
    )
    slurm.add(1, "founder", f"atrium:dask:founder::{attempt.id + 90}:{attempt.nonce}:dask-1")
    await Sweep(here).round_of_workers()
    assert slurm.cancelled == []


async def test_workers_are_orphans_when_their_server_is(tmp_path: Path) -> None:
    slurm = Slurm()
    here = site(slurm, tmp_path)
    attempt = await here.ledger.run(
        service.begin, gateway="atrium", person="app", os_account="founder", server="", request={}
    )
    slurm.add(1, "founder", f"atrium:dask:app::{attempt.id}:{attempt.nonce}:dask-1")
    slurm.add(2, "founder", "atrium:dask:founder::99:0a1b2c3d:dask-1")
    slurm.add(3, "founder", "atrium:founder::99:dask-1")
    slurm.add(4, "founder", "elsewhere:dask:founder::99:0a1b2c3d:dask-1")
    slurm.add(5, "mallory", "atrium:dask:founder::99:0a1b2c3d:dask-1")
    slurm.add(6, "founder", "(null)")
    await Sweep(here).round_of_workers()
    assert slurm.cancelled == [2, 3]


async def test_a_comment_says_nothing_about_another_account_s_job(tmp_path: Path) -> None:
    slurm = Slurm()
    here = site(slurm, tmp_path)
    slurm.add(1, "founder", "elsewhere:dask:founder::99:0a1b2c3d:dask-1")
    slurm.add(2, "mallory", "x\n1|atrium:dask:founder::99:0a1b2c3d:dask-1\n3|atrium:dask:mallory::99:0a1b2c3d:dask-1")
    await Sweep(here).round_of_workers()
    assert slurm.cancelled == []


async def test_comments_of_workers_are_asked_for_once(tmp_path: Path) -> None:
    slurm = Slurm()
    here = site(slurm, tmp_path)
    slurm.add(1, "founder", "elsewhere:dask:founder::99:0a1b2c3d:dask-1")
    sweep = Sweep(here)
    await sweep.round_of_workers()
    slurm.add(2, "colleague", "(null)")
    await sweep.round_of_workers()
    await sweep.round_of_workers()
    assert slurm.calls == ["founder", "colleague"]


async def test_a_job_that_ended_since_the_queue_was_asked_is_no_orphan(tmp_path: Path) -> None:
    slurm = Slurm(founder=COMMENT)
    here = site(slurm, tmp_path)
    await here.queue.fresh(time.monotonic())
    slurm.jobs.clear()
    await Sweep(here).round()
    assert slurm.cancelled == []
    assert await events(here) == []


@pytest.mark.parametrize(
    "comment",
    [
        "atrium:mallory::²",
        "atrium:mallory::-1",
        "atrium:mallory:::",
        "²",
        f"atrium:mallory::{'9' * 5000}",
        f"atrium:founder::{'9' * 18}",
        f"atrium:notebook:founder::{'9' * 18}:0a1b2c3d",
    ],
)
async def test_nobodys_comment_hides_the_orphans_of_others(comment: str, tmp_path: Path) -> None:
    slurm = Slurm(mallory=comment, founder=COMMENT)
    await Sweep(site(slurm, tmp_path)).round()
    assert slurm.cancelled == [2]


async def test_comments_that_the_ledger_does_not_confirm_write_no_audit_rows(tmp_path: Path) -> None:
    slurm = Slurm()
    here = site(slurm, tmp_path)
    attempt = await here.ledger.run(
        service.begin, gateway="atrium", person="founder", os_account="founder", server="", request={}
    )
    for number in range(1, 21):
        slurm.add(number, "founder", f"atrium:notebook:founder::{1000 + number}:0a1b2c3d")
    slurm.add(21, "founder", f"atrium:notebook:founder::{attempt.id}:99999999")
    await Sweep(here).round()
    assert len(slurm.cancelled) == 21
    assert await events(here) == []


async def test_an_attempt_that_has_ended_writes_its_audit_rows_once(tmp_path: Path) -> None:
    slurm = Slurm()
    here = site(slurm, tmp_path)
    attempt = await here.ledger.run(
        service.begin, gateway="atrium", person="founder", os_account="founder", server="", request={}
    )
    await here.ledger.run(service.ended, attempt.id, Verdict(ending=Ending.STOPPED, message=""))
    for number in range(1, 11):
        slurm.add(number, "founder", f"atrium:notebook:founder::{attempt.id}:{attempt.nonce}")
    sweep = Sweep(here)
    await sweep.round()
    await sweep.round()
    assert await events(here) == ["orphan job cancelled", "orphan job found"]


async def test_an_account_that_slurm_refuses_hides_the_orphans_of_nobody_else(tmp_path: Path) -> None:
    slurm = Slurm(abandoned=COMMENT, founder=COMMENT)
    named_jobs = slurm.named_jobs

    async def refused(name: str, user: str) -> dict[int, str]:
        if user == "abandoned":
            raise SlurmError("Invalid user: abandoned")
        return await named_jobs(name, user)

    slurm.named_jobs = refused  # type: ignore[method-assign]
    sweep = Sweep(site(slurm, tmp_path))
    await sweep.round()
    await sweep.round_of_workers()
    assert slurm.cancelled == [2]


async def test_a_job_that_cannot_be_checked_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slurm = Slurm(abandoned=COMMENT.replace("founder", "abandoned"), founder=COMMENT)
    sweep = Sweep(site(slurm, tmp_path))
    show = sweep._show

    def broken(job: Job, comment: naming.JobComment) -> None:
        if job.id == 1:
            raise ValueError(comment)
        show(job, comment)

    monkeypatch.setattr(sweep, "_show", broken)
    await sweep.round()
    assert slurm.cancelled == [2]
