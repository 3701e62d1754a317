"""The spawner: connects JupyterHub's calls with the job of a server (spawners/job/server_job.py)."""

from __future__ import annotations

import asyncio
import grp
import pwd
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from batchspawner import SlurmSpawner
from jupyterhub.spawner import SpawnException
from traitlets import List, Unicode

from hub import api_token
from hub.errors import AtriumError, InvalidInput, NotAllowed
from hub.identity.models import USER_NAME
from hub.servers.models import Attempt, AttemptState, Ending
from hub.slurm import naming
from hub.slurm.cluster import Trial
from hub.slurm.jobs import Job
from hub.slurm.naming import JobComment
from spawners import handshake, notebook_token
from spawners.job import progress, recovery, script
from spawners.job import request as options
from spawners.job.diagnosis import Farewell
from spawners.job.reconciliation import HubRecord, row_of
from spawners.job.server_job import Ended, ServerJob
from spawners.job.site import site
from spawners.options import api
from spawners.options import page as spawn_page
from spawners.pages import history, relaunch
from spawners.tls import Certificates

REPEAT_SECONDS = 3.0
"""How often the waiting page is told the same again (hub/pages/static/waiting.js listens for it)."""

# Variables of the Hub that a server keeps: the closed list that sudoers lets through (deploy/sudoers).
_EXPORTED = re.compile(r"(JUPYTERHUB_|ATRIUM_)[A-Z0-9_]+\Z|(LANG|SLURM_CONF)\Z")

history.install()
spawn_page.install()
relaunch.install()
handshake.install()
api.install()


class StartFailed(SpawnException):
    """An Atrium error as JupyterHub shows it to the person: what happened and what to do."""

    def __init__(self, message: str, hint: str = "", *, reason: str = "refused", status: int = 502) -> None:
        text = f"{message} {hint}".strip()
        super().__init__(text, reason=reason, status_code=status)
        self.jupyterhub_message = text  # shown on the spawn page; str() of the base class is for logs

    @classmethod
    def because(cls, error: AtriumError) -> StartFailed:
        return cls(error.message, error.hint, reason=type(error).__name__, status=error.status)


class AtriumSpawner(Certificates, SlurmSpawner):
    """A user's server as a job of that user.

    State (job id), traits and environment come from batchspawner; commands, handshake and parsing of options are
    Atrium's (see spawners/README.md).
    """

    notebook_token_scopes = List(Unicode(), help="Scopes of the token that notebooks get.").tag(config=True)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.job: ServerJob | None = None
        """The job that is on its way or runs."""
        self._saved: dict[str, Any] = {}
        """What a Hub before us knew of it."""
        self._submission: asyncio.Task[None] | None = None
        self._notebook_token: int | None = None
        """Number of the row of the token that notebooks have."""
        self.requeued = False
        """Slurm took the node away and put the job back: this object gives way to one that follows the job."""
        super().__init__(*args, **kwargs)

    @property
    def latest_job(self) -> Job | None:
        """The job as last listed by Slurm; pages read this."""
        return self.job.latest_job if self.job is not None else None

    @property
    def os_account(self) -> str:
        """The OS account that a new job runs as; it has the Hub user's name."""
        return str(self.user.name)

    @property
    def attempt(self) -> int | None:
        """Number of the ledger's row, also of an attempt from before a restart of the Hub."""
        return self.job.attempt if self.job is not None else self._saved.get("attempt")

    # -- options --------------------------------------------------------------------------------------------------

    async def _form(self, _spawner: object) -> str:
        return await spawn_page.fields(self)

    def _options_form_default(self) -> Callable[[object], Awaitable[str]]:
        return self._form

    def _options_from_form_default(self) -> Callable[[dict[str, list[str]]], Awaitable[dict[str, Any]]]:
        return self._checked_form

    async def _checked_form(self, form: dict[str, list[str]]) -> dict[str, Any]:
        try:
            return (await spawn_page.accepted(self.user.name, options.from_form(form))).model_dump()
        except InvalidInput as error:
            raise StartFailed.because(error) from error

    def options_from_query(self, _query: dict[str, list[str]]) -> dict[str, Any]:
        """A link may bring a person to the form (spawners/options/page.py); it never starts anything."""
        raise StartFailed("A link cannot start a notebook.", "Choose, and press Start notebook.", status=422)

    async def trial(self, request: options.SpawnRequest) -> Trial:
        """Where and when this server would start with ``request``, by ``sbatch --test-only`` as the person."""
        environment = self.get_env()
        comment = naming.server_comment(site().settings.spawn.gateway, self.user.name, self.name)
        script_text = self._script(request)(comment)
        return await site().slurm.trial(script_text, user=self.os_account, environment=environment)

    def _script(self, request: options.SpawnRequest, dask_partition: str = "") -> Callable[[JobComment], str]:
        """The job script as a function of the comment; raises :class:`NotAllowed` for system accounts."""
        settings = site().settings
        account = _account(self.os_account, settings.login.os_group)
        return partial(
            _rendered,
            request,
            home=Path(account.pw_dir),
            settings=settings,
            dask_partition=dask_partition or settings.slurm.dask_partition,
        )

    # -- state and environment ------------------------------------------------------------------------------------

    def get_state(self) -> dict[str, Any]:
        """State that a restarted Hub needs to find the job. It includes the server's token, which only the server has
        otherwise; only the Hub's account can read the Hub's database."""
        state: dict[str, Any] = super().get_state()
        if self.job is not None and self.job.attempt is not None:
            state |= {"attempt": self.job.attempt, "api_token": self.api_token}
            state |= {"notebook_token": self._notebook_token}
            # Enough to rebuild the ledger's row after its database was restored (spawners/job/reconciliation.py).
            state |= {"nonce": self.job.nonce, "os_account": self.job.os_account, "port": self.job.port}
            if self.job.began is not None:
                state["began"] = self.job.began.isoformat()
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state(state)
        self._saved = dict(state)
        self.api_token = state.get("api_token", "")
        self._notebook_token = state.get("notebook_token")

    def clear_state(self) -> None:
        if self.requeued:
            return  # JupyterHub ends this server object; the job continues
        if self.job is not None:
            self.job.forget()
            self._revoke_notebook_token()
        super().clear_state()
        self.job, self._saved = None, {}

    def _revoke_notebook_token(self) -> None:
        number, self._notebook_token = self._notebook_token, None
        if number is not None:
            notebook_token.revoke(self.user, number)

    def _save_state(self) -> None:
        """Commit at once, because JupyterHub commits only when a start has succeeded."""
        self.job_id = str(self.job.number or "") if self.job is not None else ""
        self.orm_spawner.state = self.get_state()
        self.user.db.commit()

    def _apply_user_options_default(self) -> Callable[[object, dict[str, Any]], None]:
        """Do nothing: options go into the job script (spawners/job/script.py), not onto the spawner."""
        return lambda _spawner, _options: None

    def get_env(self) -> dict[str, str]:
        """Variables of the job, a closed list; HOME, USER and SHELL come from sudo, PATH from the script."""
        settings = site().settings
        env = {
            **super().get_env(),
            **self.tls_environment(),
            "ATRIUM_API_URL": settings.api_url,
            "ATRIUM_SITE_NAME": settings.site.name,
            "ATRIUM_HUB_URL": f"{settings.site.public_url}/hub/",
            "ATRIUM_DASHBOARDS_URL": settings.service_url("dashboards"),
            "ATRIUM_REPORT_URL": settings.site.report_url,
            "ATRIUM_SERVER_NAME": self.name,
            "ATRIUM_UNREACHABLE_SECONDS": str(settings.spawn.unreachable_seconds),
            "ATRIUM_IDLE_MINUTES": str(self._idle_minutes()),
            "ATRIUM_IDLE_WARNING_MINUTES": str(settings.spawn.idle_warning_minutes),
        }
        if settings.slurm.conf is not None:
            env["SLURM_CONF"] = str(settings.slurm.conf)
        return {name: value for name, value in env.items() if _EXPORTED.match(name)}

    def _idle_minutes(self) -> float:
        spawn, chosen = site().settings.spawn, (self.user_options or {}).get("profile")
        own = next((profile.idle_minutes for profile in spawn.profiles if profile.name == chosen), None)
        return own or spawn.idle_minutes

    # -- start ----------------------------------------------------------------------------------------------------

    async def start(self) -> tuple[str, int]:
        """Submit a job, or resume one from before a restart of the Hub; wait for the node and the server's port.

        Returns the address, or raises.
        """
        local = site().settings.hub.host == "127.0.0.1"
        self.ip = "127.0.0.1" if local else "0.0.0.0"  # noqa: S104  nodes are not public
        self.port = 0
        try:
            unfinished = await self._unfinished()
            try:
                self.ip, self.port = await self._run(unfinished)
            except Ended as ended:
                if ended.verdict.ending is not Ending.PORT_TAKEN or not ended.job_is_over:
                    raise  # a job that still runs is ended by JupyterHub's stop; a second one would forget it
                self.log.warning("%s: its port was taken, one more try", self._log_name)
                self.ip, self.port = await self._run(None)
        except Ended as ended:
            raise StartFailed(ended.message, ended.hint, reason=ended.verdict.ending) from ended
        except AtriumError as error:
            raise StartFailed.because(error) from error
        self.log.info("%s runs as job %s at %s:%i", self._log_name, self.job_id, self.ip, self.port)
        return self.ip, self.port

    async def _run(self, unfinished: Attempt | None) -> tuple[str, int]:
        self.job = job = self._new_job()
        self._submission = asyncio.create_task(self._submit(job) if unfinished is None else job.take_up(unfinished))
        # Shielded: a cancelled start must not lose the job number that sbatch is about to print.
        await asyncio.shield(self._submission)
        return await job.until_announced()

    def _new_job(self) -> ServerJob:
        return ServerJob(
            site(),
            user=self.user.name,
            os_account=self.os_account,
            server=self.name,
            request=self.user_options or {},
            save=self._save_state,
            on_leaving=self._close_route,
            on_over=self._end_if_over,
            on_pause=self._change_route,
            on_requeue=self._follow_requeued,
            on_stuck=partial(recovery.stopped, self.user, self.name),
        )

    async def _unfinished(self) -> Attempt | None:
        """The unfinished attempt from before a restart of the Hub; its server still uses the token of that time."""
        saved = self.orm_spawner.state or {}
        self._notebook_token = saved.get("notebook_token")
        if not saved.get("attempt") or not saved.get("api_token"):
            return None
        attempt = await row_of(site(), self._record(saved))
        if attempt is None or attempt.state in (AttemptState.ENDED, AttemptState.STOPPING):
            return None
        self.api_token = saved["api_token"]
        return attempt

    def _record(self, state: Mapping[str, Any]) -> HubRecord:
        began = state.get("began")
        return HubRecord(
            user=self.user.name,
            server=self.name,
            os_account=state.get("os_account") or self.os_account,
            attempt=state["attempt"],
            nonce=state.get("nonce", ""),
            job_id=int(state["job_id"]) if state.get("job_id") else None,
            port=state.get("port"),
            began=datetime.fromisoformat(began) if began else None,
            request=self.orm_spawner.user_options or {},
        )

    @property
    def was_ready(self) -> bool:
        """Whether the Hub's own state says that the server was ready; states of earlier versions do not tell."""
        return "port" not in self._saved or self._saved["port"] is not None

    async def row(self) -> Attempt | None:
        """The ledger's row of the attempt from before a restart of the Hub; rebuilt if the ledger is older.

        :raises LedgerUnavailable: the ledger does not answer.
        :raises SlurmError: the row is missing or older, and Slurm does not answer.
        """
        if self._saved.get("attempt") is None:
            return None
        row = await row_of(site(), self._record(self._saved))
        if row is not None:
            current = {"attempt": row.id, "nonce": row.nonce, "os_account": row.os_account}
            self._saved |= current
            self.orm_spawner.state = {**(self.orm_spawner.state or {}), **current}
            self.user.db.commit()
        return row

    async def _submit(self, job: ServerJob) -> None:
        request = await spawn_page.accepted(self.user.name, self.user_options or {})
        render = self._script(request, await spawn_page.dask_partition(self.user.name, request))
        job.request = request.model_dump()
        environment = {**self.get_env(), api_token.VARIABLE: self._new_notebook_token(60 * request.minutes)}
        await job.submit(render, environment)

    def _new_notebook_token(self, seconds: float) -> str:
        """Revoke the token of an attempt before, and issue one for a job of ``seconds`` that may wait for its start."""
        self._revoke_notebook_token()
        planned = self.start_timeout + seconds
        self._notebook_token, token = notebook_token.issue(self.user, self.name, self.notebook_token_scopes, planned)
        return token

    async def _close_route(self) -> None:
        """Remove the route of a ready server that ends; until its job has ended, pages say that it is stopping."""
        if self.server is None or self._stop_pending:
            return  # no route, or JupyterHub has removed it
        self._stop_pending = True  # JupyterHub would restore the route of a server that is ready
        await self.user.settings["proxy"].delete_user(self.user, self.name)
        self._callbacks.clear()  # JupyterHub's own would remove the route once more, and log an error
        self.add_poll_callback(self.user.stop, self.name)

    async def _follow_requeued(self) -> None:
        """Remove the old route, then wait for the requeued job as for a new one."""
        self.requeued = self.will_resume = True
        await self.poll_and_notify()
        recovery.resume(self.user, self.name)

    # -- requests of the server (spawners/handshake.py) -------------------------------------------------------------

    @property
    def awaits_port(self) -> bool:
        """Whether the job is starting and has not announced a port yet."""
        return self.job is not None and self.job.awaits_port

    def has_port(self, port: int) -> bool:
        """Whether the server has announced this port, before or after a restart of the Hub."""
        before = self.server is not None and self.server.port == port
        return self.job is not None and (before or self.job.has_port(port))

    def take_port(self, port: int) -> None:
        """Accept a port, once; the caller checks :attr:`awaits_port` right before."""
        if self.job is not None:
            self.job.take_port(port)

    async def take_farewell(self, word: Farewell) -> None:
        """Note that the server ends, remove its route, and check its job."""
        if self.job is not None:
            await self.job.take_farewell(word)

    # -- poll and stop --------------------------------------------------------------------------------------------

    def is_kept(self, row: Attempt | None, *, stopping: bool = False) -> None:
        """Keep a server that was ready before a restart of the Hub, until Slurm says that its job has ended.

        :param row: row of the attempt; None: it could not be read.
        :param stopping: whether its stop had been requested.
        """
        self.job = self._new_job()
        self.job.stop_requested = stopping
        began = self._saved.get("began")
        self.job.keep(
            self._saved["attempt"],
            row,
            int(self.job_id) if self.job_id else None,
            datetime.fromisoformat(began) if began else None,
            self._saved.get("port"),
        )

    async def poll(self) -> int | None:
        """1 if the job has ended according to Slurm; None if it runs, or if that is not known.

        Answered from memory, because pages wait for it; the queue reports an end (:meth:`_end_if_over`).
        """
        if self.requeued or self.job is None:
            return 1
        if self.job.attempt is None:
            return None if self._submission is not None and not self._submission.done() else 1
        return None

    async def _end_if_over(self) -> None:
        """Ask Slurm about a job that the queue shows as ended, or no longer lists."""
        job = self.job
        try:
            is_over = job is not None and await job.is_over()
        except Exception:
            self.log.exception("Job %s could not be looked at; taken as running", self.job_id)
            return
        if is_over and job is self.job:
            self.clear_state()
        await self.poll_and_notify()

    @property
    def paused(self) -> bool:
        """Whether the cluster has paused the job of the ready server."""
        return self.job is not None and self.job.paused

    async def _change_route(self) -> None:
        """Let the Hub answer at the address of a paused server, or the server again (``spawners/proxy.py``)."""
        if self.ready:
            await self.user.settings["proxy"].add_user(self.user, self.name)

    async def stop(self, now: bool = False) -> None:
        """End the server and wait until Slurm says that its job has ended."""
        if self._submission is not None:
            with suppress(Exception):
                await self._submission
        if self.job is not None:
            await self.job.end()

    # -- progress -------------------------------------------------------------------------------------------------

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """Progress events for the waiting page: at each change, and regularly so that it detects dead streams."""
        last: dict[str, Any] = {}
        sent = float("-inf")
        while True:
            if self.job is not None:
                event, now = progress.event(self.job.standing()), time.monotonic()
                if event != last or now - sent >= REPEAT_SECONDS:
                    yield event
                    last, sent = event, now
            await asyncio.sleep(1)


def _rendered(request: options.SpawnRequest, comment: JobComment, **values: Any) -> str:
    return script.render(request, comment=comment, **values)


def _account(name: str, group: str) -> pwd.struct_passwd:
    """The OS account of this name; raises :class:`NotAllowed` if no job may run as it."""
    if not USER_NAME.match(name):
        raise NotAllowed("Your user name cannot be used on this machine.", hint="Ask an administrator.")
    try:
        account = pwd.getpwnam(name)
        members = grp.getgrnam(group)
    except KeyError as error:
        raise NotAllowed("You have no account on this machine yet.", hint="Ask an administrator.") from error
    if account.pw_uid < 1000 or (name not in members.gr_mem and account.pw_gid != members.gr_gid):
        raise NotAllowed("Your account may not run notebooks here.", hint="Ask an administrator.")
    return account
