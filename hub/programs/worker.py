"""Background jobs, which huey runs in the worker. Each is safe to run twice and to miss once."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial, wraps
from threading import Lock

from huey.api import SqliteHuey
from huey.consumer import Consumer, Scheduler
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker

from hub.dataspace.jobs import Jobs as DataspaceJobs
from hub.db.engine import is_storage_full, make_engine, make_sessions
from hub.health import service as health
from hub.loops import OF_AN_ITEM
from hub.mail import service as mail
from hub.programs import culling, retention
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


class SeldomLog:
    """Logs that the database fails, once a minute for all jobs together: each job would log it at every run."""

    SECONDS = 60.0

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next = float("-inf")
        self._lock = Lock()

    def without_database(self, job: Callable[[], object]) -> Callable[[], None]:
        """``job``, which ends without an error when the database fails; its next run tries again."""

        @wraps(job)
        def run_job() -> None:
            try:
                job()
            except OF_AN_ITEM:
                raise  # of the job's own making
            except (DBAPIError, PoolTimeout) as error:
                self._log(error)

        return run_job

    def _log(self, error: SQLAlchemyError) -> None:
        with self._lock:
            if self._clock() < self._next:
                return
            self._next = self._clock() + self.SECONDS
        reason = "storage is full" if is_storage_full(error) else f"{type(error).__name__}: {error.args[0]}"
        logger.error("the database cannot be used, so jobs wait for it: %s", reason)


def run(settings: Settings) -> None:
    """Run jobs until SIGTERM, then finish the running one."""
    engine = make_engine(settings.api.database_url, existing=True)
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

    quiet = SeldomLog()

    def periodic(seconds: float, job: Callable[[], object], name: str, *, locked: bool = True) -> None:
        run_job = quiet.without_database(job)
        queue.periodic_task(every(seconds), name=name)(queue.lock_task(name)(run_job) if locked else run_job)

    every = partial(Every, tick=settings.worker.tick_seconds)
    periodic(health.HEARTBEAT_SECONDS, heartbeat, "heartbeat", locked=False)
    periodic(settings.worker.project_seconds, projects, "projects")
    periodic(settings.worker.mail_seconds, deliver_mail, "mail")
    periodic(settings.worker.usage_seconds, slurm, "slurm")
    periodic(retention.EVERY_SECONDS, partial(retention.remove_old_rows, sessions, settings), "retention")
    periodic(settings.worker.tick_seconds, partial(tend_store, sessions, settings), "store")
    if settings.hub.idle_culler_hours:
        periodic(culling.EVERY_SECONDS, cull_idle_servers, "culling")
    for name, seconds, job in DataspaceJobs(settings, sessions).listed():
        periodic(seconds, job, name)
    return queue
