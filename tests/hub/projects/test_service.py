"""Recording projects, and their daily life cycle."""

from datetime import date, timedelta

import pytest
from sqlalchemy import func, select, update

from hub.audit.tables import EventRow
from hub.calls import programme as policy
from hub.db.base import now
from hub.errors import InvalidInput
from hub.mail.tables import LetterRow
from hub.organisations.tables import OrganisationRow
from hub.projects import lifecycle, phases, service
from hub.projects.models import Award, MemberRole, Phase, ProjectSpec, ProjectState
from hub.projects.provisioning import provision
from hub.projects.tables import Member, Project
from hub.usage import service as usage
from tests.hub.fakes import backends

ORGANISATION = 9_999
"""Beyond the numbers that a database gives by itself."""
TODAY = now().date()


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


def awarded(session, **changes) -> Project:
    values = {
        "title": "Green steel",
        "reference": 7,
        "lead": "founder",
        "organisation_id": ORGANISATION,
        "call": "playground-2026",
        "cpu_hours": 100,
        "gpu_hours": 10,
        "storage_gb": 0,
        "months": 2,
        "starts": now().date(),
        "partitions": ("gpu",),
        "qos": ("gpu",),
    }
    if session.get(OrganisationRow, ORGANISATION) is None:
        session.add(OrganisationRow(id=ORGANISATION, name="x", form={}, join_code="x", created=now()))
        session.flush()
    project = service.award(session, Award.model_validate(values | changes), who="reviewer", today=now().date())
    session.commit()
    return project


def test_recording_the_same_project_twice_changes_nothing(session):
    first = service.record(session, spec(), who="admin", today=TODAY)
    revision = first.revision
    again = service.record(session, spec(), who="admin", today=TODAY)
    assert (again.id, again.revision) == (first.id, revision)
    assert len(session.scalars(select(Member)).all()) == 2
    assert session.scalar(select(func.count()).select_from(EventRow)) == 1


def test_changed_hours_and_members_start_provisioning_again(session):
    project = service.record(session, spec(), who="admin", today=TODAY)
    project.state, before = ProjectState.ACTIVE, project.revision
    session.commit()
    members = {"founder": "member", "learner01": "member"}
    project = service.record(session, spec(cpu_hours=200, starts=None, members=members), who="admin", today=TODAY)
    assert (project.starts, project.revision, project.state) == (date(2026, 1, 1), before + 1, "provisioning")
    assert {member.person: member.role for member in project.members} == {
        "founder": MemberRole.MEMBER,
        "colleague": MemberRole.MEMBER,
        "learner01": MemberRole.MEMBER,
    }


def test_an_account_belongs_to_one_project_for_good(session):
    service.record(session, spec(), who="admin", today=TODAY)
    for changes in ({"slug": "other"}, {"account": "other"}):
        with pytest.raises(InvalidInput) as refused:
            service.record(session, spec(**changes), who="admin", today=TODAY)
        assert refused.value.field == "account"


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Green steel", "green-steel-7"),
        ("Zażółć gęślą jaźń!", "zazolc-gesla-jaz-7"),
        ("Πράσινος χάλυβας", "prasinos-khaluba-7"),
        ("Зелена стомана", "zelena-stomana-7"),
        ("漢字", "han-zi-7"),
        ("😀", "project-7"),
        ("; rm -rf / #", "rm-rf-7"),
        ("../../etc/passwd", "etc-passwd-7"),
        ("2026", "project-7"),
        ("a" * 200, "a" * 16 + "-7"),
    ],
)
def test_slugs_of_any_title(session, title, slug):
    assert awarded(session, title=title).slug == slug


def test_a_slug_in_use_gets_a_suffix(session):
    service.record(session, spec(slug="green-steel-7", account="other"), who="admin", today=TODAY)
    assert awarded(session).slug == "green-steel-7x"


async def test_a_project_passes_through_its_phases(session, settings, slurm):
    """It opens on its day, is warned of its end once a warning, ends, is extended, ends again, and closes."""
    today = now().date()
    project = awarded(session, starts=today + timedelta(days=5), months=2)
    around = backends(slurm, settings)
    await provision(session, around, project)
    assert (project.phase, slurm.closed[project.account]) == (Phase.WAITING, True)

    async def on(day):
        for _ in range(2):  # a day may be turned any number of times
            phases.update_phases(session, settings, day)
        if project.state is ProjectState.PROVISIONING:
            await provision(session, around, project)
        session.refresh(project)
        return project.phase, slurm.closed[project.account], around.storage.directories[project.slug]

    assert await on(project.starts) == (Phase.OPEN, False, (("founder",), False))
    for left in (40, 30, 20, 7, 3, 1, 0):
        assert (await on(project.until - timedelta(days=left)))[0] is Phase.OPEN
    warnings = [row.subject for row in session.scalars(select(LetterRow)) if "warning" in row.key]
    assert warnings == [f"Project {project.slug} ends {when}" for when in ("in 30 days", "in 7 days", "tomorrow")]
    assert await on(project.until + timedelta(days=1)) == (Phase.ENDED, True, (("founder",), False))
    assert await on(project.until + timedelta(days=91)) == (Phase.CLOSED, True, ((), True))
    assert around.groups.groups[project.slug] == set()
    recorded = [row.after["phase"] for row in session.scalars(select(EventRow)) if row.what == "phase changed"]
    assert recorded == ["open", "ended", "closed"]


def test_a_project_whose_days_an_admin_changes_gets_the_phase_of_today(session, settings):
    today = now().date()
    project = service.record(session, spec(starts=today + timedelta(days=9)), who="admin", today=TODAY)
    assert project.phase is Phase.WAITING, "no job starts before the first day"
    revision = project.revision
    for changes, phase in (
        ({"starts": today - timedelta(days=400), "until": today - timedelta(days=300)}, Phase.CLOSED),
        ({"starts": today - timedelta(days=400)}, Phase.OPEN),
        ({"starts": today - timedelta(days=400), "until": today - timedelta(days=1)}, Phase.ENDED),
        ({"starts": today, "until": today}, Phase.OPEN),
        ({"starts": today + timedelta(days=1)}, Phase.WAITING),
    ):
        project = service.record(session, spec(**changes), who="admin", today=TODAY)
        phases.update_phases(session, settings, today)
        session.refresh(project)
        assert project.phase is phase, changes
        assert project.revision > revision, "Slurm hears of it"
        revision = project.revision


def test_a_project_whose_phase_cannot_be_updated_stops_no_other(session, settings, monkeypatch, caplog):
    today = now().date()
    for number in (1, 2):
        described = spec(slug=f"demo-{number}", account=f"demo-{number}", until=today)
        service.record(session, described, who="admin", today=TODAY)
    update_phase = phases._update_phase

    def faulty(session, settings, programme, project, today):
        if project.slug == "demo-1":
            raise ValueError(project.slug)
        update_phase(session, settings, programme, project, today)

    monkeypatch.setattr(phases, "_update_phase", faulty)
    phases.update_phases(session, settings, today + timedelta(days=1))
    assert [project.phase for project in session.scalars(select(Project).order_by(Project.id))] == ["open", "ended"]
    assert "phase of project" in caplog.text


def test_a_project_begins_on_the_day_that_the_programme_has(session):
    """Shortly after midnight in Brussels the day of UTC is the one before."""
    tomorrow = TODAY + timedelta(days=1)
    project = service.record(session, spec(starts=None), who="admin", today=tomorrow)
    assert (project.starts, project.phase) == (tomorrow, Phase.OPEN)
    later = service.record(session, spec(starts=tomorrow + timedelta(days=1)), who="admin", today=tomorrow)
    assert later.phase is Phase.WAITING


def test_the_last_day_of_the_calendar_has_a_grace_time(session, settings):
    project = service.record(session, spec(until=date.max), who="admin", today=TODAY)
    phases.update_phases(session, settings, now().date())
    assert lifecycle.files_until(project.until, policy.current(settings).terms) == date.max


def test_changed_hours_are_provisioned_by_a_process_that_has_just_begun(sessions, session):
    before = service.record(session, spec(), who="admin", today=TODAY).revision
    with sessions() as other_process:
        assert service.record(other_process, spec(cpu_hours=200), who="admin", today=TODAY).revision == before + 1


def test_lists_begin_with_ones_own_open_projects(session, settings):
    for slug, role in (("a-shared", MemberRole.MEMBER), ("c-own", MemberRole.LEAD), ("b-own-closed", MemberRole.LEAD)):
        service.record(session, spec(slug=slug, account=slug, members={"founder": role}), who="admin", today=TODAY)
    session.execute(update(Project).where(Project.slug == "b-own-closed").values(phase=Phase.CLOSED))
    session.commit()

    assert [project.slug for project in service.projects_of(session, settings, "founder")] == [
        "c-own",
        "a-shared",
        "b-own-closed",
    ]
    session.execute(update(Project).values(state=ProjectState.ACTIVE))
    assert [hours.slug for hours in usage.hours_of(session, "founder")] == ["c-own", "a-shared"]
