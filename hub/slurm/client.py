"""Slurm's commands as methods that take and return Atrium's own types."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Protocol

from cachetools import TTLCache

from hub.errors import SlurmError, SlurmUnavailable
from hub.settings import Slurm
from hub.slurm import commands, inventory
from hub.slurm.cluster import Association, Node, Partition, Qos, Reservation, Trial
from hub.slurm.jobs import AccountUsage, Job, Minutes, Pending, Seconds, Share
from hub.slurm.transport import Transport

__all__ = ["AccountUsage", "Minutes", "Seconds", "Share", "SlurmClient", "require_controller"]

ACCOUNTS_AT_ONCE = 500
"""An argument may not be longer than 128 KiB."""


ADDRESS_SECONDS = 300.0
MOST_ADDRESSES = 20_000


class SlurmClient:
    """Slurm's commands, run by the Hub. Every call has the deadline of the settings.

    :raises SlurmError: Slurm refuses.
    :raises SlurmUnavailable: Slurm does not answer.
    """

    def __init__(self, settings: Slurm, transport: Transport | None = None) -> None:
        self._settings = settings
        self._transport = transport or Transport(settings)
        self._addresses: TTLCache[str, str] = TTLCache(MOST_ADDRESSES, ADDRESS_SECONDS)
        self._asking = asyncio.Lock()

    async def submit(self, script: str, *, user: str, environment: Mapping[str, str]) -> int:
        """Submit ``script`` as ``user`` and return the job's number."""
        out = await self._transport.run(commands.submit(), user=user, stdin=script, environment=environment)
        return commands.parse_submit(out)

    async def cancel(self, job_id: int, *, user: str) -> None:
        """Cancel a job as ``user``; does nothing if it has already ended."""
        await self._unless_ended(commands.cancel(job_id), user=user)

    async def terminate(self, job_id: int, *, user: str) -> None:
        """Send SIGTERM to the script of a running job as ``user``; does nothing if the job has already ended."""
        await self._unless_ended(commands.terminate(job_id), user=user)

    async def _unless_ended(self, argv: commands.Argv, *, user: str) -> None:
        try:
            await self._transport.run(argv, user=user)
        except SlurmError as error:
            if "invalid job id" not in error.message.lower():
                raise

    async def queue(self, name: str) -> list[Job]:
        """Jobs with this name of all users, those that ended a moment ago included."""
        return commands.parse_queue(await self._transport.run(commands.queue(name)))

    async def jobs_of(self, numbers: Iterable[int]) -> list[Job]:
        """Those of these jobs that the controller knows."""
        try:
            return commands.parse_queue(await self._transport.run(commands.queue_of(numbers)))
        except SlurmError as error:
            if "invalid job id" not in error.message.lower():
                raise
            return []

    async def pending(self) -> list[Pending]:
        """Waiting jobs of all users."""
        return commands.parse_pending(await self._transport.run(commands.pending()))

    async def named_jobs(self, name: str, user: str) -> dict[int, str]:
        """Comments of the jobs with this name of one OS account, ended ones included.

        The account writes its comments itself: look up only jobs that :meth:`queue` lists as the account's.
        """
        return commands.parse_named_jobs(await self._transport.run(commands.named_jobs(name, user)))

    async def job(self, job_id: int) -> Job | None:
        """A job, running or ended, from the controller or else from accounting. None if neither knows it."""
        jobs = await self.jobs_of([job_id])
        return jobs[0] if jobs else await self.past_job(job_id)

    async def past_job(self, job_id: int) -> Job | None:
        """A job from accounting, with its exit code; None if there is no accounting or it does not know the job."""
        try:
            return commands.parse_history(await self._transport.run(commands.history(job_id)))
        except SlurmError as error:
            if "accounting storage is disabled" in error.message.lower():
                return None
            raise

    async def job_log(self, server: str, *, user: str) -> str:
        """The end of the log of the job of ``user``'s server ``server``, read as ``user``."""
        return await self._transport.run(commands.job_log(self._settings.job_log, server), user=user)

    async def node_address(self, node: str) -> str:
        """Address of a node, cached for some minutes only: a cloud node may return with another address."""
        async with self._asking:  # fifty starts at the same time share one request
            address = self._addresses.get(node)
            if address is None:
                address = commands.parse_node_address(await self._transport.run(commands.node(node)))
                self._addresses[node] = address
            return address

    async def node_addresses(self) -> list[str]:
        """Addresses of all nodes."""
        return commands.parse_node_addresses(await self._transport.run(commands.node_addresses()))

    async def accounts_of(self, user: str) -> list[str]:
        """Accounts (projects) this person may charge."""
        return commands.parse_accounts_of(await self._transport.run(commands.accounts_of(user)))

    async def ensure_account(
        self,
        account: str,
        *,
        description: str,
        cpu_minutes: int,
        gpu_minutes: int,
        parent: str = "",
        qos: Sequence[str] = (),
        closed: bool = False,
    ) -> None:
        """Create the account below ``parent`` if it is missing, and set its budget and QOS. Safe to run twice.

        :param closed: whether new jobs are refused; running jobs continue.
        """
        names = [name for name in (parent, account) if name]
        known = (await self._transport.run(commands.accounts(names))).split()
        if parent and parent not in known:
            await self._unless_unchanged(commands.add_account(parent, "Atrium call"))
        if account not in known:
            await self._unless_unchanged(commands.add_account(account, description, parent))
        limits = {"cpu_minutes": cpu_minutes, "gpu_minutes": gpu_minutes}
        await self._unless_unchanged(commands.limit_account(account, **limits, qos=qos, closed=closed))

    async def ensure_members(self, account: str, users: Sequence[str], partitions: Sequence[str] = ()) -> None:
        """Let people charge an account, only in ``partitions`` if any are named. Safe to run twice.

        A member who was barred before is admitted again.
        """
        known = commands.parse_members(await self._transport.run(commands.members(account)))
        missing = sorted(user for user in set(users) if user not in known or set(partitions) - known[user].partitions)
        if missing:
            await self._unless_unchanged(commands.add_members(account, missing, partitions))
        for user in sorted(user for user in set(users) & known.keys() if known[user].barred):
            await self._unless_unchanged(commands.admit_member(account, user))

    async def bar(self, account: str, user: str) -> bool:
        """Take no new job of a person in an account, and cancel those that are there. Safe to run twice.

        :returns: whether the person has an association with the account.
        """
        try:
            known = commands.parse_members(await self._transport.run(commands.members(account)))
            if user not in known:
                return False
            await self._unless_unchanged(commands.bar_member(account, user))
        except SlurmError:
            # slurmdbd refuses or is silent; slurmctld, which cancels, is another program.
            await self._transport.run(commands.cancel_of(account, user))
            raise
        await self._transport.run(commands.cancel_of(account, user))
        return True

    async def revoke(self, account: str, user: str) -> None:
        """Remove a person from an account: refuse new jobs, cancel jobs, remove the association. Safe to run twice.

        :raises SlurmError: their jobs are still ending; call it again later.
        """
        if not await self.bar(account, user):
            return
        if (await self._transport.run(commands.queue_of_member(account, user))).split():
            raise SlurmError(f"Jobs of {user} are being cancelled.")
        await self._change_default(account, user)
        await self._unless_unchanged(commands.remove_member(account, user))

    async def _change_default(self, account: str, user: str) -> None:
        """Change the default account first: Slurm removes nobody from it while they have another account."""
        default = (await self._transport.run(commands.default_account(user))).strip()
        others = [name for name in await self.accounts_of(user) if name != account]
        if default == account and others:
            await self._unless_unchanged(commands.change_default_account(user, others[0]))

    async def used_on(self, day: date, accounts: Sequence[str]) -> dict[Share, Seconds]:
        """Usage of these accounts on one day (UTC), by account, person and partition."""
        shares: dict[Share, Seconds] = {}
        for at in range(0, len(accounts), ACCOUNTS_AT_ONCE):
            argv = commands.day_of(day, accounts[at : at + ACCOUNTS_AT_ONCE])
            shares |= commands.parse_day(await self._transport.run(argv, environment={"TZ": "UTC"}))
        return shares

    async def _unless_unchanged(self, argv: commands.Argv) -> None:
        """Run a ``sacctmgr`` command; its failure with "Nothing …" means that there was nothing to change."""
        try:
            await self._transport.run(argv)
        except SlurmError as error:
            if not error.message.strip().lower().startswith(("nothing", "already existing")):
                raise

    async def usage(self, accounts: Sequence[str]) -> dict[str, AccountUsage]:
        """Budget and usage of each of these accounts that Slurm knows."""
        if not accounts:
            return {}
        return commands.parse_account_usage(await self._transport.run(commands.account_usage(accounts)))

    async def account_hours(self) -> dict[str, AccountUsage]:
        """Budget and usage of all accounts."""
        return commands.parse_account_usage(await self._transport.run(inventory.usage()))

    async def nodes(self) -> tuple[Node, ...]:
        return inventory.parse_nodes(await self._transport.run(inventory.nodes()))

    async def partitions(self) -> tuple[Partition, ...]:
        return inventory.parse_partitions(await self._transport.run(inventory.partitions()))

    async def reservations(self) -> tuple[Reservation, ...]:
        return inventory.parse_reservations(await self._transport.run(inventory.reservations()))

    async def qos(self) -> tuple[Qos, ...]:
        return inventory.parse_qos(await self._transport.run(inventory.qos()))

    async def associations(self) -> tuple[Association, ...]:
        return inventory.parse_associations(await self._transport.run(inventory.associations()))

    async def trial(self, script: str, *, user: str, environment: Mapping[str, str]) -> Trial:
        """Where and when ``script`` would start if ``user`` submitted it now; raises the errors of :meth:`submit`."""
        argv = inventory.trial()
        answer = await self._transport.run(argv, user=user, stdin=script, environment=environment, errors=True)
        return inventory.parse_trial(answer)

    async def ping(self) -> bool:
        """Whether a controller is up; raises :class:`SlurmUnavailable` if ``scontrol`` itself does not answer."""
        return commands.parse_ping(await self._transport.run(commands.ping()))

    async def configuration(self) -> dict[str, str]:
        """``slurm.conf`` as the controller has it: key in lower case -> value."""
        return commands.parse_configuration(await self._transport.run(commands.configuration()))


class Controller(Protocol):
    """The part of :class:`SlurmClient` that :func:`require_controller` uses."""

    async def ping(self) -> bool: ...


async def require_controller(slurm: Controller) -> None:
    """Raise :class:`SlurmUnavailable` unless a controller is up."""
    if not await slurm.ping():
        raise SlurmUnavailable("No Slurm controller answers.")
