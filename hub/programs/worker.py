"""Background jobs, which huey runs in the worker. Each is safe to run twice and to miss once."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from functools import partial

from huey.api import SqliteHuey
from huey.consumer import Consumer, Scheduler
from sqlalchemy.orm import Session, sessionmaker

from hub.dataspace.jobs import Jobs as DataspaceJobs
from hub.db.engine import make_engine, make_sessions
from hub.health import service as health
from hub.mail import service as mail
from hub.programs import culling
from hub.projects.jobs import update_projects
from hub.settings import Settings
from hub.slurm.client import SlurmClient
from hub.store.jobs import tend_store
from hub.usage.jobs import collect_usage

logger = logging.getLogger(__name__)

STOP_SECONDS = 20
"""Seconds that the worker waits for a running job when it stops."""


class _Consumer(Consumer):
    def _create_scheduler(self) -> Scheduler:
        """A scheduler that looks for periodic jobs at each tick; huey's own interval of a minute is too long."""
        scheduler: Scheduler = super()._create_scheduler()
        scheduler.periodic_task_seconds = self.scheduler_interval
        return scheduler


class Every:
    """A schedule for huey: due at once and then every ``seconds``; huey calls it every ``tick`` seconds."""

    def __init__(self, seconds: float, tick: float) -> None:
        self._seconds = seconds
        self._tick = tick
        self._last: datetime | None = None

    def __call__(self, moment: datetime) -> bool:
        # Half a tick of tolerance, because ticks are not exactly periodic.
        if self._last and (moment - self._last).total_seconds() < self._seconds - self._tick / 2:
            return False
        self._last = moment
        return True


def run(settings: Settings) -> None:
    """Run jobs until SIGTERM, then finish the running one."""
    engine = make_engine(settings.api.database_url)
    consumer = _Consumer(
        make_queue(settings, make_sessions(engine)),
        workers=6,  # a Slurm or a mail server that hangs, or a long harvest, must not look like a dead worker
        max_delay=2.0,
        scheduler_interval=settings.worker.tick_seconds,
        flush_locks=True,  # a worker that was killed cannot have given its lock back
        graceful_signal="TERM",
        shutdown_timeout=STOP_SECONDS,
    )
    logger.info("worker started")
    consumer.run()
    engine.dispose()
    logger.info("worker stopped")


def make_queue(settings: Settings, sessions: sessionmaker[Session]) -> SqliteHuey:
    """The queue, with every job registered. An error in a job is logged by huey and ends only that run of it."""
    queue = SqliteHuey("atrium", filename=str(settings.paths.state / "huey.sqlite"), results=False)

    def heartbeat() -> None:
        with sessions() as session:
            health.seen(session, health.WORKER)

    def slurm() -> None:
        asyncio.run(collect_usage(sessions, SlurmClient(settings.slurm)))

    def cull_idle_servers() -> None:
        asyncio.run(culling.end_forgotten(settings))

    def deliver_mail() -> None:
        mail.deliver(sessions, settings)

    def projects() -> None:
        asyncio.run(update_projects(sessions, settings))

    def store() -> None:
        tend_store(sessions, settings)

    every = partial(Every, tick=settings.worker.tick_seconds)
    queue.periodic_task(every(health.HEARTBEAT_SECONDS))(heartbeat)
    queue.periodic_task(every(settings.worker.project_seconds))(queue.lock_task("projects")(projects))
    queue.periodic_task(every(settings.worker.mail_seconds))(queue.lock_task("mail")(deliver_mail))
    queue.periodic_task(every(settings.worker.usage_seconds))(queue.lock_task("slurm")(slurm))
    queue.periodic_task(every(settings.worker.tick_seconds))(queue.lock_task("store")(store))
    if settings.hub.idle_culler_hours:
        queue.periodic_task(every(culling.EVERY_SECONDS))(queue.lock_task("culling")(cull_idle_servers))
    dataspace = DataspaceJobs(settings, sessions)
    for name, seconds, job in dataspace.listed():
        queue.periodic_task(every(seconds), name=name)(queue.lock_task(name)(job))
    return queue
