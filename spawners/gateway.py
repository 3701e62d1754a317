"""The spawner: glue between JupyterHub's calls, a job on Slurm and the one queue everybody shares."""

from __future__ import annotations

import asyncio
import grp
import pwd
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from batchspawner import SlurmSpawner
from jupyterhub.spawner import SpawnException
from jupyterhub.utils import exponential_backoff
from traitlets import Float

from hub.errors import AtriumError, InvalidInput, NotAllowed, SlurmError
from hub.identity.models import NAME
from hub.settings import Settings, load
from hub.slurm.client import SlurmClient
from hub.slurm.jobs import Job, Phase
from hub.slurm.queue import QueueWatcher
from spawners import handshake, options, progress, rest, script

USER_NAME = re.compile(NAME + r"\Z")
# What a server keeps of the Hub's variables: the closed list that sudoers lets through (deploy/sudoers).
_EXPORTED = re.compile(r"(JUPYTERHUB_|ATRIUM_)[A-Z0-9_]+\Z|(LANG|SLURM_CONF)\Z")

handshake.install()
rest.install()


class StartFailed(SpawnException):
    """An error of ours as JupyterHub shows it to the person: the sentence, and what to do next."""

    def __init__(self, error: AtriumError) -> None:
        text = f"{progress.explain(error.message)} {error.hint}".strip()
        super().__init__(text, reason=type(error).__name__, status_code=error.status)
        self.jupyterhub_message = text  # what the spawn page shows; str() of the base class is for logs


@lru_cache(maxsize=1)
def site() -> tuple[Settings, SlurmClient, QueueWatcher]:
    """One client and one queue for all spawners of this Hub."""
    settings = load()
    client = SlurmClient(settings.slurm)
    return settings, client, QueueWatcher(client, settings.slurm.queue_seconds)


class AtriumSpawner(SlurmSpawner):
    """A user's server as a job of that user.

    Of batchspawner it keeps the state (job id), the traits and the environment; commands, handshake and the
    reading of options are Atrium's (see spawners/README.md).
    """

    announce_seconds = Float(
        180.0, config=True, help="How long a server may take from the start of its job until it announces its port."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._port_taken: asyncio.Future[int] | None = None
        self._submitted_at = float("-inf")
        self.seen: Job | None = None
        """The job as the queue last told it (progress reads it)."""

    # -- options --------------------------------------------------------------------------------------------------

    async def _form(self, _spawner: object) -> str:
        settings, slurm, _ = site()
        try:
            accounts = await slurm.accounts_of(self.user.name)
        except SlurmError as error:
            self.log.warning("Projects of %s could not be read: %s", self.user.name, error)
            accounts = [settings.slurm.default_account]
        return options.form_html(accounts, self.orm_spawner.user_options or {}, settings.slurm)

    def _options_form_default(self) -> Callable[[object], Awaitable[str]]:
        return self._form

    def _options_from_form_default(self) -> Callable[[dict[str, list[str]]], dict[str, Any]]:
        return self._checked_form

    def _checked_form(self, form: dict[str, list[str]]) -> dict[str, Any]:
        try:
            return options.parse(options.from_form(form), site()[0].slurm).model_dump()
        except InvalidInput as error:
            raise StartFailed(error) from error

    def options_from_query(self, _query: dict[str, list[str]]) -> dict[str, Any]:
        """A link may bring a person to the form; it never starts anything."""
        raise StartFailed(InvalidInput("A link cannot start a notebook.", hint="Choose, and press Start notebook."))

    # -- environment ----------------------------------------------------------------------------------------------

    def get_env(self) -> dict[str, str]:
        """The closed list of variables a job gets; HOME, USER and SHELL come from sudo, PATH from the script."""
        settings = site()[0]
        env = {
            **super().get_env(),
            "ATRIUM_API_URL": settings.api_url,
            "ATRIUM_SITE_NAME": settings.site.name,
            "ATRIUM_HUB_URL": f"{settings.site.public_url}/hub/",
            "ATRIUM_DASHBOARDS_URL": settings.service_url("dashboards"),
        }
        if settings.slurm.conf is not None:
            env["SLURM_CONF"] = str(settings.slurm.conf)
        return {name: value for name, value in env.items() if _EXPORTED.match(name)}

    # -- start ----------------------------------------------------------------------------------------------------

    async def start(self) -> tuple[str, int]:
        """Submit, wait for the node and for the server's port. Ends only with an address or an error."""
        settings, slurm, _ = site()
        self.seen = None
        self.ip = "127.0.0.1" if settings.hub.host == "127.0.0.1" else "0.0.0.0"  # noqa: S104  nodes are not public
        self.port = 0
        port_taken = self._port_taken = asyncio.get_running_loop().create_future()
        try:
            account = _account(self.user.name, settings.login.os_group)
            request = options.parse(self.user_options or {}, settings.slurm)
            env = self.get_env()
            text = script.render(
                request,
                user=self.user.name,
                server=self.name,
                home=Path(account.pw_dir),
                paths=settings.paths,
                slurm=settings.slurm,
                exported=env,
            )
            self._remember(await slurm.submit(text, user=self.user.name, environment=env))
            node = await self._wait_for_node()
            self.ip = await slurm.node_address(node)
            self.port = await self._wait_for_port(port_taken)
        except AtriumError as error:
            raise StartFailed(error) from error
        finally:
            self._port_taken = None
        self.log.info("%s runs as job %s at %s:%i", self._log_name, self.job_id, self.ip, self.port)
        return self.ip, self.port

    def _remember(self, job_id: int) -> None:
        """Commit the job's number at once: a Hub killed now finds its job again."""
        self.job_id = str(job_id)
        self._submitted_at = time.monotonic()
        self.orm_spawner.state = self.get_state()
        self.db.commit()
        self.log.info("%s submitted as job %i", self._log_name, job_id)

    async def _wait_for_node(self) -> str:
        """Wait, as long as it takes, for Slurm to start the job; its first node."""
        while True:
            job = await self._look()
            if job is not None and job.phase is Phase.RUNNING and job.node:
                return job.node
            if job is not None and job.is_over:
                raise self._ended(job)
            await asyncio.sleep(site()[0].slurm.queue_seconds / 4)

    async def _wait_for_port(self, port_taken: asyncio.Future[int]) -> int:
        """Wait for the server's own announcement, watching that its job lives meanwhile."""
        deadline = time.monotonic() + self.announce_seconds
        while time.monotonic() < deadline:
            done, _ = await asyncio.wait([port_taken], timeout=site()[0].slurm.queue_seconds)
            if done:
                return port_taken.result()
            job = await self._look()
            if job is not None and job.is_over:
                raise self._ended(job)
        raise SlurmError(
            f"The job started, but its server did not report within {self.announce_seconds:.0f} s.",
            hint=f"The end of ~/{script.log_name(self.name)} says why.",
        )

    def _ended(self, job: Job) -> SlurmError:
        return SlurmError(
            f"The job ended before its server was ready ({progress.state(job)}).",
            hint=f"The end of ~/{script.log_name(self.name)} says why.",
        )

    # -- handshake (spawners/handshake.py) ------------------------------------------------------------------------

    @property
    def awaits_port(self) -> bool:
        """Whether a job of ours is on its way up and has not announced a port yet."""
        return bool(self.job_id) and self._port_taken is not None and not self._port_taken.done()

    def take_port(self, port: int) -> None:
        """Believe a port, once; the caller has asked :attr:`awaits_port` in the same breath."""
        if self._port_taken is not None:
            self._port_taken.set_result(port)

    # -- poll and stop --------------------------------------------------------------------------------------------

    async def _look(self) -> Job | None:
        """The job now; None when Slurm could not be asked, or knows nothing of it yet."""
        _, slurm, queue = site()
        snapshot = await queue.fresh()
        if snapshot is None:
            return None
        job = snapshot.jobs.get(int(self.job_id))
        if job is None and snapshot.asked_at > self._submitted_at:
            # Not in the queue: only the controller's or the accounts' own word makes it "ended".
            try:
                job = await slurm.job(int(self.job_id))
            except SlurmError as error:
                self.log.warning("Job %s is not in the queue, and why could not be asked: %s", self.job_id, error)
                return None
        if job is not None:
            self.seen = job
        return job

    async def poll(self) -> int | None:
        """None while the job lives or nothing can be told; 1 when Slurm says it is over. Never raises:
        JupyterHub would take an error at its start for a dead server."""
        if not self.job_id:
            return 1
        try:
            job = await self._look()
        except Exception:
            self.log.exception("Job %s could not be looked at; taken as running", self.job_id)
            return None
        if job is None or not job.is_over:
            return None
        self.log.info("%s is over: job %s %s", self._log_name, self.job_id, progress.state(job))
        self.clear_state()
        return 1

    async def stop(self, now: bool = False) -> None:
        """Cancel the job and wait until Slurm says it is over; raises when it cannot be cancelled."""
        if not self.job_id:
            return
        slurm = site()[1]
        await slurm.cancel(int(self.job_id), user=self.user.name)
        if not now:
            await exponential_backoff(
                self._is_over, f"Job {self.job_id} does not end", timeout=60, start_wait=0.1, max_wait=1
            )

    async def _is_over(self) -> bool:
        job = await site()[1].job(int(self.job_id))
        return job is None or job.is_over

    # -- progress -------------------------------------------------------------------------------------------------

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """Words for the waiting page, each once."""
        last: dict[str, Any] = {}
        while True:
            event = progress.event(self.job_id, self.seen)
            if event != last:
                yield event
                last = event
            await asyncio.sleep(1)


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
