"""Used hours: the worker reads them from Slurm and stores them; all others read what is stored."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol, TypeVar

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from hub.db.base import now
from hub.errors import AtriumError, SlurmUnavailable
from hub.projects.models import Phase, ProjectState
from hub.projects.service import memberships, own_first
from hub.projects.tables import Project
from hub.slurm.client import AccountUsage, Seconds, Share
from hub.usage.forecast import Forecast, first_end, forecast, with_today
from hub.usage.models import Day, Hours, Outlook, ProjectHours, ProjectUsage, Used
from hub.usage.tables import UsageCollection, UsageDay, UsageSnapshot

logger = logging.getLogger(__name__)

Key = TypeVar("Key", str, date)


BACKLOG_DAYS = 60
"""Days that are collected before today."""
LATE_RECORDS = timedelta(minutes=10)
"""How long after a day's end Slurm may still write its records: slurmctld sends them to slurmdbd in bursts."""
FIRST_PAUSE = timedelta(minutes=5)
LONGEST_PAUSE = timedelta(hours=12)
"""Before a day that failed is tried again."""
OTHERS = "others"


class Meter(Protocol):
    """The part of :class:`hub.slurm.client.SlurmClient` that is used here."""

    async def usage(self, accounts: Sequence[str]) -> Mapping[str, AccountUsage]: ...

    async def used_on(self, day: date, accounts: Sequence[str]) -> Mapping[Share, Seconds]: ...


async def refresh(session: Session, slurm: Meter) -> None:
    """Replace the snapshot of every project with its usage in Slurm, in one query.

    :raises hub.errors.SlurmError: the old snapshots stay.
    """
    projects = session.scalars(select(Project).order_by(Project.account)).all()
    session.commit()  # no transaction stays open while Slurm is asked
    usages = await slurm.usage([project.account for project in projects])
    moment = now()
    for project in projects:
        if project.account in usages:
            session.merge(_snapshot(project, usages[project.account], moment))
        elif project.state == ProjectState.ACTIVE:
            logger.warning("Slurm does not know the account %s of project %s", project.account, project.slug)
    session.commit()


async def collect(session: Session, slurm: Meter, moment: datetime) -> None:
    """Replace the stored usage of each day that was not collected after its end, from Slurm's accounting.

    The newest day comes first. A day that fails stops no others; it is tried again after growing pauses.

    :raises hub.errors.SlurmUnavailable: Slurm does not answer; the next run continues with the days that are missing.
    """
    projects = dict(session.execute(select(Project.account, Project.id).order_by(Project.account)).all())
    days = _uncollected(session, moment) if projects else []
    session.commit()  # no transaction stays open while Slurm is asked
    for day in days:
        try:
            shares = await slurm.used_on(day, list(projects))
            _replace(session, projects, day, shares)
        except SlurmUnavailable:
            raise
        except Exception as error:
            session.rollback()
            _note_failure(session, day, error, moment)
        else:
            _note_success(session, day, moment)
        session.commit()


def _uncollected(session: Session, moment: datetime) -> list[date]:
    """Days that are due, the newest first."""
    oldest = moment.date() - timedelta(days=BACKLOG_DAYS)
    rows = {row.day: row for row in session.scalars(select(UsageCollection).where(UsageCollection.day >= oldest))}
    days = [moment.date() - timedelta(days=back) for back in range(BACKLOG_DAYS + 1)]
    return [day for day in days if day not in rows or (not _is_complete(rows[day]) and rows[day].due <= moment)]


def _is_complete(row: UsageCollection) -> bool:
    end = datetime.combine(row.day + timedelta(days=1), time(), tzinfo=UTC)
    return row.collected is not None and row.collected >= end + LATE_RECORDS


def _replace(session: Session, projects: Mapping[str, int], day: date, shares: Mapping[Share, Seconds]) -> None:
    session.execute(delete(UsageDay).where(UsageDay.day == day, UsageDay.project_id.in_(projects.values())))
    session.add_all(_used(projects[share.account], day, share, seconds) for share, seconds in shares.items())
    session.flush()


def _note_success(session: Session, day: date, moment: datetime) -> None:
    session.merge(UsageCollection(day=day, collected=moment, due=moment, failures=0, reason=""))


def _note_failure(session: Session, day: date, error: Exception, moment: datetime) -> None:
    row = session.get(UsageCollection, day)
    failures = row.failures + 1 if row else 1
    reason = error.message if isinstance(error, AtriumError) else type(error).__name__
    logger.warning("cannot collect the usage of %s: %s", day, reason, exc_info=not isinstance(error, AtriumError))
    session.merge(
        UsageCollection(
            day=day,
            collected=row.collected if row else None,
            due=moment + min(FIRST_PAUSE * 2 ** min(failures - 1, 16), LONGEST_PAUSE),
            failures=failures,
            reason=reason[:500],
        )
    )


def _used(project: int, day: date, share: Share, seconds: Seconds) -> UsageDay:
    return UsageDay(
        project_id=project,
        day=day,
        person=share.user,
        partition=share.partition,
        cpu_seconds=seconds.cpu,
        gpu_seconds=seconds.gpu,
    )


def of_project(session: Session, project: Project, *, reader: str, leads: bool, today: date) -> ProjectUsage:
    """The usage of a project. ``reader`` sees their own hours and the sum of all others; with ``leads`` everybody's."""
    snapshot = session.get(UsageSnapshot, project.id)
    rows = session.scalars(select(UsageDay).where(UsageDay.project_id == project.id)).all()
    cpu = _hours(project.cpu_hours, snapshot.cpu_minutes if snapshot else 0)
    gpu = _hours(project.gpu_hours, snapshot.gpu_minutes if snapshot else 0)
    days = _sums(rows, lambda row: row.day)
    cpu_days = with_today({day: used[0] for day, used in days.items()}, cpu.used, today)
    gpu_days = with_today({day: used[1] for day, used in days.items()}, gpu.used, today)
    cpu_end = forecast(cpu_days, cpu.left, starts=project.starts, today=today)
    gpu_end = forecast(gpu_days, gpu.left, starts=project.starts, today=today)
    return ProjectUsage(
        slug=project.slug,
        title=project.title,
        cpu=cpu,
        gpu=gpu,
        starts=project.starts,
        until=project.until,
        as_of=snapshot.as_of if snapshot else None,
        people=_ranked(_sums(rows, lambda row: row.person if leads or row.person == reader else OTHERS)),
        partitions=_ranked(_sums(rows, lambda row: row.partition)),
        days=tuple(
            Day(day=day, cpu=cpu_days.get(day, 0.0), gpu=gpu_days.get(day, 0.0))
            for day in sorted(cpu_days.keys() | gpu_days.keys())
        ),
        cpu_runs_out=cpu_end.day if cpu.granted else None,
        gpu_runs_out=gpu_end.day if gpu.granted else None,
        cpu_outlook=cpu_end.outlook,
        gpu_outlook=gpu_end.outlook,
    )


def _sums(rows: Iterable[UsageDay], key: Callable[[UsageDay], Key]) -> dict[Key, tuple[float, float]]:
    """Core and card hours by ``key``."""
    seconds: dict[Key, tuple[int, int]] = {}
    for row in rows:
        cpu, gpu = seconds.get(key(row), (0, 0))
        seconds[key(row)] = (cpu + row.cpu_seconds, gpu + row.gpu_seconds)
    return {name: (round(cpu / 3600, 2), round(gpu / 3600, 2)) for name, (cpu, gpu) in seconds.items()}


def _ranked(sums: Mapping[str, tuple[float, float]]) -> tuple[Used, ...]:
    used = [Used(name=name, cpu=cpu, gpu=gpu) for name, (cpu, gpu) in sums.items()]
    return tuple(sorted(used, key=lambda entry: (-entry.gpu, -entry.cpu, entry.name)))


def hours_of(session: Session, person: str) -> tuple[ProjectHours, ...]:
    """Hours of a person's projects, their own first, without projects that are not in Slurm yet."""
    rows = session.execute(
        memberships(person)
        .add_columns(UsageSnapshot)
        .outerjoin(UsageSnapshot, UsageSnapshot.project_id == Project.id)
        .where(
            Project.phase != Phase.CLOSED,
            or_(Project.state == ProjectState.ACTIVE, UsageSnapshot.project_id.is_not(None)),
        )
        .order_by(*own_first())
    ).all()
    ends = _forecasts(session, [(project, snapshot) for project, _, snapshot in rows], now().date())
    return tuple(
        ProjectHours(
            slug=project.slug,
            title=project.title,
            role=role,
            cpu=_hours(project.cpu_hours, snapshot.cpu_minutes if snapshot else 0),
            gpu=_hours(project.gpu_hours, snapshot.gpu_minutes if snapshot else 0),
            until=project.until,
            as_of=snapshot.as_of if snapshot else None,
            phase=project.phase,
            runs_out=ends[project.id].day,
            outlook=ends[project.id].outlook,
        )
        for project, role, snapshot in rows
    )


def _forecasts(
    session: Session, projects: Sequence[tuple[Project, UsageSnapshot | None]], today: date
) -> dict[int, Forecast]:
    """The forecast of the budget that ends first, by project."""
    rows = session.execute(
        select(UsageDay.project_id, UsageDay.day, func.sum(UsageDay.cpu_seconds), func.sum(UsageDay.gpu_seconds))
        .where(UsageDay.project_id.in_([project.id for project, _ in projects]))
        .group_by(UsageDay.project_id, UsageDay.day)
    )
    cpu: dict[int, dict[date, float]] = {}
    gpu: dict[int, dict[date, float]] = {}
    for number, day, cpu_seconds, gpu_seconds in rows:  # sums, which PostgreSQL makes decimals
        cpu.setdefault(number, {})[day] = round(float(cpu_seconds) / 3600, 2)
        gpu.setdefault(number, {})[day] = round(float(gpu_seconds) / 3600, 2)
    forecasts = {}
    for project, snapshot in projects:
        budgets = (
            (_hours(project.cpu_hours, snapshot.cpu_minutes if snapshot else 0), cpu),
            (_hours(project.gpu_hours, snapshot.gpu_minutes if snapshot else 0), gpu),
        )
        ends = (
            forecast(
                with_today(used.get(project.id, {}), hours.used, today),
                hours.left,
                starts=project.starts,
                today=today,
            )
            for hours, used in budgets
            if hours.granted
        )
        forecasts[project.id] = first_end(ends) or Forecast(Outlook.UNUSED)
    return forecasts


def _snapshot(project: Project, usage: AccountUsage, moment: datetime) -> UsageSnapshot:
    return UsageSnapshot(project_id=project.id, cpu_minutes=usage.cpu.used, gpu_minutes=usage.gpu.used, as_of=moment)


def _hours(granted: int, used_minutes: int) -> Hours:
    """Hours with the rest, which is never negative: running jobs may overdraw a budget a little."""
    used = round(used_minutes / 60, 2)
    return Hours(granted=granted, used=used, left=max(0.0, round(granted - used, 2)))
