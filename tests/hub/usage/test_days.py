"""Usage by day, person and partition, and the forecast."""

import itertools
from datetime import UTC, date, datetime, time, timedelta

import pytest
from sqlalchemy import select

from hub.db.base import now
from hub.errors import NotFound, SlurmError, SlurmUnavailable
from hub.projects.models import ProjectSpec
from hub.slurm.jobs import Seconds, Share
from hub.usage import service
from hub.usage.forecast import Forecast, first_end, forecast, with_today
from hub.usage.models import Outlook
from hub.usage.tables import UsageCollection, UsageDay
from tests.hub.fakes import provision


@pytest.fixture
async def project(session, slurm):
    spec = ProjectSpec(
        slug="demo",
        title="Demo",
        account="demo",
        cpu_hours=100,
        gpu_hours=10,
        starts=date(2026, 1, 1),
        members={"founder": "lead", "colleague": "member"},
    )
    return await provision(session, slurm, spec)


def use(slurm, day, user="founder", partition="gpu", cpu=0, gpu=0, account="demo"):
    slurm.days.setdefault(day, {})[Share(account, user, partition)] = Seconds(cpu * 3600, gpu * 3600)


async def test_every_day_since_the_last_time_is_asked_for_and_replaced(session, slurm, project):
    today = now().date()
    yesterday = today - timedelta(days=1)
    use(slurm, yesterday, cpu=2)
    use(slurm, today, cpu=1)
    use(slurm, today, account="another", cpu=50)
    await service.collect(session, slurm, now())
    use(slurm, today, cpu=4)  # the day goes on
    slurm.calls = 0
    await service.collect(session, slurm, now())
    days = {row.day: row.cpu_seconds // 3600 for row in session.scalars(select(UsageDay))}
    assert days == {yesterday: 2, today: 4}
    assert slurm.calls == (2 if now().time() < time(0, 10) else 1), "one question a day that is not over"


async def test_days_that_were_missed_are_made_up_for(session, slurm, project):
    today = now().date()
    for back in range(8):
        use(slurm, today - timedelta(days=back), cpu=1)
    slurm.break_after = slurm.calls + 3
    with pytest.raises(SlurmUnavailable):
        await service.collect(session, slurm, now())
    assert days_of(session) == [today - timedelta(days=back) for back in range(3)], "the newest first"
    slurm.break_after = None
    await service.collect(session, slurm, now())
    assert len(days_of(session)) == 8


def days_of(session):
    return sorted(session.scalars(select(UsageDay.day)), reverse=True)


async def test_a_day_is_collected_again_once_it_is_over(session, slurm, project):
    evening = datetime(2026, 11, 20, 23, 55, tzinfo=UTC)
    day = evening.date()
    use(slurm, day, cpu=1)
    await service.collect(session, slurm, evening)
    use(slurm, day, cpu=2)
    await service.collect(session, slurm, evening + timedelta(minutes=10))
    use(slurm, day, cpu=3)  # the record of a job that ended just before midnight
    await service.collect(session, slurm, evening + timedelta(minutes=16))
    assert session.scalars(select(UsageDay.cpu_seconds)).all() == [3 * 3600]
    slurm.calls = 0
    await service.collect(session, slurm, evening + timedelta(minutes=17))
    assert slurm.calls == 1


@pytest.mark.parametrize("error", [SlurmError("sacct printed what we cannot read."), ValueError("no number")])
async def test_a_day_that_cannot_be_read_stops_no_other_and_is_tried_later_and_later(session, slurm, project, error):
    moment = datetime(2026, 11, 20, 12, tzinfo=UTC)
    bad = moment.date()
    attempts = []
    used_on = slurm.used_on

    async def faulty(day, accounts):
        if day == bad:
            attempts.append(moment)
            raise error
        return await used_on(day, accounts)

    slurm.used_on = faulty
    for back in range(3):
        use(slurm, bad - timedelta(days=back), cpu=1)
    await service.collect(session, slurm, moment)
    assert days_of(session) == [bad - timedelta(days=1), bad - timedelta(days=2)]
    for _ in range(60):
        moment += timedelta(minutes=1)
        await service.collect(session, slurm, moment)
    pauses = [(second - first).total_seconds() / 60 for first, second in itertools.pairwise(attempts)]
    assert pauses == [5, 10, 20]
    assert session.get(UsageCollection, bad).reason in (str(error), "ValueError")
    slurm.used_on = used_on
    await service.collect(session, slurm, moment + timedelta(hours=1))
    assert bad in days_of(session)


async def test_leads_see_everybodys_usage_and_members_their_own(session, slurm, project, person):
    for day, who, partition, cpu, gpu in (
        (0, "founder", "gpu", 3, 2),
        (0, "colleague", "batch", 5, 0),
        (1, "founder", "batch", 1, 0),
    ):
        use(slurm, now().date() - timedelta(days=day), who, partition, cpu, gpu)
    slurm.used["demo"] = (9 * 60, 2 * 60)
    await service.refresh(session, slurm)
    await service.collect(session, slurm, now())

    seen = person("founder").usage("demo")
    assert [(row.name, row.cpu, row.gpu) for row in seen.people] == [("founder", 4, 2), ("colleague", 5, 0)]
    assert [(partition.name, partition.cpu) for partition in seen.partitions] == [("gpu", 3), ("batch", 6)]
    assert [(day.cpu, day.gpu) for day in seen.days] == [(1, 0), (8, 2)]
    assert (seen.cpu.left, seen.gpu.left) == (91, 8)
    assert (seen.gpu_runs_out, seen.gpu_outlook) == (None, Outlook.TOO_EARLY), "used on one day"
    assert [row.name for row in person("colleague").usage("demo").people] == ["others", "colleague"]
    assert person("admin", groups=["admins"]).usage("demo").people == seen.people
    with pytest.raises(NotFound):
        person("trainer").usage("demo")


DAY = date(2026, 11, 24)


def days(*hours):
    return {DAY - timedelta(days=back): used for back, used in enumerate(hours)}


def in_days(count):
    return Forecast(Outlook.RUNS_OUT, DAY + timedelta(days=count))


@pytest.mark.parametrize(
    ("used", "left", "starts", "out"),
    [
        (days(*[10] * 14), 100, date(2026, 1, 1), in_days(10)),
        (days(10, 10, 10), 100, date(2026, 1, 1), in_days(10)),  # the pace since the first use, not of two weeks
        (days(10, 0, 10, 0, 10), 60, date(2026, 1, 1), in_days(10)),  # pauses count
        (days(10), 0, DAY, Forecast(Outlook.USED_UP, DAY)),
        ({}, 10, DAY, Forecast(Outlook.UNUSED)),
        ({DAY - timedelta(days=30): 100}, 10, date(2026, 1, 1), Forecast(Outlook.UNUSED)),  # long ago
        (days(0.7), 2000, date(2026, 1, 1), Forecast(Outlook.TOO_EARLY)),  # one first try
        (days(5, 5), 10, DAY - timedelta(days=1), Forecast(Outlook.TOO_EARLY)),
        (days(0.01, 0.01, 0.01), 10**6, date(2026, 1, 1), Forecast(Outlook.FAR)),
    ],
)
def test_the_day_hours_run_out(used, left, starts, out):
    assert forecast(used, left, starts=starts, today=DAY) == out


@pytest.mark.parametrize(
    ("used", "total", "today"),
    [
        ({}, 0.7, 0.7),  # a job that still runs: Slurm's total knows it, its accounting by day does not
        (days(1, 2, 3), 9, 4),
        (days(1, 2, 3), 5, 1),  # Slurm's total is older than the accounting
        (days(0, 2, 3), 5, 0),
    ],
)
def test_today_has_what_is_on_no_earlier_day(used, total, today):
    complete = with_today(used, total, DAY)
    assert complete.get(DAY, 0) == pytest.approx(today)
    assert {day: hours for day, hours in complete.items() if day < DAY} == {
        day: hours for day, hours in used.items() if day < DAY
    }


def test_of_two_budgets_the_one_counts_that_may_end_first():
    ends, early = in_days(10), Forecast(Outlook.TOO_EARLY)
    assert first_end([ends, in_days(5)]) == in_days(5)
    assert first_end([ends, Forecast(Outlook.UNUSED), Forecast(Outlook.FAR)]) == ends
    assert first_end([ends, early]) == early, "how long the other lasts is not known"
    assert first_end([early, Forecast(Outlook.USED_UP, DAY)]) == Forecast(Outlook.USED_UP, DAY)
    assert first_end([]) is None


async def test_a_running_job_is_in_the_days_and_not_called_unused(session, slurm, project, person):
    slurm.used["demo"] = (42, 0)
    await service.refresh(session, slurm)
    seen = person("founder").usage("demo")
    assert [(day.day, day.cpu) for day in seen.days] == [(now().date(), 0.7)]
    assert (seen.cpu_runs_out, seen.cpu_outlook) == (None, Outlook.TOO_EARLY)
