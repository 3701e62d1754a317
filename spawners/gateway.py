"""The spawner: glue between JupyterHub's calls, a job on Slurm, the one queue everybody shares and the ledger."""

from __future__ import annotations

import asyncio
import grp
import pwd
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path
from typing import Any

import httpx
from batchspawner import SlurmSpawner
from jupyterhub.spawner import SpawnException
from jupyterhub.utils import make_ssl_context

from hub.errors import AtriumError, InvalidInput, NotAllowed, SlurmError, SlurmUnavailable
from hub.identity.models import NAME
from hub.servers import service
from hub.servers.models import Attempt, AttemptState, Ending, Verdict
from hub.slurm.jobs import Job, Phase
from spawners import attempts, continuing, failures, handshake, options, progress, rest, restart, script
from spawners.failures import Facts, Farewell, Stage
from spawners.progress import Standing
from spawners.site import Site, site
from spawners.tls import Certificates

USER_NAME = re.compile(NAME + r"\Z")
# What a server keeps of the Hub's variables: the closed list that sudoers lets through (deploy/sudoers).
_EXPORTED = re.compile(r"(JUPYTERHUB_|ATRIUM_)[A-Z0-9_]+\Z|(LANG|SLURM_CONF)\Z")

GOODBYE_SECONDS = 10.0
"""How long a server that was asked to end may take before its job is cancelled."""
_PAUSES = (0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)

_STATES = {
    Stage.SUBMIT: AttemptState.SUBMITTING,
    Stage.WAITING: AttemptState.WAITING,
    Stage.STARTING: AttemptState.STARTING,
    Stage.RUNNING: AttemptState.READY,
}

attempts.install()
continuing.install()
handshake.install()
rest.install()


class StartFailed(SpawnException):
    """An error of ours as JupyterHub shows it to the person: what happened, and what to do next."""

    def __init__(self, message: str, hint: str = "", *, reason: str = "refused", status: int = 502) -> None:
        text = f"{message} {hint}".strip()
        super().__init__(text, reason=reason, status_code=status)
        self.jupyterhub_message = text  # what the spawn page shows; str() of the base class is for logs

    @classmethod
    def because(cls, error: AtriumError) -> StartFailed:
        return cls(error.message, error.hint, reason=type(error).__name__, status=error.status)


class AtriumSpawner(Certificates, SlurmSpawner):
    """A user's server as a job of that user.

    Of batchspawner it keeps the state (job id), the traits and the environment; commands, handshake and the
    reading of options are Atrium's (see spawners/README.md).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.attempt: int | None = None
        """The ledger's row of the attempt that is on its way or runs."""
        self.seen: Job | None = None
        """The job as the queue last told it (pages and progress read it)."""
        self.requeued = False
        """Slurm took the node away and put the job back: this object gives way to one that follows the job."""
        self._job_start: datetime | None = None
        super().__init__(*args, **kwargs)
        self._forget()

    def _forget(self) -> None:
        """Nothing is known, nothing is on its way."""
        self._stage = Stage.SUBMIT
        self._absent = False
        self._news = asyncio.Event()
        self._announced: asyncio.Future[int] | None = None
        self._submission: asyncio.Task[None] | None = None
        self._submitted_at = float("-inf")
        self._farewell = Farewell.NONE
        self._asked_to_stop = False
        self._tried_again = False
        self._requeues = 0
        self._verdict: Verdict | None = None

    # -- options --------------------------------------------------------------------------------------------------

    async def _form(self, _spawner: object) -> str:
        here = site()
        try:
            accounts = await here.slurm.accounts_of(self.user.name)
        except SlurmError as error:
            self.log.warning("Projects of %s could not be read: %s", self.user.name, error)
            accounts = [here.settings.slurm.default_account]
        return options.form_html(accounts, self.orm_spawner.user_options or {}, here.settings.slurm)

    def _options_form_default(self) -> Callable[[object], Awaitable[str]]:
        return self._form

    def _options_from_form_default(self) -> Callable[[dict[str, list[str]]], dict[str, Any]]:
        return self._checked_form

    def _checked_form(self, form: dict[str, list[str]]) -> dict[str, Any]:
        try:
            return options.parse(options.from_form(form), site().settings.slurm).model_dump()
        except InvalidInput as error:
            raise StartFailed.because(error) from error

    def options_from_query(self, _query: dict[str, list[str]]) -> dict[str, Any]:
        """A link may bring a person to the form; it never starts anything."""
        raise StartFailed("A link cannot start a notebook.", "Choose, and press Start notebook.", status=422)

    # -- state and environment ------------------------------------------------------------------------------------

    def get_state(self) -> dict[str, Any]:
        """What a Hub that comes back needs to find the job again. The server's token is in it, because only the
        server has it otherwise; the Hub's database is for the Hub's account alone."""
        state: dict[str, Any] = super().get_state()
        if self.attempt is not None:
            state |= {"attempt": self.attempt, "api_token": self.api_token}
        if self._job_start is not None:
            state["job_start"] = self._job_start.isoformat()
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state(state)
        self.attempt = state.get("attempt")
        self.api_token = state.get("api_token", "")
        self._job_start = datetime.fromisoformat(state["job_start"]) if "job_start" in state else None

    def clear_state(self) -> None:
        if self.requeued:
            return  # JupyterHub ends this server; the job goes on
        if self.job_id:
            site().queue.unwatch(int(self.job_id))
        super().clear_state()
        self.attempt = self._job_start = self.seen = None
        self._forget()

    def _save_state(self) -> None:
        """Commit at once: JupyterHub itself does so only when a start has come through."""
        self.orm_spawner.state = self.get_state()
        self.user.db.commit()

    def _apply_user_options_default(self) -> Callable[[object, dict[str, Any]], None]:
        """Options become a job (spawners/script.py), never attributes of a spawner."""
        return lambda _spawner, _options: None

    def get_env(self) -> dict[str, str]:
        """The closed list of variables a job gets; HOME, USER and SHELL come from sudo, PATH from the script."""
        settings = site().settings
        env = {
            **super().get_env(),
            **self.tls_environment(),
            "ATRIUM_API_URL": settings.api_url,
            "ATRIUM_SITE_NAME": settings.site.name,
            "ATRIUM_HUB_URL": f"{settings.site.public_url}/hub/",
            "ATRIUM_DASHBOARDS_URL": settings.service_url("dashboards"),
            "ATRIUM_SERVER_NAME": self.name,
            "ATRIUM_IDLE_MINUTES": str(self._idle_minutes()),
            "ATRIUM_IDLE_WARNING_MINUTES": str(settings.spawn.idle_warning_minutes),
        }
        if settings.slurm.conf is not None:
            env["SLURM_CONF"] = str(settings.slurm.conf)
        return {name: value for name, value in env.items() if _EXPORTED.match(name)}

    def _idle_minutes(self) -> int:
        spawn, chosen = site().settings.spawn, (self.user_options or {}).get("profile")
        own = next((profile.idle_minutes for profile in spawn.profiles if profile.name == chosen), None)
        return own or spawn.idle_minutes

    # -- start ----------------------------------------------------------------------------------------------------

    async def start(self) -> tuple[str, int]:
        """Submit, or take up what was submitted before the Hub was restarted; wait for the node and for the server's
        port. Ends only with an address or an error."""
        here = site()
        self.ip = "127.0.0.1" if here.settings.hub.host == "127.0.0.1" else "0.0.0.0"  # noqa: S104  nodes are not public
        self.port = 0
        self._announced = asyncio.get_running_loop().create_future()
        try:
            # A start that is cancelled must not lose the number of a job that Slurm is about to tell.
            self._submission = asyncio.create_task(self._have_a_job())
            await asyncio.shield(self._submission)
            with here.queue.waiting():
                self.ip, self.port = await self._until_announced()
        except AtriumError as error:
            raise StartFailed.because(error) from error
        self._stage = Stage.RUNNING
        await here.ledger.note(service.ready, self._row)
        self.log.info("%s runs as job %s at %s:%i", self._log_name, self.job_id, self.ip, self.port)
        return self.ip, self.port

    @property
    def _row(self) -> int:
        assert self.attempt is not None  # noqa: S101  what asks is only called while there is one
        return self.attempt

    async def _have_a_job(self) -> None:
        if not await self._adopt():
            await self._submit()

    async def _adopt(self) -> bool:
        """Take up the attempt that a Hub before us had begun; False when there is none."""
        saved = self.orm_spawner.state or {}
        attempt = await self._unfinished(saved)
        if attempt is None:
            return False
        self.attempt, self.api_token, self._requeues = attempt.id, saved["api_token"], attempt.requeues
        job_id = attempt.job_id or await self._find_job()
        if job_id is None:
            raise await self._refused(Facts(stage=Stage.SUBMIT, not_asked=True))
        self.log.info("%s goes on as job %i", self._log_name, job_id)
        await self._is_job(job_id)
        self._submitted_at = float("-inf")
        if attempt.port is not None and self._announced is not None:
            self._announced.set_result(attempt.port)
        return True

    async def _unfinished(self, saved: dict[str, Any]) -> Attempt | None:
        if not saved.get("attempt") or not saved.get("api_token"):
            return None
        attempt = await site().ledger.run(service.find, saved["attempt"])
        done = attempt is None or attempt.state in (AttemptState.ENDED, AttemptState.STOPPING)
        return None if done else attempt

    async def _submit(self) -> None:
        """A row, then ``sbatch``, then the job's number; never a second job while it is open whether there is one."""
        here = site()
        account = _account(self.user.name, here.settings.login.os_group)
        request = options.parse(self.user_options or {}, here.settings.slurm)
        attempt = await here.ledger.run(
            service.begin,
            gateway=here.settings.spawn.gateway,
            person=self.user.name,
            server=self.name,
            request=request.model_dump(),
        )
        self.attempt = attempt.id
        self._save_state()
        env = self.get_env()
        try:
            text = script.render(
                request,
                user=self.user.name,
                server=self.name,
                attempt=attempt.id,
                home=Path(account.pw_dir),
                settings=here.settings,
                exported=env,
            )
            job_id = await here.slurm.submit(text, user=self.user.name, environment=env)
        except SlurmUnavailable as error:
            self.log.warning("%s: no answer to sbatch, so the queue is asked: %s", self._log_name, error)
            found = await self._find_job()
            if found is None:
                raise await self._refused(Facts(stage=Stage.SUBMIT, not_asked=True)) from error
            job_id = found
        except AtriumError as error:
            raise await self._refused(Facts(stage=Stage.SUBMIT, refusal=error.message)) from error
        await self._is_job(job_id)
        self.log.info("%s submitted as job %i", self._log_name, job_id)

    async def _is_job(self, job_id: int) -> None:
        """Write the job's number down at once: a Hub killed now finds its job again."""
        here = site()
        self.job_id = str(job_id)
        self._stage = Stage.WAITING
        self._submitted_at = time.monotonic()
        here.queue.watch(job_id, self._told)
        self._save_state()
        await here.ledger.note(service.submitted, self._row, job_id)

    async def _find_job(self) -> int | None:
        """Number of the job that says it is this attempt's, asked for until Slurm answers. None: there is none.

        ``sbatch`` may have been heard although its answer was not, so "none" takes two answers, some seconds apart.
        """
        here = site()
        gateway, wanted = here.settings.spawn.gateway, 2
        comment = script.comment(gateway, self.user.name, self.name, self._row)
        while wanted:
            try:
                jobs = await here.slurm.named_jobs(script.job_name(gateway), self.user.name)
            except SlurmError as error:
                self.log.warning("Jobs of %s could not be asked for, again in a moment: %s", self.user.name, error)
            else:
                found = [number for number, said in jobs.items() if said == comment]
                if found:
                    return max(found)
                wanted -= 1
            if wanted:
                await asyncio.sleep(here.settings.slurm.waiting_seconds)
        return None

    async def _until_announced(self) -> tuple[str, int]:
        """Wait, as long as it takes, for a node, and then not much longer for the server on it; its address."""
        here, deadline = site(), float("inf")
        assert self._announced is not None  # noqa: S101  start() made it
        while True:
            self._news.clear()
            job = await self._standing()
            if job is not None and job.is_over:
                await self._ended_early(job)  # raises, or has submitted again
                deadline = float("inf")
            elif job is not None and job.phase is Phase.RUNNING and job.node:
                if self._stage is Stage.WAITING:
                    await self._has_node(job)
                    deadline = time.monotonic() + here.settings.spawn.announce_seconds
                if self._announced.done():
                    return await here.slurm.node_address(job.node), self._announced.result()
            elif job is not None and job.phase is Phase.WAITING and self._stage is Stage.STARTING:
                await self._lost_node()
                deadline = float("inf")
            if time.monotonic() > deadline:
                raise await self._refused(Facts(stage=Stage.STARTING, job=job, silent=True))
            await self._wait_for_news(deadline)

    async def _wait_for_news(self, deadline: float) -> None:
        """Until the queue tells something new, the server announces itself, or it is time to look again."""
        here = site()
        news = asyncio.create_task(self._news.wait())
        waits: set[asyncio.Future[Any]] = {news}
        if self._announced is not None and not self._announced.done():
            waits.add(self._announced)
        longest = min(here.settings.slurm.idle_seconds, max(0.1, deadline - time.monotonic()))
        try:
            await asyncio.wait(waits, timeout=longest, return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()
        # It runs: no reason to wait for the queue's next turn. Slurm tells the node, not the server itself.
        announced = self._announced is not None and self._announced.done()
        if announced and await here.queue.fresh(time.monotonic()) is None:
            await asyncio.sleep(here.settings.slurm.waiting_seconds)

    async def _has_node(self, job: Job) -> None:
        self._stage, self._job_start = Stage.STARTING, job.start
        self._save_state()
        await site().ledger.note(service.started, self._row, node=job.node, ends=job.end)

    async def _lost_node(self) -> None:
        """The job was put back into the queue while its server was starting: it will announce itself anew."""
        self.log.warning("%s: job %s was put back into the queue", self._log_name, self.job_id)
        self._stage, self._announced = Stage.WAITING, asyncio.get_running_loop().create_future()
        self._requeues += 1
        await site().ledger.note(service.requeued, self._row)

    async def _ended_early(self, job: Job) -> None:
        """Say why the job is over; only a port that somebody else had is worth a second try."""
        verdict = await self._close(Facts(stage=self._stage, job=job))
        if verdict.ending is not Ending.PORT_TAKEN or self._tried_again:
            self._verdict = verdict
            raise StartFailed(verdict.message, verdict.hint, reason=verdict.ending)
        self.log.warning("%s: its port was taken, one more try", self._log_name)
        self._tried_again = True
        self._announced = asyncio.get_running_loop().create_future()
        await self._submit()

    async def _refused(self, facts: Facts) -> StartFailed:
        """The verdict on a start. It goes into the ledger now, or when the job that still lives is over (stop)."""
        if facts.job is None or facts.job.is_over:
            verdict = await self._close(facts)
        else:
            verdict = failures.diagnose(await self._investigated(facts))
        self._verdict = verdict
        return StartFailed(verdict.message, verdict.hint, reason=verdict.ending)

    # -- handshake (spawners/handshake.py) ------------------------------------------------------------------------

    @property
    def awaits_port(self) -> bool:
        """Whether a job of ours is on its way up and has not announced a port yet."""
        return bool(self.job_id) and self._announced is not None and not self._announced.done()

    def take_port(self, port: int) -> None:
        """Believe a port, once; the caller has asked :attr:`awaits_port` in the same breath."""
        if self._announced is not None:
            self._announced.set_result(port)
            restart.in_background(site().ledger.note(service.announced, self._row, port))

    def take_farewell(self, word: Farewell) -> None:
        """The server says that it goes: look at once, so that its address is nobody else's for long."""
        self._farewell = word
        restart.in_background(self._look_for_end())

    async def _look_for_end(self) -> None:
        for pause in _PAUSES[:-2]:
            await asyncio.sleep(pause)
            await site().queue.fresh(time.monotonic())
            if not self.job_id or self._asked_to_stop or await self.poll_and_notify() is not None:
                return

    # -- news from the queue --------------------------------------------------------------------------------------

    def _told(self, job: Job | None) -> None:
        """Called by the queue with something new of our job, and with None while it is not there."""
        self._absent = job is None
        if job is not None:
            self.seen = job
        self._news.set()
        if self._stage is Stage.RUNNING and not self._asked_to_stop and not self.requeued:
            if job is not None and self._starts_again(job):
                restart.in_background(self._follow_requeued())
            elif job is None or job.is_over:
                restart.in_background(self.poll_and_notify())

    def _starts_again(self, job: Job) -> bool:
        """Whether a job whose server was ready waits for, or got, another node."""
        moved = job.start is not None and self._job_start is not None and job.start > self._job_start
        return job.phase is Phase.WAITING or (job.phase is Phase.RUNNING and moved)

    async def _follow_requeued(self) -> None:
        """Take the old address away, then wait for the same job as for a new one."""
        self.log.warning("%s: job %s was put back into the queue; following it", self._log_name, self.job_id)
        self.requeued = self.will_resume = True
        await site().ledger.note(service.requeued, self._row)
        await self.poll_and_notify()
        restart.resume(self.user, self.name)

    def is_kept(self) -> None:
        """After a restart of the Hub: the server was ready before, and is until Slurm says otherwise."""
        self._stage = Stage.RUNNING
        site().queue.watch(int(self.job_id), self._told)

    def is_stopping(self) -> None:
        """After a restart of the Hub: somebody had asked for its end."""
        self._stage, self._asked_to_stop = Stage.RUNNING, True

    async def _standing(self) -> Job | None:
        """The job now; None when Slurm could not be asked, or knows nothing of it yet."""
        here = site()
        oldest = max(self._submitted_at, time.monotonic() - 2 * here.settings.slurm.idle_seconds)
        snapshot = await here.queue.fresh(oldest)
        if snapshot is None:
            return None
        job = snapshot.jobs.get(int(self.job_id))
        if job is None:
            # Not in the queue: only the controller's or the accounts' own word makes it "ended".
            try:
                job = await here.slurm.job(int(self.job_id))
            except SlurmError as error:
                self.log.warning("Job %s is not in the queue, and why could not be asked: %s", self.job_id, error)
                return None
        if job is not None:
            self.seen = job
        return job

    # -- poll and stop --------------------------------------------------------------------------------------------

    async def poll(self) -> int | None:
        """None while the job lives or nothing can be told; 1 when Slurm says it is over. Never raises:
        JupyterHub would take an error at its start for a dead server."""
        if self.requeued or (self.attempt is None and not self.job_id):
            return 1
        if not self.job_id:
            return None  # sbatch may be on its way
        try:
            job = await self._standing()
            if job is None or not job.is_over:
                return None
            await self._close(Facts(stage=self._stage, job=job))
        except Exception:
            self.log.exception("Job %s could not be looked at; taken as running", self.job_id)
            return None
        self.clear_state()
        return 1

    async def stop(self, now: bool = False) -> None:
        """Ask the server to end, cancel its job if it does not, and wait until Slurm says that it is over, for as long
        as that takes: the server is "stopping" until then."""
        self._asked_to_stop = True
        if self._submission is not None:
            with suppress(Exception):
                await self._submission
        if self.attempt is not None and not self.job_id and (found := await self._find_job()) is not None:
            await self._is_job(found)
        if self.attempt is not None:
            await site().ledger.note(service.stopping, self.attempt)
        job = await self._end_job() if self.job_id else None
        if self.attempt is not None:
            await self._close(Facts(stage=self._stage, job=job))

    async def _end_job(self) -> Job | None:
        """The job once it is over; None when Slurm does not know it any more."""
        if self._stage is Stage.RUNNING and await self._say_goodbye():
            with suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE_SECONDS):
                    return await self._over()
        for pause in _ever_longer():
            try:
                await site().slurm.cancel(int(self.job_id), user=self.user.name)
                async with asyncio.timeout(max(5.0, pause)):
                    return await self._over()
            except (SlurmError, TimeoutError) as error:
                self.log.warning("Job %s does not end yet, trying again: %s", self.job_id, error)
            await asyncio.sleep(pause)
        raise AssertionError("unreachable")

    async def _over(self) -> Job | None:
        for pause in _ever_longer():
            job = await site().slurm.job(int(self.job_id))
            if job is None or job.phase is Phase.ENDED:
                return job
            await asyncio.sleep(min(pause, 2.0))
        raise AssertionError("unreachable")

    async def _say_goodbye(self) -> bool:
        """Ask the server itself to end, so that kernels end in order and files are written; whether it heard."""
        settings = self.user.settings
        if self.server is None or not self.api_token:
            return False
        verify: Any = True
        if self.internal_ssl:
            verify = make_ssl_context(
                settings["internal_ssl_key"], settings["internal_ssl_cert"], cafile=settings["internal_ssl_ca"]
            )
        try:
            async with httpx.AsyncClient(timeout=5, verify=verify, trust_env=False) as client:
                headers = {"Authorization": f"token {self.api_token}"}
                answer = await client.post(f"{self.server.url}api/shutdown", headers=headers)
            return answer.is_success
        except httpx.HTTPError as error:
            self.log.info("%s did not hear that it shall end (%s); its job is cancelled", self._log_name, error)
            return False

    async def _close(self, facts: Facts) -> Verdict:
        """Write down that the attempt is over, and why: by the verdict there is, or by one on everything known now."""
        facts = await self._investigated(facts)
        verdict = self._verdict or failures.diagnose(facts)
        job = facts.job
        if job is not None:
            site().queue.unwatch(job.id)
            self.log.info("%s is over: job %i, %s: %s", self._log_name, job.id, job.state, verdict.message)
        if self.attempt is not None:
            await site().ledger.note(service.ended, self.attempt, verdict, job, facts.log_tail)
        return verdict

    async def _investigated(self, facts: Facts) -> Facts:
        """With what the job wrote and how it ended: nothing else has happened to a server that was asked to stop."""
        known = replace(
            facts,
            farewell=self._farewell,
            asked_to_stop=self._asked_to_stop,
            request=self.user_options or {},
            uid=_uid(self.user.name),
        )
        if facts.job is None or self._asked_to_stop:
            return known
        return replace(known, job=await self._with_exit_code(facts.job), log_tail=await self._log_tail())

    async def _with_exit_code(self, job: Job) -> Job:
        """Only accounting knows it, and learns it a moment after the end."""
        for pause in (0.0, 0.3, 0.7):
            await asyncio.sleep(pause)
            try:
                past = await site().slurm.past_job(job.id)
            except SlurmError:
                return job
            if past is not None and past.is_over:
                return past
        return job

    async def _log_tail(self) -> str:
        try:
            return await site().slurm.job_log(self.name, user=self.user.name)
        except SlurmError as error:
            self.log.info("What job %s wrote could not be read: %s", self.job_id, error)
            return ""

    # -- progress -------------------------------------------------------------------------------------------------

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """Words for the waiting page, each once."""
        last: dict[str, Any] = {}
        while True:
            event = progress.event(self.standing())
            if event != last:
                yield event
                last = event
            await asyncio.sleep(1)

    def standing(self) -> Standing:
        """How far it is, for :mod:`spawners.progress`."""
        queue = site().queue
        since = queue.silent_since
        return Standing(
            state=AttemptState.STOPPING if self._asked_to_stop else _STATES[self._stage],
            job_id=int(self.job_id) if self.job_id else None,
            job=self.seen,
            place=queue.place(self.seen) if self.seen is not None else None,
            partition=(self.user_options or {}).get("partition", ""),
            retries=int(self._tried_again),
            requeues=self._requeues,
            silent_since=None if since is None else datetime.fromtimestamp(since, UTC),
        )


def _ever_longer() -> Iterator[float]:
    """Seconds between tries: short at first, half a minute for ever."""
    yield from _PAUSES
    yield from repeat(_PAUSES[-1])


def _uid(user: str) -> int | None:
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        return None


def _account(user: str, group: str) -> pwd.struct_passwd:
    """The person's OS account; raises :class:`NotAllowed` for names and accounts no job may run as."""
    if not USER_NAME.match(user):
        raise NotAllowed("Your user name cannot be used on this machine.", hint="Ask an administrator.")
    try:
        account = pwd.getpwnam(user)
        members = grp.getgrnam(group)
    except KeyError as error:
        raise NotAllowed("You have no account on this machine yet.", hint="Ask an administrator.") from error
    if account.pw_uid < 1000 or (user not in members.gr_mem and account.pw_gid != members.gr_gid):
        raise NotAllowed("Your account may not run notebooks here.", hint="Ask an administrator.")
    return account


__all__ = ["AtriumSpawner", "Site", "StartFailed", "site"]
