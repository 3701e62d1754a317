"""Provisioning that is killed, refused or unanswered at each step still creates everything exactly once."""

import asyncio
import contextlib
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from hub.audit.tables import EventRow
from hub.db.base import now
from hub.errors import HubUnavailable, SlurmError, SlurmUnavailable
from hub.mail.tables import AddressRow, LetterRow
from hub.projects import phases, provisioning, service
from hub.projects.models import MemberRole, Phase, ProjectState, Step
from hub.projects.provisioning import provision, resume
from hub.projects.service import mark_changed
from hub.projects.storage import StorageError
from hub.projects.tables import Member, Project, StepRow
from tests.hub.fakes import backends
from tests.hub.projects.test_service import TODAY, awarded, spec

STEPS = tuple(Step)


class Killed(BaseException):
    """What no code of ours catches, as a signal is not caught."""


@pytest.fixture
def around(slurm, settings):
    return backends(slurm, settings)


def letters(session):
    return session.scalar(select(func.count()).select_from(LetterRow).where(LetterRow.key.like("project-%-ready-%")))


def exactly_one_of_everything(session, slurm, around, slug):
    session.expire_all()
    project = session.scalars(select(Project)).one()
    assert (project.state, project.slug) == (ProjectState.ACTIVE, slug)
    assert slurm.accounts == {slug: (6000, 600)}
    assert slurm.parents == {slug: "call-playground-2026"}
    assert slurm.members == {slug: ["founder"]}
    assert around.storage.created_directories == 1
    assert around.storage.directories == {slug: (("founder",), False)}
    assert around.groups.groups == {slug: {"founder"}}
    assert letters(session) == 1
    worker_actions = [row.what for row in session.scalars(select(EventRow)) if row.who == "worker"]
    assert worker_actions == [f"{step} created" for step in STEPS]


async def test_every_step_is_recorded(session, slurm, around):
    project = awarded(session)
    await provision(session, around, project)
    exactly_one_of_everything(session, slurm, around, project.slug)
    rows = {row.step: (row.revision, row.attempts, row.remark) for row in session.scalars(select(StepRow))}
    assert rows == dict.fromkeys(STEPS, (1, 1, ""))
    await provision(session, around, project)
    exactly_one_of_everything(session, slurm, around, project.slug)


async def test_a_second_process_may_provision_the_same_project(sessions, session, slurm, around, monkeypatch):
    """Both look for a step's row before either has stored it."""
    project = awarded(session)
    with sessions() as other:
        get = other.get

        def get_too_early(entity, key, **options):
            row = get(entity, key, **options)
            if entity is StepRow and row is None:
                session.add(StepRow(project_id=key[0], step=key[1], revision=0, attempts=0, remark=""))
                session.commit()
            return row

        monkeypatch.setattr(other, "get", get_too_early)
        await provision(other, around, other.get_one(Project, project.id))
    exactly_one_of_everything(session, slurm, around, project.slug)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
async def test_a_process_killed_before_or_after_any_step_is_recovered(sessions, slurm, around, monkeypatch, step, when):
    """Ten points: the process dies with the handler not done, or done and not yet noted."""
    handler = provisioning._HANDLERS[step]

    async def dying(session, backends, desired):
        if when == "after":
            await handler(session, backends, desired)
        raise Killed

    monkeypatch.setitem(provisioning._HANDLERS, step, dying)
    with sessions() as session:
        slug = awarded(session).slug
        with pytest.raises(Killed):
            await resume(session, around)
    monkeypatch.undo()
    with sessions() as session:
        assert session.scalars(select(Project.state)).one() is ProjectState.PROVISIONING
        await resume(session, around)
        exactly_one_of_everything(session, slurm, around, slug)


async def test_while_slurm_is_away_the_step_has_a_remark_and_finishes_later(session, slurm, around, settings, person):
    project = awarded(session)
    slurm.break_after = 1  # slurmdbd goes after the account was made
    with pytest.raises(SlurmUnavailable):
        await resume(session, around)
    seen = person("founder").projects.get(project.slug)
    steps = {step.step: (step.done, step.remark) for step in seen.steps}
    assert steps[Step.ACCOUNT] == (True, "")
    assert steps[Step.MEMBERS] == (False, "Slurm has not answered for 15 s.")
    assert seen.state == "provisioning"
    slurm.break_after = None
    await resume(session, around)
    exactly_one_of_everything(session, slurm, around, project.slug)
    assert all(step.done for step in person("founder").projects.get(project.slug).steps)


async def test_a_hub_that_is_away_is_waited_for(session, slurm, around):
    project = awarded(session)
    around.groups.error = HubUnavailable("The Hub does not answer.")
    await resume(session, around)
    assert letters(session) == 0
    around.groups.error = None
    await resume(session, around)
    exactly_one_of_everything(session, slurm, around, project.slug)


async def test_a_refusal_for_one_does_not_hold_up_the_others(session, slurm, around, caplog):
    class Picky(type(slurm)):
        async def ensure_account(self, account, **limits):
            if account == "bad":
                raise SlurmError("no such cluster")
            await super().ensure_account(account, **limits)

    picky = backends(Picky(), around.settings)
    for name in ("bad", "good"):
        service.record(session, spec(slug=name, account=name), who="admin", today=TODAY)
    for _ in range(3):
        await resume(session, picky)
    session.expire_all()
    states = dict(session.execute(select(Project.slug, Project.state)).all())
    assert states == {"bad": ProjectState.PROVISIONING, "good": ProjectState.ACTIVE}
    row = session.scalars(select(StepRow).where(StepRow.remark != "")).one()
    assert (row.attempts, row.remark) == (3, "no such cluster")
    assert caplog.text.count("no such cluster") == 1, "the same is not said again and again"


async def test_when_slurm_is_away_nobody_is_tried_after_the_first(session, slurm, around):
    for name in ("one", "two"):
        service.record(session, spec(slug=name, account=name), who="admin", today=TODAY)
    slurm.break_after = 0
    with pytest.raises(SlurmUnavailable):
        await resume(session, around)
    assert [row.attempts for row in session.scalars(select(StepRow))] == [1]


async def test_a_change_during_provisioning_is_provisioned_too(sessions, session, slurm, around):
    """A lead removes somebody while Slurm is busy with the revision before."""
    project = service.record(session, spec(), who="admin", today=TODAY)
    ensure = slurm.ensure_members

    async def slow(account, users, partitions=()):
        await ensure(account, users, partitions)
        with sessions() as another:
            changed_project = another.scalars(select(Project)).one()
            if changed_project.revision > 1:
                return
            next(member for member in changed_project.members if member.person == "colleague").leaving = True
            changed_project.revision += 1
            another.commit()

    slurm.ensure_members = slow
    await provision(session, around, project)
    session.expire_all()
    assert project.state is ProjectState.PROVISIONING
    await resume(session, around)
    session.expire_all()
    assert (project.state, slurm.members["demo"]) == (ProjectState.ACTIVE, ["founder"])
    assert [row.person for row in session.scalars(select(Member))] == ["founder"]


# -- somebody leaves --------------------------------------------------------------------------------------------------


async def with_a_leaver(session, around):
    """A provisioned project that ``colleague`` leaves and ``trainer`` joins; the next run provisions both."""
    project = service.record(session, spec(), who="admin", today=TODAY)
    await provision(session, around, project)
    next(member for member in project.members if member.person == "colleague").leaving = True
    service.set_roles(project, {"trainer": MemberRole.MEMBER})
    service.mark_changed(project)
    session.commit()
    return project


async def test_the_job_of_a_former_member_that_does_not_end_blocks_no_other_step(session, slurm, around):
    project = await with_a_leaver(session, around)
    slurm.stuck = {"colleague"}
    for _ in range(2):
        await resume(session, around)
        session.expire_all()
        assert project.state is ProjectState.ACTIVE
        assert slurm.barred["demo"] == {"colleague"}
        assert "trainer" in slurm.members["demo"]
        assert around.storage.directories["demo"] == (("founder", "trainer"), False)
        assert around.groups.groups["demo"] == {"founder", "trainer"}
        assert [member.person for member in project.members if member.leaving] == ["colleague"]
    assert session.get(StepRow, (project.id, Step.MEMBERS)).remark == "Jobs of colleague are being cancelled."

    slurm.stuck = set()
    await resume(session, around)
    session.expire_all()
    assert slurm.members["demo"] == ["founder", "trainer"]
    assert [member.person for member in project.members] == ["founder", "trainer"]
    assert session.get(StepRow, (project.id, Step.MEMBERS)).remark == ""


@pytest.mark.parametrize("error", [SlurmUnavailable("Slurm has not answered for 15 s."), SlurmError("no such QOS")])
async def test_files_and_group_of_a_former_member_do_not_wait_for_slurm(session, slurm, around, error):
    project = await with_a_leaver(session, around)
    service.record(session, spec(slug="other", account="other"), who="admin", today=TODAY)
    slurm.break_after, slurm.error = slurm.calls, error
    with contextlib.suppress(SlurmUnavailable):
        await resume(session, around)
    session.expire_all()
    assert around.storage.directories["demo"] == (("founder", "trainer"), False)
    assert around.groups.groups["demo"] == {"founder", "trainer"}
    assert (project.state, len(project.members)) == (ProjectState.PROVISIONING, 3)
    slurm.break_after = None
    await resume(session, around)
    session.expire_all()
    assert (project.state, slurm.members["demo"]) == (ProjectState.ACTIVE, ["founder", "trainer"])


async def test_storage_that_fails_does_not_keep_a_former_member_in_the_group(session, slurm, around):
    await with_a_leaver(session, around)
    around.storage.error = StorageError("The storage helper has not answered in time.")
    await resume(session, around)
    assert around.groups.groups["demo"] == {"founder", "trainer"}
    assert slurm.barred["demo"] == {"colleague"}


async def test_who_cannot_be_barred_does_not_stop_those_who_come_or_leave(session, slurm, around):
    project = await with_a_leaver(session, around)
    next(member for member in project.members if member.person == "founder").leaving = True
    session.commit()
    bar = slurm.bar

    async def refuse_one(account, user):
        if user == "founder":
            raise SlurmError("no such association")
        return await bar(account, user)

    slurm.bar = refuse_one
    await resume(session, around)
    session.expire_all()
    assert "colleague" in slurm.barred["demo"]
    assert "trainer" in slurm.members["demo"]
    assert project.state is ProjectState.PROVISIONING, "the one who is not barred is tried again"


async def test_who_joins_again_during_the_removal_stays_a_member(sessions, session, slurm, around):
    project = await with_a_leaver(session, around)
    revoke = slurm.revoke

    async def slow(account, user):
        await revoke(account, user)
        with sessions() as another:
            changed_project = another.scalars(select(Project)).one()
            service.set_roles(changed_project, {"colleague": MemberRole.MEMBER})
            service.mark_changed(changed_project)
            another.commit()

    slurm.revoke = slow
    await resume(session, around)
    slurm.revoke = revoke
    await resume(session, around)
    session.expire_all()
    assert {member.person: member.leaving for member in project.members} == dict.fromkeys(
        ("founder", "colleague", "trainer"), False
    )
    assert sorted(slurm.members["demo"]) == ["colleague", "founder", "trainer"]


async def test_an_award_without_partitions_gives_nobody_all_of_them(session, slurm, around):
    project = awarded(session)
    project.partitions = []
    session.commit()
    await resume(session, around)
    assert slurm.members[project.account] == []
    assert session.get(StepRow, (project.id, Step.MEMBERS)).remark == "The award names no partition."


def test_a_real_worker_killed_by_the_kernel(settings, sessions, slurm, around, tmp_path):
    """A process of its own dies by SIGKILL inside a step; this one finds the row and finishes."""
    with sessions() as session:
        slug = awarded(session).slug
    program = Path(__file__).with_name("killed_worker.py")
    environment = {**os.environ, "ATRIUM_API__DATABASE_URL": settings.api.database_url}
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, str(program)], env={**environment, "PYTHONPATH": str(root)}, cwd=root, timeout=60, check=False
    )
    assert done.returncode == -9
    with sessions() as session:
        half = session.scalars(select(StepRow).order_by(StepRow.attempts)).all()
        assert {row.step: bool(row.done) for row in half} == {
            Step.ACCOUNT: True,
            Step.MEMBERS: True,
            Step.DIRECTORY: False,
        }
        asyncio.run(resume(session, around))
        project = session.scalars(select(Project).execution_options(populate_existing=True)).one()
        assert (project.state, project.slug, letters(session)) == (ProjectState.ACTIVE, slug, 1)
        assert around.storage.directories == {slug: (("founder",), False)}


async def later(session, step, around):
    """The next run in which the step is due."""
    row = session.scalars(select(StepRow).where(StepRow.step == step)).one()
    pause = round((row.retry - now()).total_seconds())
    row.retry = now()
    session.commit()
    await resume(session, around)
    return pause


@pytest.mark.parametrize(("step", "place"), [(Step.GROUP, "groups"), (Step.DIRECTORY, "storage")])
async def test_who_was_unknown_is_added_later_without_a_change_of_the_project(session, slurm, around, step, place):
    project = awarded(session)
    getattr(around, place).strangers = {"founder"}
    await resume(session, around)
    assert project.state is ProjectState.ACTIVE
    pauses = [await later(session, step, around) for _ in range(8)]
    assert pauses == sorted(pauses)
    assert pauses[:3] == [30, 60, 120]
    assert pauses[-1] == provisioning.LONGEST_PAUSE.total_seconds()
    created = session.scalars(select(EventRow).where(EventRow.what == f"{step} created")).all()
    assert len(created) == 1, "a repetition that changes nothing is no event"
    getattr(around, place).strangers = set()
    await later(session, step, around)
    row = session.scalars(select(StepRow).where(StepRow.step == step)).one()
    assert (row.remark, row.retry) == ("", None)
    assert around.groups.groups[project.slug] == {"founder"}
    assert around.storage.directories[project.slug][0] == ("founder",)


async def test_nothing_is_repeated_before_it_is_due_or_when_nobody_is_left_out(session, slurm, around):
    awarded(session)
    around.groups.strangers = {"founder"}
    await resume(session, around)
    for _ in range(3):
        await resume(session, around)
    assert around.groups.calls == 1
    around.groups.strangers = set()
    await later(session, Step.GROUP, around)
    await resume(session, around)
    assert around.groups.calls == 2


async def test_a_project_that_fails_unexpectedly_stops_no_other(session, slurm, around, caplog):
    first, second = awarded(session), awarded(session, reference=8, title="Blue steel")

    class Faulty(type(slurm)):
        async def ensure_account(self, account, **limits):
            if account == first.account:
                raise ValueError(account)
            await super().ensure_account(account, **limits)

    faulty = Faulty()
    await resume(session, provisioning.Backends(faulty, around.storage, around.groups, around.settings))
    assert (first.state, second.state) == (ProjectState.PROVISIONING, ProjectState.ACTIVE)
    assert f"project {first.slug}, Slurm account failed" in caplog.text


async def test_an_unexpected_error_of_the_storage_keeps_nobody_in_the_group(session, slurm, around):
    project = awarded(session)
    await provision(session, around, project)
    project.members.append(Member(person="leaver", role=MemberRole.MEMBER, leaving=True))
    around.groups.groups[project.slug].add("leaver")
    mark_changed(project)
    session.commit()
    around.storage.error = ValueError("no such directory")
    await resume(session, around)
    assert around.groups.groups[project.slug] == {"founder"}
    remark = session.get_one(StepRow, (project.id, Step.DIRECTORY)).remark
    assert remark == "It failed unexpectedly (ValueError); the log says more."


async def test_an_address_that_cannot_be_used_stops_neither_project_nor_mail(session, slurm, settings):
    mail = settings.mail.model_copy(update={"smtp_host": "mail.example"})
    around = backends(slurm, settings.model_copy(update={"mail": mail}))
    project = awarded(session)
    project.members.append(Member(person="colleague", role=MemberRole.MEMBER))
    session.add(AddressRow(person="founder", address="no address"))
    session.commit()
    await resume(session, around)
    assert project.state is ProjectState.ACTIVE
    assert {letter.to.partition("@")[0] for letter in session.scalars(select(LetterRow))} == {"founder", "colleague"}


async def test_a_project_that_begins_later_is_ready_on_its_first_day(session, slurm, around, settings):
    first_day = now().date() + timedelta(days=90)
    project = awarded(session, starts=first_day)
    await resume(session, around)
    assert letters(session) == 0, "it is not ready yet"
    phases.update_phases(session, settings, first_day)
    await resume(session, around)
    assert (project.phase, letters(session)) == (Phase.OPEN, 1)
