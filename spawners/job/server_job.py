"""An attempt to run a server: its row in the ledger, and its job from ``sbatch`` to the end.

Independent of JupyterHub; :mod:`spawners.gateway` connects the two.
"""

from __future__ import annotations

import asyncio
import json
import logging
import pwd
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hub.errors import AtriumError, SlurmError, SlurmNotReached, SlurmUnavailable
from hub.servers import service
from hub.servers.models import Attempt, AttemptState, Verdict
from hub.settings import Settings
from hub.slurm import naming, steps
from hub.slurm.jobs import Job, Phase
from hub.slurm.naming import JobComment
from hub.slurm.steps import StartStep
from spawners.job import diagnosis
from spawners.job.background import in_background
from spawners.job.cancellation import end_job, end_others
from spawners.job.diagnosis import Facts, Farewell, Stage
from spawners.job.progress import Standing
from spawners.job.site import Site
from spawners.job.slurm_queries import (
    current_job,
    find_job,
    home_check,
    log_tail,
    node_address,
    settled,
    with_exit_code,
)
from spawners.job.steps import StepWatch

log = logging.getLogger(__name__)

FAREWELL_SECONDS = (0.5, 0.5, 1.0, 3.0, 5.0, 10.0, 20.0, 20.0)
"""When to look whether a server that said farewell is gone; after the last one its job is ended."""

_STATES = {
    Stage.SUBMIT: AttemptState.SUBMITTING,
    Stage.WAITING: AttemptState.WAITING,
    Stage.STARTING: AttemptState.STARTING,
    Stage.RUNNING: AttemptState.READY,
}


class Ended(AtriumError):
    """The attempt has ended, or must be ended; ``verdict`` says why.

    ``job_is_over``: whether Slurm says that its job has ended.
    """

    status = 502

    def __init__(self, verdict: Verdict, *, job_is_over: bool) -> None:
        super().__init__(verdict.message, hint=verdict.hint)
        self.verdict = verdict
        self.job_is_over = job_is_over


class ServerJob:
    """The job of one server, from before ``sbatch`` until Slurm says that it is over.

    :param save: commits the state that a restarted Hub needs (:attr:`attempt`, :attr:`number`, :attr:`began`).
    :param on_leaving: called once when a ready server says farewell or its job is ending: nothing may be sent to its
        address any more.
    :param on_over: called if the job of a ready server has ended or is no longer listed.
    :param on_pause: called when the cluster has paused the job of a ready server, or lets it go on.
    :param on_requeue: called if the job of a ready server was requeued.
    :param on_stuck: called if a server said farewell and its job still runs after :data:`FAREWELL_SECONDS`.
    """

    def __init__(
        self,
        site: Site,
        *,
        user: str,
        os_account: str,
        server: str,
        request: Mapping[str, Any],
        save: Callable[[], None],
        on_leaving: Callable[[], Awaitable[Any]],
        on_over: Callable[[], Awaitable[Any]],
        on_pause: Callable[[], Awaitable[Any]],
        on_requeue: Callable[[], Awaitable[Any]],
        on_stuck: Callable[[], Awaitable[Any]],
    ) -> None:
        self._site = site
        self.user, self.os_account, self.server, self.request = user, os_account, server, request
        self._save, self._on_leaving, self._on_over = save, on_leaving, on_over
        self._on_pause, self._on_requeue, self._on_stuck = on_pause, on_requeue, on_stuck
        self.attempt: int | None = None
        """Its row in the ledger."""
        self.nonce = naming.UNSAVED
        """The random part of the job's comment, from the row."""
        self.number: int | None = None
        """Slurm's number; None while nobody knows whether there is one."""
        self.began: datetime | None = None
        """When Slurm gave it its node, to know a second start from the first."""
        self.latest_job: Job | None = None
        """As Slurm last showed it."""
        self.stage = Stage.SUBMIT
        self.requeues = 0
        self.verdict: Verdict | None = None
        self.stop_requested = False
        self.paused = False
        """Whether the cluster has paused the job of a ready server."""
        self._end_check: asyncio.Task[None] | None = None
        self._farewell = Farewell.NONE
        self._farewell_check: asyncio.Task[None] | None = None
        self._leaves = False
        self._submitted_at = float("-inf")
        self._steps = StepWatch(self._look_at_step)
        self._patience = site.settings.spawn.announce_seconds
        """Seconds that its server still has to announce itself, on all nodes that it gets together."""
        self._deadline = float("inf")
        """When these end, in monotonic seconds; without an end while it has no node."""
        self._news = asyncio.Event()
        self._port: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def __str__(self) -> str:
        return f"{self.user}:{self.server}" if self.server else self.user

    # -- submitting ---------------------------------------------------------------------------------------------

    async def submit(self, render: Callable[[JobComment], str], environment: Mapping[str, str]) -> None:
        """Store a row, run ``sbatch``, store the job's number; never submit a second job while there may be a first.

        :param render: returns the job script for a comment.
        :raises InvalidInput: the script cannot be rendered; nothing was stored or submitted.
        :raises Ended: Slurm refuses, or does not answer and has no job of this attempt.
        :raises LedgerUnavailable: nothing was submitted.
        """
        site = self._site
        render(self.comment)  # before a row is stored
        row = await site.ledger.run(
            service.begin,
            gateway=site.settings.spawn.gateway,
            person=self.user,
            os_account=self.os_account,
            server=self.server,
            request=dict(self.request),
        )
        self.attempt, self.nonce = row.id, row.nonce
        self._save()
        if isinstance(site.queue.error, SlurmUnavailable):  # sbatch would not be answered either
            raise await self._ended(Facts(stage=Stage.SUBMIT, not_asked=True))
        try:
            if site.strays.possible(self.user, self.server):
                await end_others(site, self.os_account, self.comment)
            number = await site.slurm.submit(render(self.comment), user=self.os_account, environment=environment)
        except SlurmNotReached as error:
            raise await self._ended(Facts(stage=Stage.SUBMIT, not_asked=True)) from error
        except SlurmUnavailable as error:
            log.warning("%s: no answer to sbatch, so the queue is asked: %s", self, error)
            number = await self._find_or_fail()
        except SlurmError as error:
            raise await self._ended(Facts(stage=Stage.SUBMIT, refusal=error.message)) from error
        await self._set_number(number)
        log.info("%s submitted as job %i", self, number)

    async def take_up(self, row: Attempt) -> None:
        """Resume an attempt from before a restart of the Hub. Raises :class:`Ended` if it has no job."""
        self._belongs_to(row)
        self.requeues = row.requeues
        await self._set_number(row.job_id if row.job_id is not None else await self._find_or_fail())
        self._submitted_at = float("-inf")
        if row.port is not None:
            self._port.set_result(row.port)
        log.info("%s goes on as job %s", self, self.number)

    def keep(
        self, attempt: int, row: Attempt | None, number: int | None, began: datetime | None, port: int | None
    ) -> None:
        """Follow a server that was ready before the Hub was restarted.

        :param row: row of ``attempt``; None: the ledger could not be read.
        """
        self.attempt, self.number, self.began, self.stage = attempt, number, began, Stage.RUNNING
        if row is not None:
            self._belongs_to(row)
            port = row.port or port
        if port is not None:
            self._port.set_result(port)
        if number is not None:
            self._site.queue.watch(number, self._on_news)

    def _belongs_to(self, row: Attempt) -> None:
        self.attempt, self.os_account, self.nonce = row.id, row.os_account, row.nonce

    @property
    def comment(self) -> JobComment:
        """The job's comment, from the row."""
        gateway = self._site.settings.spawn.gateway
        return naming.server_comment(gateway, self.user, self.server, self.attempt or 0, self.nonce)

    async def _set_number(self, number: int) -> None:
        self._site.strays.uncertain.discard((self.user, self.server))
        self.number, self.stage = number, Stage.WAITING
        self._submitted_at = time.monotonic()
        self._site.queue.watch(number, self._on_news)
        self._save()
        await self._record(service.submitted, number)

    async def _find_or_fail(self) -> int:
        number = await find_job(self._site, self.os_account, self.comment)
        if number is None:
            self._site.strays.uncertain.add((self.user, self.server))
            raise await self._ended(Facts(stage=Stage.SUBMIT, not_asked=True))
        return number

    # -- waiting for its server -----------------------------------------------------------------------------------

    async def until_announced(self) -> tuple[str, int]:
        """Wait for a node, without a deadline, and then ``announce_seconds`` for its server. Returns address and port.

        :raises Ended: the job is over, or its server was silent for too long (then the job has to be ended).
        """
        try:
            with self._site.queue.waiting():
                while True:
                    self._news.clear()
                    if address := await self._address():
                        return await self._ready(address)
                    await self._wait_for_news()
        finally:
            self._steps.end()

    async def _address(self) -> str:
        """Address of the node once the server has announced its port; "" before."""
        job = await self._current_job()
        if job is not None and job.is_over:
            raise await self._ended(Facts(stage=self.stage, job=job))
        if job is not None and job.phase is Phase.WAITING and self.stage is Stage.STARTING:
            await self._lost_node()
        if job is not None and job.phase is Phase.RUNNING and job.node:
            if self.stage is Stage.WAITING:
                await self._has_node(job)
            elif job.is_paused:  # its server cannot report now
                self._deadline = time.monotonic() + self._patience
            if self._port.done():
                return await node_address(self._site, job.node)
        if time.monotonic() > self._deadline:
            patience = self._site.settings.spawn.announce_seconds
            raise await self._ended(Facts(stage=Stage.STARTING, job=job, silent=True, patience_seconds=patience))
        return ""

    async def _wait_for_news(self) -> None:
        """Wait until the queue has news, the server announces its port, or it is time to look again."""
        slurm = self._site.settings.slurm
        longest = min(slurm.idle_seconds, max(0.1, self._deadline - time.monotonic()))
        with suppress(TimeoutError):
            async with asyncio.timeout(longest):
                await self._news.wait()
        # The server runs, so look up its node now and not at the next refresh of the queue.
        if self._port.done() and await self._site.queue.fresh(time.monotonic()) is None:
            await asyncio.sleep(slurm.waiting_seconds)

    async def _has_node(self, job: Job) -> None:
        self.stage, self.began = Stage.STARTING, job.start
        self._deadline = time.monotonic() + self._patience
        self._steps.begin()
        self._save()
        await self._record(service.started, node=job.node, ends=job.end)

    async def _look_at_step(self) -> StartStep:
        tail = await log_tail(self._site, self.server, self.os_account)
        return steps.last(tail, self.number or 0)

    async def _lost_node(self) -> None:
        """The job was requeued while its server was starting; the server will announce its port again.

        What the start took so far counts, so that it does not hang on one node after another.
        """
        log.warning("%s: job %s was put back into the queue", self, self.number)
        self._steps.end()
        self._patience = self._deadline - time.monotonic()
        if self._patience > 0:
            self._deadline = float("inf")
        self.stage, self._port = Stage.WAITING, asyncio.get_running_loop().create_future()
        self._farewell = Farewell.NONE  # it belongs to the lost node
        self.requeues += 1
        await self._record(service.requeued)

    async def _ready(self, address: str) -> tuple[str, int]:
        self.stage = Stage.RUNNING
        await self._record(service.ready)
        return address, self._port.result()

    @property
    def awaits_port(self) -> bool:
        """Whether the job is starting and its server has not announced a port yet."""
        return self.number is not None and self.stage is not Stage.RUNNING and not self._port.done()

    @property
    def port(self) -> int | None:
        """The port of a ready server; None before."""
        return self._port.result() if self.stage is Stage.RUNNING and self._port.done() else None

    def has_port(self, port: int) -> bool:
        """Whether its server has announced this port."""
        return self._port.done() and self._port.result() == port

    def take_port(self, port: int) -> None:
        """Store the announced port, once; the caller has just checked :attr:`awaits_port`."""
        self._port.set_result(port)
        self._news.set()
        in_background(self._record(service.announced, port))

    async def take_farewell(self, word: Farewell) -> None:
        """The server says that it ends: close its route, which it waits for before it releases its port.

        Repeated farewells, or one before there is a job, are ignored.
        """
        if self.number is None or (self._farewell_check is not None and not self._farewell_check.done()):
            return
        self._farewell = word
        self._farewell_check = in_background(self._check_farewell())
        if self.stage is Stage.RUNNING:
            await self._leave()

    async def _leave(self) -> None:
        if not self._leaves:
            self._leaves = True
            await self._on_leaving()

    async def _check_farewell(self) -> None:
        # Slurm does not notice by itself that its process is gone.
        for pause in FAREWELL_SECONDS if self._farewell is not Farewell.UNATTENDED else FAREWELL_SECONDS[:2]:
            await asyncio.sleep(pause)
            snapshot = await self._site.queue.fresh(time.monotonic())
            job = None if snapshot is None or self.number is None else snapshot.jobs.get(self.number)
            if snapshot is not None and (job is None or job.is_over):
                return  # the queue has called _on_news
        job = self.latest_job
        if self.stage is Stage.RUNNING and not self.stop_requested and job is not None and job.phase is Phase.RUNNING:
            log.warning("%s said farewell, and job %s still runs; ending it", self, self.number)
            self.verdict = diagnosis.diagnose(Facts(stage=self.stage, job=job, farewell=self._farewell))
            await self._on_stuck()

    # -- news -----------------------------------------------------------------------------------------------------

    def _on_news(self, job: Job | None) -> None:
        """Called by the queue when the job changes, repeatedly while it ends, and with None while it is not listed."""
        if job is not None:
            self.latest_job = job
        self._news.set()
        if self.stage is not Stage.RUNNING or self.stop_requested:
            return
        if job is None or job.is_over:
            if self._end_check is None or self._end_check.done():
                self._end_check = in_background(self._check_end(job))
        elif self._starts_again(job):
            self.forget()
            in_background(self._follow())
        elif job.is_paused is not self.paused:
            self.paused = job.is_paused
            log.info("%s: job %i is %s", self, job.id, job.state)
            in_background(self._on_pause())

    async def _check_end(self, job: Job | None) -> None:
        """Close the route of an ending job first: it may take long, and may also return to the queue."""
        try:
            if job is not None:
                await self._leave()
        finally:
            await self._on_over()

    def _starts_again(self, job: Job) -> bool:
        """Whether a job whose server was ready waits for, or got, another node."""
        moved = job.start is not None and self.began is not None and job.start > self.began
        return job.phase is Phase.WAITING or (job.phase is Phase.RUNNING and moved)

    async def _follow(self) -> None:
        log.warning("%s: job %s was put back into the queue; following it", self, self.number)
        await self._record(service.requeued)
        await self._on_requeue()

    def forget(self) -> None:
        """Stop watching the job."""
        if self.number is not None:
            self._site.queue.unwatch(self.number)

    async def _current_job(self) -> Job | None:
        """The job after it has finished completing; None if Slurm does not answer or does not know it yet."""
        assert self.number is not None  # noqa: S101  only called once there is one
        job = await current_job(self._site, self.number, submitted_at=self._submitted_at)
        self.latest_job = job or self.latest_job
        return await settled(self._site, job)

    def standing(self) -> Standing:
        """Progress of the start, for :mod:`spawners.job.progress`."""
        queue, since = self._site.queue, self._site.queue.silent_since
        return Standing(
            state=AttemptState.STOPPING if self.stop_requested else _STATES[self.stage],
            job_id=self.number,
            job=self.latest_job,
            place=queue.place(self.latest_job) if self.latest_job is not None else None,
            partition=str(self.request.get("partition", "")),
            requeues=self.requeues,
            step=self._steps.step,
            silent_since=None if since is None else datetime.fromtimestamp(since, UTC),
        )

    # -- the end --------------------------------------------------------------------------------------------------

    async def is_over(self) -> bool:
        """Whether the job has ended according to Slurm, which also closes the row; False if Slurm does not answer."""
        if self.number is None:
            return False  # sbatch may still be running
        job = await self._current_job()
        if job is None or not job.is_over:
            return False
        await self._close(Facts(stage=self.stage, job=job))
        return True

    async def end(self) -> None:
        """Terminate the server, cancel the job if that is not enough, and wait without a limit for the job's end."""
        self.stop_requested = True
        if self.attempt is None or (self.number is None and self.verdict is not None):
            return  # no row, or one that is closed: a job that still arrives ends before the next start
        await self._record(service.stopping)
        if self.number is None:
            number = await find_job(self._site, self.os_account, self.comment)
            if number is not None:
                await self._set_number(number)
                await self._record(service.stopping)
        job = None
        if self.number is not None:
            self._site.queue.watch(self.number, self._on_news)
            in_order = self.stage is Stage.RUNNING
            job = await end_job(self._site, self.number, self.os_account, in_order=in_order)
        await self._close(Facts(stage=self.stage, job=job))

    async def _ended(self, facts: Facts) -> Ended:
        """The verdict on a start; stored now, or by :meth:`end` if the job still runs."""
        if facts.job is None or facts.job.is_over:
            await self._close(facts)
        else:
            self.verdict = diagnosis.diagnose(await self._investigated(facts))
        assert self.verdict is not None  # noqa: S101
        return Ended(self.verdict, job_is_over=facts.job is not None and facts.job.phase is Phase.ENDED)

    async def _close(self, facts: Facts) -> None:
        """Close the row, with the given verdict or a diagnosis of everything known."""
        facts = await self._investigated(facts)
        self.verdict = self.verdict or diagnosis.diagnose(facts)
        self.forget()
        if facts.job is not None:
            log.info("%s is over: job %i, %s: %s", self, facts.job.id, facts.job.state, self.verdict.message)
        await self._record(service.ended, self.verdict, facts.job, facts.log_tail)

    async def _investigated(self, facts: Facts) -> Facts:
        """Add farewell, exit code and log; after a requested stop, code and log are not needed."""
        facts = replace(
            facts,
            farewell=self._farewell,
            stop_requested=self.stop_requested,
            request=self.request,
            uid=_uid(self.os_account),
            server=self.server,
        )
        if facts.job is None or self.stop_requested:
            return facts
        job = await with_exit_code(self._site, facts.job)
        facts = replace(facts, job=job, shut_down=job.id in _shut_down_jobs(self._site.settings))
        if diagnosis.has_no_log(job):
            return replace(facts, log_tail=await home_check(self._site, self.os_account))
        return replace(facts, log_tail=await log_tail(self._site, self.server, self.os_account))

    async def _record(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        if self.attempt is not None:
            await self._site.ledger.note(work, self.attempt, *args, **kwargs)


def _shut_down_jobs(settings: Settings) -> set[int]:
    """Jobs that the last ``make down`` cancelled (deploy/dev/down.py)."""
    try:
        return set(json.loads((settings.paths.state / "shut-down-jobs.json").read_text()))
    except (OSError, ValueError, TypeError):
        return set()


def _uid(os_account: str) -> int | None:
    try:
        return pwd.getpwnam(os_account).pw_uid
    except KeyError:
        return None
