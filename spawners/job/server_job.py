"""One attempt to run a person's server: a row, then a job, followed wherever Slurm takes it, ended in order.

Nothing of JupyterHub in here; :mod:`spawners.gateway` puts the two together.
"""

from __future__ import annotations

import asyncio
import logging
import pwd
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import repeat
from typing import Any

from hub.errors import AtriumError, SlurmError, SlurmUnavailable
from hub.servers import service
from hub.servers.models import Attempt, AttemptState, Verdict
from hub.slurm import naming
from hub.slurm.jobs import Job, Phase
from hub.slurm.naming import JobComment
from spawners.job import diagnosis
from spawners.job.background import in_background
from spawners.job.diagnosis import Facts, Farewell, Stage
from spawners.job.progress import Standing
from spawners.job.site import Site

log = logging.getLogger(__name__)

GOODBYE_SECONDS = 10.0
"""How long a server that was asked to end may take before its job is cancelled."""
PAUSES = (0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
"""Seconds between tries at what must come about; the last one for ever."""
SETTLING_SECONDS = (0.5, 0.5, 1.0, 2.0, 4.0, 8.0)
"""When to look what a job that is ending becomes."""
FAREWELL_SECONDS = (0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0)
"""When to look whether a server that said farewell is gone."""

_STATES = {
    Stage.SUBMIT: AttemptState.SUBMITTING,
    Stage.WAITING: AttemptState.WAITING,
    Stage.STARTING: AttemptState.STARTING,
    Stage.RUNNING: AttemptState.READY,
}


class Ended(AtriumError):
    """The attempt is over, or has to be ended: ``verdict`` says why."""

    status = 502

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.message, hint=verdict.hint)
        self.verdict = verdict


class ServerJob:
    """The job of one server, from before ``sbatch`` until Slurm says that it is over.

    :param changed: called whenever there is something that a Hub which comes back must know (:attr:`attempt`,
        :attr:`number`, :attr:`began`); it commits that before it returns.
    :param over: called, once the server was ready, when Slurm says that the job is over or does not show it any more.
    :param requeued: called, once the server was ready, when Slurm took the node away and put the job back.
    """

    def __init__(
        self,
        site: Site,
        *,
        user: str,
        os_account: str,
        server: str,
        request: Mapping[str, Any],
        changed: Callable[[], None],
        over: Callable[[], Awaitable[Any]],
        requeued: Callable[[], Awaitable[Any]],
    ) -> None:
        self._site = site
        self.user, self.os_account, self.server, self.request = user, os_account, server, request
        self._changed, self._over, self._requeued = changed, over, requeued
        self.attempt: int | None = None
        """Its row in the ledger."""
        self.nonce = naming.UNSAVED
        """The random part of the job's comment, from the row."""
        self.number: int | None = None
        """Slurm's number; None while nobody knows whether there is one."""
        self.began: datetime | None = None
        """When Slurm gave it its node, to know a second start from the first."""
        self.seen: Job | None = None
        """As the queue last told it."""
        self.stage = Stage.SUBMIT
        self.requeues = 0
        self.verdict: Verdict | None = None
        self.asked_to_stop = False
        self._farewell = Farewell.NONE
        self._looking: asyncio.Task[None] | None = None
        self._submitted_at = float("-inf")
        self._news = asyncio.Event()
        self._port: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def __str__(self) -> str:
        return f"{self.user}:{self.server}" if self.server else self.user

    # -- having a job ---------------------------------------------------------------------------------------------

    async def submit(self, render: Callable[[JobComment], str], environment: Mapping[str, str]) -> None:
        """A row, then ``sbatch``, then the job's number; never a second job while it is open whether there is one.

        :param render: the job script, given its comment.
        :raises InvalidInput: the script cannot be written; nothing was stored or asked.
        :raises Ended: Slurm refused, or could not be asked and has no job of ours.
        :raises LedgerUnavailable: nothing was asked of Slurm.
        """
        here = self._site
        render(self.comment)  # what cannot be written is no attempt
        row = await here.ledger.run(
            service.begin,
            gateway=here.settings.spawn.gateway,
            person=self.user,
            os_account=self.os_account,
            server=self.server,
            request=dict(self.request),
        )
        self.attempt, self.nonce = row.id, row.nonce
        self._changed()
        try:
            number = await here.slurm.submit(render(self.comment), user=self.os_account, environment=environment)
        except SlurmUnavailable as error:
            log.warning("%s: no answer to sbatch, so the queue is asked: %s", self, error)
            number = await self._find_or_fail()
        except SlurmError as error:
            raise await self._ended(Facts(stage=Stage.SUBMIT, refusal=error.message)) from error
        await self._is(number)
        log.info("%s submitted as job %i", self, number)

    async def take_up(self, row: Attempt) -> None:
        """Go on with what a Hub before us had begun. Raises :class:`Ended` when there is no job of it."""
        self._belongs_to(row)
        self.requeues = row.requeues
        await self._is(row.job_id if row.job_id is not None else await self._find_or_fail())
        self._submitted_at = float("-inf")
        if row.port is not None:
            self._port.set_result(row.port)
        log.info("%s goes on as job %s", self, self.number)

    def keep(self, attempt: int, row: Attempt | None, number: int | None, began: datetime | None) -> None:
        """Its server was ready before the Hub was restarted, and is until Slurm says otherwise.

        :param row: of ``attempt``; None: the ledger could not be read.
        """
        self.attempt, self.number, self.began, self.stage = attempt, number, began, Stage.RUNNING
        if row is not None:
            self._belongs_to(row)
        if number is not None:
            self._site.queue.watch(number, self._told)

    def _belongs_to(self, row: Attempt) -> None:
        self.attempt, self.os_account, self.nonce = row.id, row.os_account, row.nonce

    @property
    def comment(self) -> JobComment:
        """Of the job, as the row says."""
        gateway = self._site.settings.spawn.gateway
        return naming.server_comment(gateway, self.user, self.server, self.attempt or 0, self.nonce)

    async def _is(self, number: int) -> None:
        self.number, self.stage = number, Stage.WAITING
        self._submitted_at = time.monotonic()
        self._site.queue.watch(number, self._told)
        self._changed()
        await self._note(service.submitted, number)

    async def _find_or_fail(self) -> int:
        number = await self.find()
        if number is None:
            raise await self._ended(Facts(stage=Stage.SUBMIT, not_asked=True))
        return number

    async def find(self) -> int | None:
        """Number of the job that says it is this attempt's, asked for until Slurm answers. None: there is none.

        ``sbatch`` may have been heard although its answer was not, so "none" takes two answers, some seconds apart.
        """
        here, answers = self._site, 0
        name = naming.job_name(here.settings.spawn.gateway, naming.Kind.SERVER)
        while answers < 2:
            try:
                jobs = await here.slurm.named_jobs(name, self.os_account)
            except SlurmError as error:
                log.warning("Slurm does not list the jobs of %s, asking again in a moment: %s", self.os_account, error)
            else:
                numbers = [number for number, comment in jobs.items() if comment == str(self.comment)]
                if numbers:
                    return max(numbers)
                answers += 1
            if answers < 2:
                await asyncio.sleep(here.settings.slurm.waiting_seconds)
        return None

    # -- waiting for its server -----------------------------------------------------------------------------------

    async def until_announced(self) -> tuple[str, int]:
        """Wait, as long as it takes, for a node, and then not much longer for the server on it: address and port.

        :raises Ended: the job is over, or runs and its server is silent (then it has to be ended).
        """
        deadline = float("inf")
        with self._site.queue.waiting():
            while True:
                self._news.clear()
                job = await self._settled(await self.standing_in_queue())
                if job is not None and job.is_over:
                    raise await self._ended(Facts(stage=self.stage, job=job))
                if job is not None and job.phase is Phase.WAITING and self.stage is Stage.STARTING:
                    await self._lost_node()
                    deadline = float("inf")
                if job is not None and job.phase is Phase.RUNNING and job.node:
                    if self.stage is Stage.WAITING:
                        await self._has_node(job)
                        deadline = time.monotonic() + self._site.settings.spawn.announce_seconds
                    if self._port.done():
                        if address := await self._address(job.node):
                            return await self._ready(address)
                        continue
                if time.monotonic() > deadline:
                    raise await self._ended(Facts(stage=Stage.STARTING, job=job, silent=True))
                await self._wait_for_news(deadline)

    async def _wait_for_news(self, deadline: float) -> None:
        """Until the queue tells something new, the server announces itself, or it is time to look again."""
        slurm = self._site.settings.slurm
        longest = min(slurm.idle_seconds, max(0.1, deadline - time.monotonic()))
        with suppress(TimeoutError):
            async with asyncio.timeout(longest):
                await self._news.wait()
        # It runs: no reason to wait for the queue's next turn. Slurm tells the node, not the server itself.
        if self._port.done() and await self._site.queue.fresh(time.monotonic()) is None:
            await asyncio.sleep(slurm.waiting_seconds)

    async def _has_node(self, job: Job) -> None:
        self.stage, self.began = Stage.STARTING, job.start
        self._changed()
        await self._note(service.started, node=job.node, ends=job.end)

    async def _lost_node(self) -> None:
        """The job was put back into the queue while its server was starting: it will announce itself anew."""
        log.warning("%s: job %s was put back into the queue", self, self.number)
        self.stage, self._port = Stage.WAITING, asyncio.get_running_loop().create_future()
        self._farewell = Farewell.NONE  # said by a server that will not be the last of this job
        self.requeues += 1
        await self._note(service.requeued)

    async def _address(self, node: str) -> str:
        """Where its node is reached; empty, after a pause, when Slurm could not be asked: nobody's fault, least of all
        that of a server that is up."""
        try:
            return await self._site.slurm.node_address(node)
        except SlurmError as error:
            log.warning("%s: the address of %s could not be asked for, again in a moment: %s", self, node, error)
            await asyncio.sleep(self._site.settings.slurm.waiting_seconds)
            return ""

    async def _ready(self, address: str) -> tuple[str, int]:
        self.stage = Stage.RUNNING
        await self._note(service.ready)
        return address, self._port.result()

    @property
    def awaits_port(self) -> bool:
        """Whether it is on its way up and its server has not announced a port yet."""
        return self.number is not None and self.stage is not Stage.RUNNING and not self._port.done()

    def has_port(self, port: int) -> bool:
        """Whether its server has announced just this one."""
        return self._port.done() and self._port.result() == port

    def take_port(self, port: int) -> None:
        """Believe a port, once; the caller has asked :attr:`awaits_port` in the same breath."""
        self._port.set_result(port)
        self._news.set()
        in_background(self._note(service.announced, port))

    def take_farewell(self, word: Farewell) -> None:
        """The server says that it goes: look at once, so that its address is nobody else's for long. A server that
        says so again and again, or before there is one, has Slurm asked no more often."""
        if self.number is None or (self._looking is not None and not self._looking.done()):
            return
        self._farewell = word
        self._looking = in_background(self._look_whether_it_is_gone())

    async def _look_whether_it_is_gone(self) -> None:
        for pause in FAREWELL_SECONDS:
            await asyncio.sleep(pause)
            snapshot = await self._site.queue.fresh(time.monotonic())
            if snapshot is not None and self.number not in snapshot.jobs:
                return  # the queue has told so (_told)

    # -- news -----------------------------------------------------------------------------------------------------

    def _told(self, job: Job | None) -> None:
        """Called by the queue with something new of the job, and with None while it is not there."""
        if job is not None:
            self.seen = job
        self._news.set()
        if self.stage is not Stage.RUNNING or self.asked_to_stop:
            return
        if job is None or job.is_over:
            in_background(self._over())
        elif self._starts_again(job):
            self.forget()
            in_background(self._follow())

    def _starts_again(self, job: Job) -> bool:
        """Whether a job whose server was ready waits for, or got, another node."""
        moved = job.start is not None and self.began is not None and job.start > self.began
        return job.phase is Phase.WAITING or (job.phase is Phase.RUNNING and moved)

    async def _follow(self) -> None:
        log.warning("%s: job %s was put back into the queue; following it", self, self.number)
        await self._note(service.requeued)
        await self._requeued()

    def forget(self) -> None:
        """Hear no more of it."""
        if self.number is not None:
            self._site.queue.unwatch(self.number)

    async def standing_in_queue(self) -> Job | None:
        """The job now; None when Slurm could not be asked, or knows nothing of it yet."""
        here = self._site
        assert self.number is not None  # noqa: S101  what asks is only called once there is one
        oldest = max(self._submitted_at, time.monotonic() - 2 * here.settings.slurm.idle_seconds)
        snapshot = await here.queue.fresh(oldest)
        if snapshot is None:
            return None
        job = snapshot.jobs.get(self.number)
        if job is None:
            # Not in the queue: only the controller's or the accounts' own word makes it "ended".
            try:
                job = await here.slurm.job(self.number)
            except SlurmError as error:
                log.warning("Job %i is not in the queue, and why could not be asked: %s", self.number, error)
                return None
        if job is not None:
            self.seen = job
        return job

    async def _settled(self, job: Job | None) -> Job | None:
        """What a job that is ending becomes: over, or back in the queue. One that takes too long counts as over."""
        for pause in SETTLING_SECONDS:
            if job is None or job.phase is not Phase.ENDING:
                break
            await asyncio.sleep(pause)
            with suppress(SlurmError):
                job = await self._site.slurm.job(job.id) or job
        return job

    def standing(self) -> Standing:
        """How far it is, for :mod:`spawners.job.progress`."""
        queue, since = self._site.queue, self._site.queue.silent_since
        return Standing(
            state=AttemptState.STOPPING if self.asked_to_stop else _STATES[self.stage],
            job_id=self.number,
            job=self.seen,
            place=queue.place(self.seen) if self.seen is not None else None,
            partition=str(self.request.get("partition", "")),
            requeues=self.requeues,
            silent_since=None if since is None else datetime.fromtimestamp(since, UTC),
        )

    # -- the end --------------------------------------------------------------------------------------------------

    async def is_over(self) -> bool:
        """Whether Slurm says so; then the ledger says why. "Could not ask" is no."""
        if self.number is None:
            return False  # sbatch may be on its way
        job = await self._settled(await self.standing_in_queue())
        if job is None or not job.is_over:
            return False
        await self._close(Facts(stage=self.stage, job=job))
        return True

    async def end(self, ask: Callable[[], Awaitable[bool]]) -> None:
        """Ask the server to end, cancel the job if it does not, and wait until Slurm says that it is over, for as long
        as that takes.

        :param ask: asks the server itself; whether it heard.
        """
        self.asked_to_stop = True
        if self.attempt is None:
            return
        await self._note(service.stopping)
        if self.number is None and (found := await self.find()) is not None:
            await self._is(found)
            await self._note(service.stopping)
        job = None if self.number is None else await self._until_over(self.number, ask)
        await self._close(Facts(stage=self.stage, job=job))

    async def _until_over(self, number: int, ask: Callable[[], Awaitable[bool]]) -> Job | None:
        """The job once it is over; None when Slurm does not know it any more."""
        if self.stage is Stage.RUNNING and await ask():
            with suppress(SlurmError, TimeoutError):
                async with asyncio.timeout(GOODBYE_SECONDS):
                    return await self._look_until_over(number)
        for pause in _ever_longer():
            try:
                await self._site.slurm.cancel(number, user=self.os_account)
                async with asyncio.timeout(max(5.0, pause)):
                    return await self._look_until_over(number)
            except (SlurmError, TimeoutError) as error:
                log.warning("Job %i does not end yet, trying again: %s", number, error)
            await asyncio.sleep(pause)
        raise AssertionError("unreachable")

    async def _look_until_over(self, number: int) -> Job | None:
        """All that are being stopped share one question; only who is out of the queue is asked for by number."""
        for pause in _ever_longer():
            snapshot = await self._site.queue.fresh(time.monotonic())
            if snapshot is None:
                raise SlurmUnavailable("Slurm does not answer.")
            if number not in snapshot.jobs:
                job = await self._site.slurm.job(number)
                if job is None or job.phase is Phase.ENDED:
                    return job
            await asyncio.sleep(min(pause, 2.0))
        raise AssertionError("unreachable")

    async def _ended(self, facts: Facts) -> Ended:
        """The verdict on a start; the ledger gets it now, or when the job that still lives is over (:meth:`end`)."""
        if facts.job is None or facts.job.is_over:
            await self._close(facts)
        else:
            self.verdict = diagnosis.diagnose(await self._investigated(facts))
        assert self.verdict is not None  # noqa: S101
        return Ended(self.verdict)

    async def _close(self, facts: Facts) -> None:
        """Write down that it is over, and why: by the verdict there is, or by one on everything known now."""
        facts = await self._investigated(facts)
        self.verdict = self.verdict or diagnosis.diagnose(facts)
        self.forget()
        if facts.job is not None:
            log.info("%s is over: job %i, %s: %s", self, facts.job.id, facts.job.state, self.verdict.message)
        await self._note(service.ended, self.verdict, facts.job, facts.log_tail)

    async def _investigated(self, facts: Facts) -> Facts:
        """With what the job wrote and how it ended; nothing else has happened to a server that was asked to stop."""
        known = replace(
            facts,
            farewell=self._farewell,
            asked_to_stop=self.asked_to_stop,
            request=self.request,
            uid=_uid(self.os_account),
        )
        if facts.job is None or self.asked_to_stop:
            return known
        return replace(known, job=await self._with_exit_code(facts.job), log_tail=await self._log_tail())

    async def _with_exit_code(self, job: Job) -> Job:
        """Only accounting knows it, and learns it a moment after the end."""
        for pause in (0.0, 0.3, 0.7):
            await asyncio.sleep(pause)
            try:
                past = await self._site.slurm.past_job(job.id)
            except SlurmError:
                return job
            if past is not None and past.is_over:
                return replace(past, reason=job.reason)
        return job

    async def _log_tail(self) -> str:
        try:
            return await self._site.slurm.job_log(self.server, user=self.os_account)
        except SlurmError as error:
            log.info("What job %s wrote could not be read: %s", self.number, error)
            return ""

    async def _note(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        if self.attempt is not None:
            await self._site.ledger.note(work, self.attempt, *args, **kwargs)


def _ever_longer() -> Iterator[float]:
    yield from PAUSES
    yield from repeat(PAUSES[-1])


def _uid(os_account: str) -> int | None:
    try:
        return pwd.getpwnam(os_account).pw_uid
    except KeyError:
        return None
