from datetime import date

import pytest
from sqlalchemy import select

from hub.access.models import MemberRole, ProjectSpec, ProjectState
from hub.access.service import provision, resume
from hub.access.tables import Member, Project
from hub.errors import InvalidInput, SlurmError, SlurmUnavailable


def spec(**changes) -> ProjectSpec:
    values = {
        "slug": "demo",
        "title": "A demo, with 'quotes'",
        "account": "demo",
        "cpu_hours": 100,
        "gpu_hours": 10,
        "starts": date(2026, 1, 1),
        "members": {"founder": MemberRole.LEAD, "colleague": MemberRole.MEMBER},
    }
    return ProjectSpec.model_validate(values | changes)


async def test_a_project_is_made_and_slurm_told(session, slurm):
    project = await provision(session, slurm, spec())

    assert (project.state, project.reason, project.attempts) == (ProjectState.ACTIVE, "", 1)
    assert slurm.accounts == {"demo": (6000, 600)}
    assert slurm.members == {"demo": ["founder", "colleague"]}


async def test_twice_is_once(session, slurm):
    first = await provision(session, slurm, spec())
    again = await provision(session, slurm, spec())

    assert again is first
    assert len(session.scalars(select(Member)).all()) == 2
    assert slurm.members == {"demo": ["founder", "colleague"]}


async def test_more_hours_and_members_later(session, slurm):
    await provision(session, slurm, spec())
    project = await provision(
        session, slurm, spec(cpu_hours=200, starts=None, members={"founder": "member", "learner01": "member"})
    )

    assert project.starts == date(2026, 1, 1)
    assert slurm.accounts == {"demo": (12000, 600)}
    assert {member.person: member.role for member in project.members} == {
        "founder": MemberRole.MEMBER,
        "colleague": MemberRole.MEMBER,
        "learner01": MemberRole.MEMBER,
    }


@pytest.mark.parametrize("calls", [0, 1])
async def test_interrupted_anywhere_it_is_finished_later(sessions, slurm, calls):
    slurm.break_after = calls
    with sessions() as session, pytest.raises(SlurmUnavailable):
        await provision(session, slurm, spec())
    with sessions() as session:
        half = session.scalars(select(Project)).one()
        assert (half.state, half.attempts) == (ProjectState.PROVISIONING, 1)
        assert "15 s" in half.reason

    slurm.break_after = None
    with sessions() as session:
        await resume(session, slurm)
        done = session.scalars(select(Project)).one()
        assert (done.state, done.attempts, done.reason) == (ProjectState.ACTIVE, 2, "")
    assert slurm.members == {"demo": ["founder", "colleague"]}


async def test_a_process_that_dies_while_slurm_works_leaves_a_row_that_says_so(sessions, slurm):
    class Killed(BaseException): ...

    slurm.break_after, slurm.error = 1, Killed()
    with pytest.raises(Killed), sessions() as session:
        await provision(session, slurm, spec())
    with sessions() as session:
        assert session.scalars(select(Project.state)).one() is ProjectState.PROVISIONING


async def test_a_refusal_for_one_does_not_hold_up_the_others(session, slurm):
    class Picky(type(slurm)):
        async def ensure_account(self, account, **limits):
            if account == "bad":
                raise SlurmError("no such cluster")
            await super().ensure_account(account, **limits)

    picky = Picky()
    slurm.break_after = 0
    for name in ("bad", "good"):
        with pytest.raises(SlurmUnavailable):
            await provision(session, slurm, spec(slug=name, account=name))
    await resume(session, picky)

    states = dict(session.execute(select(Project.slug, Project.state)).all())
    assert states == {"bad": ProjectState.PROVISIONING, "good": ProjectState.ACTIVE}


async def test_when_slurm_is_away_nobody_is_tried_after_the_first(session, slurm):
    slurm.break_after = 0
    for name in ("one", "two"):
        with pytest.raises(SlurmUnavailable):
            await provision(session, slurm, spec(slug=name, account=name))
    with pytest.raises(SlurmUnavailable):
        await resume(session, slurm)
    assert sorted(session.scalars(select(Project.attempts))) == [1, 2]


async def test_an_account_belongs_to_one_project_for_good(session, slurm):
    await provision(session, slurm, spec())
    for changes in ({"slug": "other"}, {"account": "other"}):
        with pytest.raises(InvalidInput) as refused:
            await provision(session, slurm, spec(**changes))
        assert refused.value.field == "account"
    assert list(slurm.accounts) == ["demo"]
