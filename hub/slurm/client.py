"""Slurm's commands as methods that take and return Atrium's own types."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
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
        """Submit as ``user``, the script on standard input; the job's id."""
        out = await self._transport.run(commands.submit(), user=user, stdin=script, environment=environment)
        return commands.parse_submit(out)

    async def cancel(self, job_id: int, *, user: str) -> None:
        """Cancel as ``user``; a job that is gone already is no error."""
        try:
            await self._transport.run(commands.cancel(job_id), user=user)
        except SlurmError as error:
            if "invalid job id" not in error.message.lower():
                raise

    async def queue(self, name: str) -> list[Job]:
        """Everybody's jobs of this name that are not over."""
        return commands.parse_queue(await self._transport.run(commands.queue(name)))

    async def pending(self) -> list[Pending]:
        """Everybody's jobs that wait."""
        return commands.parse_pending(await self._transport.run(commands.pending()))

    async def named_jobs(self, name: str, user: str) -> dict[int, str]:
        """Comments of the jobs of this name of one OS account, over or not.

        The account writes its comments itself: look up only jobs that :meth:`queue` lists as the account's.
        """
        return commands.parse_named_jobs(await self._transport.run(commands.named_jobs(name, user)))

    async def job(self, job_id: int) -> Job | None:
        """One job, over or not, from the controller or else from accounting. None when neither knows it."""
        try:
            jobs = commands.parse_queue(await self._transport.run(commands.queue_of(job_id)))
            if jobs:
                return jobs[0]
        except SlurmError as error:
            if "invalid job id" not in error.message.lower():
                raise
        return await self.past_job(job_id)

    async def past_job(self, job_id: int) -> Job | None:
        """One job as accounting knows it, with its exit code; None when there is no accounting, or it knows nothing."""
        try:
            return commands.parse_history(await self._transport.run(commands.history(job_id)))
        except SlurmError as error:
            if "accounting storage is disabled" in error.message.lower():
                return None
            raise

    async def job_log(self, server: str, *, user: str) -> str:
        """The end of what the job of ``user``'s server ``server`` wrote, read as ``user``."""
        return await self._transport.run(commands.job_log(self._settings.job_log, server), user=user)

    async def node_address(self, node: str) -> str:
        """Address of a node, cached for some minutes: a cloud's node may come back with another one."""
        async with self._asking:  # fifty starts at the same time need one question
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
        """Make the account if it is missing, below ``parent``, and set its budget and QOS. Safe to run twice.

        :param closed: no new jobs; those that run go on.
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
        """Let people charge an account, in these partitions only if any are named. Safe to run twice.

        Somebody who was barred and came back is admitted again.
        """
        known = commands.parse_members(await self._transport.run(commands.members(account)))
        missing = sorted(user for user in set(users) if user not in known or set(partitions) - known[user].partitions)
        if missing:
            await self._unless_unchanged(commands.add_members(account, missing, partitions))
        for user in sorted(user for user in set(users) & known.keys() if known[user].barred):
            await self._unless_unchanged(commands.admit_member(account, user))

    async def revoke(self, account: str, user: str) -> None:
        """End a person's use of an account: no new jobs, then no jobs, then no trace of it. Safe to run twice.

        :raises SlurmError: their jobs are still ending; what is left to do can be done in a moment.
        """
        if user not in commands.parse_members(await self._transport.run(commands.members(account))):
            return
        await self._unless_unchanged(commands.bar_member(account, user))
        await self._transport.run(commands.cancel_of(account, user))
        if (await self._transport.run(commands.queue_of_member(account, user))).split():
            raise SlurmError(f"Jobs of {user} are being cancelled.")
        await self._change_default(account, user)
        await self._unless_unchanged(commands.remove_member(account, user))

    async def _change_default(self, account: str, user: str) -> None:
        """Slurm removes nobody from their default account while they have another."""
        default = (await self._transport.run(commands.default_account(user))).strip()
        others = [name for name in await self.accounts_of(user) if name != account]
        if default == account and others:
            await self._unless_unchanged(commands.change_default_account(user, others[0]))

    async def used_on(self, day: date, accounts: Sequence[str]) -> dict[Share, Seconds]:
        """What jobs of these accounts used on one day (UTC), by account, person and partition."""
        shares: dict[Share, Seconds] = {}
        for at in range(0, len(accounts), ACCOUNTS_AT_ONCE):
            argv = commands.day_of(day, accounts[at : at + ACCOUNTS_AT_ONCE])
            shares |= commands.parse_day(await self._transport.run(argv, environment={"TZ": "UTC"}))
        return shares

    async def _unless_unchanged(self, argv: commands.Argv) -> None:
        """sacctmgr fails with "Nothing …" when there was nothing to change: the state asked for is there."""
        try:
            await self._transport.run(argv)
        except SlurmError as error:
            if not error.message.strip().lower().startswith(("nothing", "already existing")):
                raise

    async def usage(self, accounts: Sequence[str]) -> dict[str, AccountUsage]:
        """Budget and use of each account that Slurm knows."""
        if not accounts:
            return {}
        return commands.parse_account_usage(await self._transport.run(commands.account_usage(accounts)))

    async def account_hours(self) -> dict[str, AccountUsage]:
        """The same of all accounts at once."""
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
        """Where and when ``script`` would start if ``user`` submitted it now; raises what submitting it would."""
        argv = inventory.trial()
        answer = await self._transport.run(argv, user=user, stdin=script, environment=environment, errors=True)
        return inventory.parse_trial(answer)

    async def ping(self) -> bool:
        """Whether a controller is up; raises :class:`SlurmUnavailable` if ``scontrol`` itself does not answer."""
        return commands.parse_ping(await self._transport.run(commands.ping()))


class Controller(Protocol):
    """The part of :class:`SlurmClient` that :func:`require_controller` uses."""

    async def ping(self) -> bool: ...


async def require_controller(slurm: Controller) -> None:
    """Raise :class:`SlurmUnavailable` unless a controller is up."""
    if not await slurm.ping():
        raise SlurmUnavailable("No Slurm controller answers.")
