"""Sentences of the landing page on an application and on the day on which hours run out."""

from datetime import timedelta

from hub.applications.models import Form
from hub.applications.service import start
from hub.calls import programme
from hub.db.base import now
from hub.home.service import overview
from hub.identity.models import Person
from hub.projects.models import ProjectSpec
from hub.projects.tables import Project
from hub.usage.tables import UsageDay, UsageSnapshot
from tests.hub.fakes import provision

FOUNDER = Person(name="founder", kind="user")


async def steel(session, slurm) -> Project:
    spec = ProjectSpec(
        slug="steel",
        title="Steel",
        account="steel",
        cpu_hours=100,
        starts=now().date() - timedelta(days=30),
        members={"founder": "lead"},
    )
    await provision(session, slurm, spec)
    return session.query(Project).one()


async def test_without_use_there_is_no_day(session, slurm):
    await steel(session, slurm)

    [project] = overview(session, FOUNDER).me.projects

    assert project.runs_out is None


async def test_the_day_on_which_hours_run_out_at_this_pace(session, slurm):
    project = await steel(session, slurm)
    today = now().date()
    session.merge(UsageSnapshot(project_id=project.id, cpu_minutes=28 * 60, gpu_minutes=0, as_of=now()))
    for days in range(14):
        session.add(
            UsageDay(
                project_id=project.id,
                day=today - timedelta(days=days),
                person="founder",
                partition="batch",
                cpu_seconds=2 * 3600,
                gpu_seconds=0,
            )
        )
    session.commit()

    [seen] = overview(session, FOUNDER).me.projects

    assert seen.runs_out == today + timedelta(days=36)  # 72 hours left, 2 a day


def test_the_application_that_was_changed_last(session, settings):
    assert overview(session, FOUNDER).application is None
    data = programme.current(settings)
    start(session, data, "founder", Form(title="First"))
    start(session, data, "somebody", Form(title="Not mine"))
    start(session, data, "founder", Form(title="Second"))

    seen = overview(session, FOUNDER).application

    assert seen is not None
    assert (seen.title, seen.state) == ("Second", "draft")
