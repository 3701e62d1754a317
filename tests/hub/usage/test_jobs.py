"""Collecting usage from Slurm."""

from __future__ import annotations

from sqlalchemy import select

from hub.errors import SlurmError
from hub.health.tables import SignOfLife
from hub.projects.models import ProjectSpec
from hub.usage.jobs import collect_usage
from hub.usage.service import hours_of
from hub.usage.tables import UsageCollection
from tests.hub.fakes import provision


async def test_asking_slurm_reads_hours(sessions, slurm):
    spec = ProjectSpec(slug="demo", title="Demo", account="demo", cpu_hours=10, members={"founder": "lead"})
    with sessions() as session:
        await provision(session, slurm, spec)
    slurm.used = {"demo": (120, 0)}
    await collect_usage(sessions, slurm)
    with sessions() as session:
        [hours] = hours_of(session, "founder")
        assert hours.cpu.used == 2
        assert session.get(SignOfLife, "slurm")


async def test_slurm_being_away_is_said_and_is_no_sign_of_life(sessions, slurm, caplog):
    slurm.break_after = 0
    await collect_usage(sessions, slurm)
    assert "Slurm has not answered" in caplog.text
    with sessions() as session:
        assert session.get(SignOfLife, "slurm") is None


async def test_days_are_collected_although_slurm_refuses_to_say_what_is_left(sessions, slurm, monkeypatch):
    async def refused(_accounts):
        raise SlurmError("slurm_load_assoc_mgr_info error: Invalid account")

    spec = ProjectSpec(slug="demo", title="Demo", account="demo", cpu_hours=10, members={"founder": "lead"})
    with sessions() as session:
        await provision(session, slurm, spec)
    monkeypatch.setattr(slurm, "usage", refused)
    await collect_usage(sessions, slurm)
    with sessions() as session:
        assert session.scalars(select(UsageCollection)).first() is not None
        assert session.get(SignOfLife, "slurm")
