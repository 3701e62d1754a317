"""Transfers from the request to the end of the job: a row first, one job each, and the final state."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from datetime import timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import select

from hub.audit.tables import EventRow
from hub.dataspace.models import Distribution, Licence, Record
from hub.dataspace.sources import service as sources
from hub.dataspace.sources.models import SourceForm
from hub.dataspace.tables import RecordRow
from hub.dataspace.transfers import jobs, node
from hub.dataspace.transfers import service as transfers
from hub.dataspace.transfers.models import Progress, TransferForm, TransferSpec, TransferState
from hub.dataspace.transfers.tables import TransferRow
from hub.db.base import now
from hub.errors import (
    Conflict,
    InvalidInput,
    NotAllowed,
    NotFound,
    SlurmError,
    SlurmUnavailable,
    TermsNotAccepted,
)
from hub.loops import Pauses
from hub.organisations.tables import OrganisationRow, ProfileRow
from hub.projects.models import Phase as ProjectPhase
from hub.slurm.jobs import Job
from tests.hub.fakes import Clock

ME = getpass.getuser()
HOME = SimpleNamespace(pw_dir="/home/me")
MINE = frozenset({"demo"})


class Cluster:
    """Jobs by number, in whatever state a test says, and their logs."""

    def __init__(self) -> None:
        self.scripts: dict[int, str] = {}
        self.states: dict[int, str] = {}
        self.log = ""
        self.asked_log: list[str] = []
        self.error: Exception | None = None
        self.deaf = False
        self.submitting = False
        self.cancelled: list[int] = []

    async def submit(self, script: str, *, user: str, environment: Mapping[str, str]) -> int:
        if self.error:
            raise self.error
        number = 100 + len(self.scripts)
        self.scripts[number], self.states[number] = script, "PENDING"
        if self.deaf:
            raise SlurmUnavailable("Slurm has not answered for 15 s.")
        return number

    def is_submitting(self, user: str) -> bool:
        return self.submitting

    async def cancel(self, job_id: int, *, user: str) -> None:
        self.cancelled.append(job_id)
        self.states[job_id] = "CANCELLED"

    async def job(self, job_id: int) -> Job | None:
        return Job(job_id, self.states[job_id], ME) if job_id in self.states else None

    async def named_jobs(self, name: str, user: str) -> dict[int, str]:
        comments = (line for script in self.scripts.values() for line in script.splitlines() if "--comment=" in line)
        return dict(zip(self.scripts, (line.partition("--comment=")[2] for line in comments), strict=True))

    async def job_log(self, server: str, *, user: str) -> str:
        self.asked_log.append(server)
        return self.log


@pytest.fixture
def cluster():
    return Cluster()


@pytest.fixture
def record_id(session, project):
    """A public record with one file, and one behind an agreement."""
    sources.put(session, SourceForm(name="cat", title="Cat", space="Test", address="https://x.example/"))
    return _record(session, "public")


def _record(session, access: str, url: str = "https://x.example/a b;$(id).csv") -> int:
    record = Record(
        uri=f"https://x.example/{access}{len(url)}",
        kind="dataset",
        title={"en": "Air"},
        access=access,
        licence=Licence(uri="https://creativecommons.org/publicdomain/zero/1.0/", kind="open"),
        distributions=(Distribution(download_url=url, format="CSV"),),
    )
    moment = {"first_seen": now(), "changed": now(), "removed": None, "quality": None}
    source_columns = {"source_id": 1, "space": "Test", "hash": "0", "visibility": "factory", "project": None}
    row = RecordRow(uri=record.uri, content=record.model_dump_json(), **source_columns, **moment)
    session.add(row)
    session.commit()
    return row.id


@pytest.fixture
def ask(session, settings, record_id):
    def ask(person: str = "founder", **form) -> int:
        wish = TransferForm.model_validate({"record_id": record_id, "project": "demo"} | form)
        return transfers.request(session, settings, person, MINE, wish).id

    return ask


@pytest.fixture
def tend(sessions, settings, cluster, session, monkeypatch):
    homes = SimpleNamespace(getpwnam=lambda person: SimpleNamespace(pw_dir=f"/home/{person}"))
    monkeypatch.setattr(jobs, "pwd", homes)

    async def tend(number: int) -> TransferRow:
        await jobs.follow_transfers(sessions, settings, cluster)
        session.expire_all()
        return session.get_one(TransferRow, number)

    return tend


async def test_a_transfer_is_queued_run_and_done_by_one_job(ask, tend, cluster, settings):
    number = ask()
    row = await tend(number)
    assert (row.state, row.job_id, row.account) == ("queued", 100, "demo")
    script = cluster.scripts[100]
    assert "#SBATCH --partition=transfer" in script
    assert f"#SBATCH --comment=atrium:transfer:founder::{number}:{row.nonce}" in script
    assert f"exec {settings.paths.user_version}/bin/python -X utf8 -P -m " in script
    assert "$(id)" not in script, "what somebody else wrote never reaches a shell"

    cluster.states[100] = "RUNNING"
    cluster.log = Progress(state=TransferState.RUNNING, bytes=5, total=10).model_dump_json()
    row = await tend(number)
    assert (row.state, transfers.view(row).progress.bytes) == ("running", 5)
    assert cluster.asked_log == [str(number)]

    cluster.states[100] = "COMPLETED"
    cluster.log += "\n" + Progress(state=TransferState.DONE, bytes=10, path="data/air-1/a.csv").model_dump_json()
    row = await tend(number)
    assert (row.state, transfers.view(row).progress.path) == ("done", "data/air-1/a.csv")
    assert row.ended is not None
    await tend(number)
    assert len(cluster.scripts) == 1


async def test_a_job_whose_number_was_lost_is_recognised_and_not_submitted_twice(ask, tend, cluster):
    number = ask()
    cluster.deaf = True
    assert (await tend(number)).state == "submitting"
    cluster.deaf = False
    row = await tend(number)
    assert (row.state, row.job_id, len(cluster.scripts)) == ("queued", 100, 1)


async def test_a_job_that_was_never_submitted_is_submitted_after_a_while(ask, tend, cluster, session):
    number = ask()
    cluster.error = SlurmUnavailable("Slurm has not answered for 15 s.")
    row = await tend(number)
    cluster.error = None
    assert (await tend(number)).state == "submitting", "it may still come"
    row.touched = now() - timedelta(minutes=1)
    session.commit()
    assert (await tend(number)).state == "waiting"
    assert (await tend(number)).job_id == 100


@pytest.mark.parametrize("cancelled", [False, True])
async def test_while_an_sbatch_is_late_nothing_is_decided(ask, tend, cluster, session, settings, cancelled):
    number = ask()
    cluster.error, cluster.submitting = SlurmUnavailable("Slurm has not answered for 15 s."), True
    row = await tend(number)
    if cancelled:
        transfers.cancel(session, "founder", MINE, number)
    row.touched = now() - timedelta(minutes=1)
    session.commit()
    assert (await tend(number)).state == ("cancelling" if cancelled else "submitting")
    cluster.error, cluster.submitting = None, False
    script = jobs.script(settings, row)
    late = await cluster.submit(script, user=ME, environment={})
    assert (await tend(number)).job_id == late
    assert len(cluster.scripts) == 1


async def test_a_job_that_slurm_refuses_has_failed(ask, tend, cluster):
    number = ask()
    cluster.error = SlurmError("Invalid account")
    row = await tend(number)
    assert (row.state, row.reason) == ("failed", "Slurm refused the job: Invalid account")


async def test_a_job_that_ends_without_a_result_has_failed(ask, tend, cluster):
    number = ask()
    await tend(number)
    cluster.states[100] = "NODE_FAIL"
    cluster.log = Progress(state=TransferState.RUNNING, bytes=5).model_dump_json()
    row = await tend(number)
    assert row.state == "failed"
    assert "NODE_FAIL" in row.reason


async def test_a_transfer_is_cancelled_by_its_person_and_not_by_others(ask, tend, cluster, session):
    number = ask()
    await tend(number)
    with pytest.raises(NotAllowed):
        transfers.cancel(session, "colleague", MINE, number)
    with pytest.raises(NotFound):
        transfers.cancel(session, "stranger", frozenset(), number)
    assert transfers.cancel(session, "founder", MINE, number).state == "cancelling"
    assert (await tend(number)).state == "cancelled"
    assert cluster.cancelled == [100]


async def test_cancelled_before_there_was_a_job(ask, tend, cluster, session):
    number = ask()
    transfers.cancel(session, "founder", MINE, number)
    assert (await tend(number)).state == "cancelled"
    assert cluster.scripts == {}


def test_transfers_that_are_not_allowed_are_refused(ask, session, project):
    with pytest.raises(NotFound):
        ask("stranger")
    with pytest.raises(NotFound):
        ask(project="other")
    with pytest.raises(NotFound):
        ask(file=1)
    with pytest.raises(InvalidInput, match="not public"):
        ask(record_id=_record(session, "restricted"))
    with pytest.raises(InvalidInput, match="no address"):
        ask(record_id=_record(session, "public", "ftp://x.example/a"))
    project.phase = ProjectPhase.ENDED
    session.commit()
    with pytest.raises(Conflict):
        ask()


def test_transfers_at_once_are_limited(ask):
    for _ in range(transfers.AT_ONCE):
        ask()
    with pytest.raises(Conflict):
        ask()


async def test_transfers_of_who_left_the_project_are_cancelled(ask, tend, cluster, session, project):
    running, waiting = ask("colleague"), ask("colleague")
    others = ask("founder")
    await tend(running)
    second = ask("colleague")
    next(member for member in project.members if member.person == "colleague").leaving = True
    session.commit()
    assert (await tend(running)).state == "cancelled"
    assert session.get_one(TransferRow, waiting).state == "cancelled"
    assert sorted(cluster.cancelled) == [100, 101]
    assert (await tend(second)).state == "cancelled"
    assert len(cluster.scripts) == 3, "nothing is submitted for them any more"
    assert session.get_one(TransferRow, others).state == "queued"
    with pytest.raises(NotFound):
        ask("colleague")


# -- the verdict binds ------------------------------------------------------------------------------------------------

ODRL = "http://www.w3.org/ns/odrl/2/"
USE = {ODRL + "action": [{"@id": ODRL + "use"}]}
PURPOSE = {ODRL + name: [value] for name, value in (("leftOperand", {"@id": ODRL + "purpose"}),
           ("operator", {"@id": ODRL + "eq"}), ("rightOperand", {"@value": "research"}))}  # fmt: skip
RESEARCH = {
    "@type": [ODRL + "Offer"],
    "@id": "urn:research",
    ODRL + "permission": [USE | {ODRL + "constraint": [PURPOSE]}],
}
FREE = {"@type": [ODRL + "Offer"], "@id": "urn:free", ODRL + "permission": [USE]}
FORBIDDEN = {ODRL + "prohibition": [USE]}


@pytest.fixture
def with_policies(session, record_id):
    """Gives the public record these policies."""

    def with_policies(*policies: dict[str, object]) -> None:
        row = session.get_one(RecordRow, record_id)
        record = Record.model_validate_json(row.content)
        row.content = record.model_copy(update={"policies": policies}).model_dump_json()
        session.commit()

    return with_policies


def accepted_events(session) -> list[EventRow]:
    return list(session.scalars(select(EventRow).where(EventRow.what == "data terms accepted")))


def test_a_file_that_may_not_be_used_is_not_brought(ask, with_policies, session):
    with_policies(FORBIDDEN)
    with pytest.raises(NotAllowed, match="forbids using it"):
        ask()
    with pytest.raises(NotAllowed):
        ask(accepted="0" * 64)
    assert session.scalars(select(TransferRow)).all() == []


def test_conditions_are_accepted_by_their_digest_and_written_down(ask, with_policies, session):
    with_policies(RESEARCH)
    with pytest.raises(TermsNotAccepted, match="sets conditions") as refusal:
        ask()
    [terms] = refusal.value.terms
    assert "You may use it, only if the purpose is research." in terms["conditions"]
    assert accepted_events(session) == []

    row = session.get_one(TransferRow, ask(accepted=terms["digest"]))
    accepted = TransferSpec.model_validate_json(row.order).accepted
    assert (accepted.by, accepted.digest, list(accepted.conditions)) == (
        "founder",
        terms["digest"],
        terms["conditions"],
    )
    [event] = accepted_events(session)
    assert (event.who, event.on, event.after["conditions"]) == (
        "founder",
        f"record/{row.record_id}",
        terms["conditions"],
    )


def test_a_changed_policy_has_to_be_accepted_anew(ask, with_policies, session):
    with_policies(RESEARCH)
    with pytest.raises(TermsNotAccepted) as refusal:
        ask()
    with_policies(RESEARCH | {ODRL + "prohibition": [{ODRL + "action": [{"@id": ODRL + "sell"}]}]})
    with pytest.raises(TermsNotAccepted, match="have changed") as second:
        ask(accepted=refusal.value.terms[0]["digest"])
    assert "You may not sell it." in second.value.terms[0]["conditions"]
    assert session.scalars(select(TransferRow)).all() == []


def test_of_several_offers_the_request_names_one(ask, with_policies, session):
    with_policies(RESEARCH, FREE)
    with pytest.raises(TermsNotAccepted, match="2 offers") as refusal:
        ask()
    by_offer = {terms["offer"]: terms for terms in refusal.value.terms}
    assert by_offer.keys() == {"urn:research", "urn:free"}
    assert ask(offer="urn:free")
    with pytest.raises(TermsNotAccepted):
        ask(offer="urn:research")
    with pytest.raises(TermsNotAccepted):
        ask(offer="urn:research", accepted=by_offer["urn:free"]["digest"])
    assert ask(offer="urn:research", accepted=by_offer["urn:research"]["digest"])
    with pytest.raises(TermsNotAccepted, match="no such offer"):
        ask(offer="urn:gone")
    assert [event.after["offer"] for event in accepted_events(session)] == ["urn:research"]


def test_a_party_is_the_readers_by_the_number_or_website_of_their_organisation(ask, with_policies, session):
    website = "https://acme.example/"
    with_policies({ODRL + "permission": [USE | {ODRL + "assignee": [{"@id": website}]}]})
    with pytest.raises(TermsNotAccepted, match="only to the parties that it names"):
        ask()
    row = OrganisationRow(revision=1, name="Acme", form={"website": website}, join_code="x", created=now())
    row.people = [ProfileRow(person="founder", form={}, changed=now())]
    session.add(row)
    session.commit()
    assert ask()
    with pytest.raises(TermsNotAccepted):
        ask("colleague")


def test_long_conditions_fit_into_the_argument_of_the_job(ask, with_policies, session):
    with_policies({ODRL + "permission": [USE | {f"http://x.example/{n}": [{"@value": "ж" * 5000}]} for n in range(30)]})
    with pytest.raises(TermsNotAccepted) as refusal:
        ask()
    row = session.get_one(TransferRow, ask(accepted=refusal.value.terms[0]["digest"]))
    spec = TransferSpec.model_validate_json(row.order)
    assert len(node.encoded_spec(spec)) < 100_000
    assert "audit trail" in spec.accepted.conditions[-1]
    assert len(accepted_events(session)[0].after["conditions"]) > len(spec.accepted.conditions)


@pytest.mark.parametrize("poison", ["account", "order", "job name"])
async def test_a_transfer_whose_job_cannot_be_written_fails_and_stops_no_other(
    ask, tend, session, settings, monkeypatch, poison
):
    first, second = ask(), ask("colleague")
    if poison == "account":
        monkeypatch.setattr(jobs, "pwd", SimpleNamespace(getpwnam=lambda person: {"colleague": HOME}[person]))
    elif poison == "order":
        session.get_one(TransferRow, first).order = "{}"
    else:
        session.get_one(TransferRow, first).account = "a\nb"
    session.commit()
    await tend(second)
    rows = [session.get_one(TransferRow, number) for number in (first, second)]
    assert [row.state for row in rows] == ["failed", "queued"]
    assert rows[0].reason.endswith(".")


async def test_a_transfer_that_goes_on_failing_is_tried_after_growing_pauses(
    ask, tend, sessions, settings, cluster, monkeypatch
):
    clock, reads = Clock(), []
    number, pauses = ask(), Pauses(clock)
    await tend(number)

    async def log(server, *, user):
        reads.append(clock.now)
        raise SlurmUnavailable("Slurm has not answered for 15 s (job-log).")

    cluster.states = dict.fromkeys(cluster.states, "COMPLETED")
    monkeypatch.setattr(cluster, "job_log", log)
    for _ in range(200):
        await jobs.follow_transfers(sessions, settings, cluster, pauses)
        clock.now += 1
    begin = reads[0]
    assert [moment - begin for moment in reads] == [0, 5, 15, 35, 75, 155]
    assert not pauses.is_due(number)


async def test_a_home_that_does_not_answer_stops_no_transfer_of_others(ask, tend, cluster, session, monkeypatch):
    first, second = ask(), ask("colleague")
    await tend(second)
    cluster.states = dict.fromkeys(cluster.states, "COMPLETED")
    result = Progress(state=TransferState.DONE, bytes=1, path="data/a.csv").model_dump_json()

    async def log(server, *, user):
        if user == "founder":
            raise SlurmUnavailable("Slurm has not answered for 15 s (job-log).")
        return result

    monkeypatch.setattr(cluster, "job_log", log)
    await tend(second)
    assert [session.get_one(TransferRow, number).state for number in (first, second)] == ["queued", "done"]
