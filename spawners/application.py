"""The Hub application: JupyterHub that restores servers from the ledger and Slurm after a restart.

The stock Hub asks each server once, within a minute, cancels those that do not answer, and cancels starts that were
on their way. Ours asks the ledger: what was starting goes on, what was stopping is stopped, what was ready is kept.
``python -m spawners.application -f jupyterhub_config.py``
"""

from __future__ import annotations

from datetime import UTC, datetime
from operator import not_
from types import SimpleNamespace
from typing import Any

from jupyterhub import orm
from jupyterhub.app import JupyterHub
from sqlalchemy.orm import selectinload
from tenacity import AsyncRetrying, retry_if_result, wait_fixed

from hub.errors import SlurmError
from hub.identity.models import USER_NAME
from hub.pages import hosts
from hub.servers.models import AttemptState
from hub.settings import load
from spawners.job import orphans, recovery
from spawners.job.background import in_background
from spawners.job.ledger import LedgerUnavailable
from spawners.job.orphans import Followed
from spawners.job.site import site

LEDGER_SECONDS = 5.0
"""How often a ledger that does not answer is asked again."""


class AtriumHub(JupyterHub):
    """The Hub of a deployment."""

    name = "jupyterhub"

    async def init_groups(self) -> None:
        """Load the groups of the settings. JupyterHub itself only adds members: who is no longer named would stay."""
        for name, content in self.load_groups.items():
            group = orm.Group.find(self.db, name)
            members = {self.authenticator.normalize_username(member) for member in content["users"]}
            for user in [] if group is None else [user for user in group.users if user.name not in members]:
                self.log.warning("%s leaves the group %s: the settings do not name them", user.name, name)
                group.users.remove(user)
        await super().init_groups()

    async def init_spawners(self) -> int:
        """Resume every server in the state that the ledger has, without waiting for it; returns their number."""
        here = site()
        known = list(
            self.db.query(orm.Spawner)
            .filter(orm.Spawner.server != None)  # noqa: E711  SQL
            .options(selectinload(orm.Spawner.user), selectinload(orm.Spawner.user, orm.User._orm_spawners))
            .populate_existing()
        )
        for entry in known:  # before the first await, so that pages say "starting" and not "not running"
            self.users[entry.user].spawners[entry.name]._check_pending = True
        answers = True
        for entry in known:
            user = self.users[entry.user]
            answers = answers and await self._taken_up(user, entry.name)
            if not answers:  # the start does not wait for the database
                in_background(self._take_up_in_the_end(user, entry.name))
        here.strays.unchecked = True
        in_background(here.queue.run())
        in_background(orphans.sweep_for_ever(here, self._followed))
        return len(known)

    def _followed(self) -> Followed:
        """The attempts and jobs of all servers of this Hub, also of those that are not taken up yet."""
        states: list[dict[str, Any]] = []
        for user in self.users.values():
            for spawner in user.spawners.values():
                states += [spawner.orm_spawner.state or {}, {"attempt": spawner.attempt, "job_id": spawner.job_id}]
        return Followed(
            attempts=frozenset(state["attempt"] for state in states if state.get("attempt")),
            jobs=frozenset(int(state["job_id"]) for state in states if state.get("job_id")),
        )

    async def _taken_up(self, user: Any, name: str) -> bool:
        """Resume a server; returns False if the ledger does not answer, or Slurm about a row that has to be rebuilt."""
        try:
            await self._take_up(user, name)
        except (LedgerUnavailable, SlurmError) as error:
            self.log.warning("The server %r of %s has to wait to be taken up: %s", name, user.name, error)
            return False
        except Exception:
            self.log.exception("The server %r of %s could not be taken up, and is kept as it is", name, user.name)
            recovery.keep(user, name, None)
        return True

    async def _take_up_in_the_end(self, user: Any, name: str) -> None:
        """Retry until they answer; meanwhile pages show the server as starting and its job continues."""
        retrying = AsyncRetrying(retry=retry_if_result(not_), wait=wait_fixed(LEDGER_SECONDS))
        await retrying(self._taken_up, user, name)

    async def _take_up(self, user: Any, name: str) -> None:
        spawner = user.spawners[name]
        attempt = await spawner.row()
        state = AttemptState.ENDED if attempt is None else attempt.state
        self.log.info("%s was %s", spawner._log_name, state)
        if state is AttemptState.READY and spawner.was_ready:
            recovery.keep(user, name, attempt)
        elif state is AttemptState.STOPPING or user.name in self.authenticator.blocked_users:
            recovery.stop(user, name, attempt)
        elif state is AttemptState.ENDED:  # stored while the Hub was stopping
            in_background(recovery.stopped(user, name))
        else:
            recovery.resume(user, name)

    def init_tornado_settings(self) -> None:
        """Give templates the time since when Slurm has not answered, and jobs of which no record is left."""
        strays = site().strays
        self.template_vars = {
            **self.template_vars,
            "slurm": lambda _user: _slurm_as_seen(),
            "strays": lambda user: [] if user is None else list(strays.of_user(user.name)),
            "all_strays": lambda _user: sorted(strays.jobs.values(), key=lambda stray: stray.job.id),
        }
        super().init_tornado_settings()

    def init_tornado_application(self) -> None:
        """The Hub's handlers, behind the check of the request's host."""
        super().init_tornado_application()
        hosts.guard(self.tornado_application, load(), self._is_paused)

    def _is_paused(self, path: str) -> bool:
        """Whether the cluster has paused the server with this path, such as ``/user/maria/second/api/kernels``."""
        _, kind, name, server, *_ = [*path.split("/"), "", "", "", ""]
        user = self.users.get(name) if kind == "user" and USER_NAME.match(name) else None
        if user is None:
            return False
        spawner = user.spawners.get(server) or user.spawners.get("")
        return bool(spawner is not None and spawner.paused)


def _slurm_as_seen() -> SimpleNamespace:
    queue = site().queue
    since = queue.silent_since
    return SimpleNamespace(
        error=queue.error,
        silent_since=None if since is None else datetime.fromtimestamp(since, UTC),
    )


def main() -> None:
    AtriumHub.launch_instance()


if __name__ == "__main__":
    # The class of the imported module, not a second one in __main__.
    from spawners.application import main as start

    start()
