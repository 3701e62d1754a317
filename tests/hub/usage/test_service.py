from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from hub.errors import SlurmUnavailable
from hub.projects.models import ProjectSpec
from hub.usage.service import hours_of, refresh
from hub.usage.tables import UsageSnapshot
from tests.hub.fakes import provision


@pytest.fixture
async def project(session, slurm):
    spec = ProjectSpec(
        slug="demo", title="Demo", account="demo", cpu_hours=100, gpu_hours=10, members={"founder": "lead"}
    )
    return await provision(session, slurm, spec)


async def test_before_slurm_was_asked_nothing_is_known(session, project):
    [hours] = hours_of(session, "founder")
    assert (hours.as_of, hours.cpu.granted, hours.cpu.left, hours.role) == (None, 100, 100, "lead")


async def test_hours_are_those_of_the_last_answer(session, slurm, project):
    for cpu, gpu in ((60, 0), (90, 20)):
        slurm.used["demo"] = (cpu, gpu)
        await refresh(session, slurm)

    [hours] = hours_of(session, "founder")
    assert (hours.cpu.used, hours.cpu.left) == (1.5, 98.5)
    assert (hours.gpu.used, hours.gpu.left) == (0.33, 9.67)
    assert datetime.now(UTC) - hours.as_of < timedelta(seconds=10)


async def test_a_budget_that_is_overdrawn_leaves_nothing(session, slurm, project):
    slurm.used["demo"] = (0, 11 * 60)
    await refresh(session, slurm)
    [hours] = hours_of(session, "founder")
    assert (hours.gpu.used, hours.gpu.left) == (11, 0)


async def test_when_slurm_is_away_the_old_answer_stays_with_its_date(session, slurm, project):
    await refresh(session, slurm)
    before = session.scalars(select(UsageSnapshot.as_of)).one()
    slurm.break_after = 0
    with pytest.raises(SlurmUnavailable):
        await refresh(session, slurm)
    assert session.scalars(select(UsageSnapshot.as_of)).one() == before


async def test_an_account_that_slurm_does_not_know_is_logged_and_the_others_go_on(session, slurm, project, caplog):
    await provision(session, slurm, ProjectSpec(slug="gone", title="Gone", account="gone", cpu_hours=1))
    del slurm.accounts["gone"]
    await refresh(session, slurm)
    assert len(session.scalars(select(UsageSnapshot)).all()) == 1
    assert "gone" in caplog.text


async def test_projects_of_others_and_half_made_ones_are_not_shown(session, slurm, project):
    slurm.break_after = slurm.calls
    with pytest.raises(SlurmUnavailable):
        await provision(
            session,
            slurm,
            ProjectSpec(slug="new", title="New", account="new", cpu_hours=1, members={"founder": "lead"}),
        )
    assert [hours.slug for hours in hours_of(session, "founder")] == ["demo"]
    assert hours_of(session, "colleague") == ()


async def test_a_project_that_gets_more_hours_does_not_vanish_meanwhile(session, slurm, project):
    await refresh(session, slurm)
    slurm.break_after = 0
    with pytest.raises(SlurmUnavailable):
        await provision(session, slurm, ProjectSpec(slug="demo", title="Demo", account="demo", cpu_hours=500))
    [hours] = hours_of(session, "founder")
    assert hours.cpu.granted == 500
