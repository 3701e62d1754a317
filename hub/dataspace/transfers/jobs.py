"""Jobs that carry transfers out: handed to Slurm, found again, and followed until Slurm says that they are over."""

from __future__ import annotations

import logging
import pwd
from collections.abc import Mapping
from datetime import timedelta
from typing import Protocol

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from hub.dataspace.transfers import node
from hub.dataspace.transfers.models import Progress, TransferSpec, TransferState
from hub.dataspace.transfers.service import MOVING
from hub.dataspace.transfers.tables import TransferRow
from hub.db.base import now
from hub.errors import SlurmError, SlurmUnavailable
from hub.settings import Settings
from hub.slurm import naming, quoting
from hub.slurm.jobs import Job, Phase

logger = logging.getLogger(__name__)

MINUTES = 240
"""Time limit of a transfer's job; a job put back into the queue has it anew."""
PATIENCE = timedelta(seconds=30)
"""How long ``sbatch`` may have been heard although nobody knows it."""
GONE = timedelta(minutes=2)


class Slurm(Protocol):
    """What of Slurm is needed here; :class:`hub.slurm.client.SlurmClient` has it."""

    async def submit(self, script: str, *, user: str, environment: Mapping[str, str]) -> int: ...
    async def cancel(self, job_id: int, *, user: str) -> None: ...
    async def job(self, job_id: int) -> Job | None: ...
    async def named_jobs(self, name: str, user: str) -> dict[int, str]: ...
    async def job_log(self, server: str, *, user: str) -> str: ...


async def tend(sessions: sessionmaker[Session], settings: Settings, slurm: Slurm) -> None:
    """Bring every transfer that is not over one step further. One that fails holds up no other."""
    with sessions() as session:
        numbers = session.scalars(select(TransferRow.id).where(TransferRow.state.in_(MOVING))).all()
    for number in numbers:
        try:
            await _further(sessions, settings, slurm, number)
        except SlurmUnavailable as error:
            logger.warning("transfers wait for Slurm: %s", error.message)
            return
        except SlurmError as error:
            logger.warning("transfer %i: %s", number, error.message)


async def _further(sessions: sessionmaker[Session], settings: Settings, slurm: Slurm, number: int) -> None:
    with sessions() as session:
        row = session.get_one(TransferRow, number)
        session.expunge(row)
    if row.job_id is None and row.state is not TransferState.WAITING:
        await _find(sessions, settings, slurm, row)
    elif row.state is TransferState.WAITING:
        await _submit(sessions, settings, slurm, row)
    else:
        await _look(sessions, slurm, row)


async def _submit(sessions: sessionmaker[Session], settings: Settings, slurm: Slurm, row: TransferRow) -> None:
    if not _change(sessions, row, TransferState.SUBMITTING):
        return
    try:
        number = await slurm.submit(script(settings, row), user=row.person, environment={})
    except SlurmUnavailable:
        raise  # whether it was heard is found out next time
    except SlurmError as error:
        _end(sessions, row, TransferState.FAILED, f"Slurm refused the job: {error.message}"[:500])
        return
    _submitted(sessions, row, number)


async def _find(sessions: sessionmaker[Session], settings: Settings, slurm: Slurm, row: TransferRow) -> None:
    """A worker before us may have been killed between ``sbatch`` and its answer."""
    jobs = await slurm.named_jobs(_job_name(settings), row.person)
    found = [number for number, said in jobs.items() if said == _comment(settings, row)]
    if found:
        _submitted(sessions, row, max(found))
    elif row.state is TransferState.CANCELLING:
        _end(sessions, row, TransferState.CANCELLED, "")
    elif now() - row.touched > PATIENCE:
        _change(sessions, row, TransferState.WAITING)


async def _look(sessions: sessionmaker[Session], slurm: Slurm, row: TransferRow) -> None:
    assert row.job_id is not None  # noqa: S101 - the caller has seen it
    if row.state is TransferState.CANCELLING:
        await slurm.cancel(row.job_id, user=row.person)
    job = await slurm.job(row.job_id)
    if job is None and now() - row.touched < GONE:
        return
    said = None
    if job is None or job.phase is not Phase.WAITING:
        said = last_word(await slurm.job_log(log_argument(row), user=row.person))
    if job is not None and job.phase is not Phase.ENDED:
        moved = TransferState.RUNNING if job.phase in (Phase.RUNNING, Phase.ENDING) else TransferState.QUEUED
        _note(sessions, row, moved, said)
        return
    if said is not None and said.state is not TransferState.RUNNING:
        _end(sessions, row, said.state, said.reason, said)
    elif row.state is TransferState.CANCELLING:
        _end(sessions, row, TransferState.CANCELLED, "", said)
    else:
        word = job.state if job else "not known to Slurm any more"
        _end(sessions, row, TransferState.FAILED, f"The job ended without a word ({word}). Bring it again.", said)


def last_word(log: str) -> Progress | None:
    """The last line that is one of ours; everything else a job may write is nobody's progress."""
    for line in reversed(log.splitlines()[-200:]):
        try:
            return Progress.model_validate_json(line)
        except ValidationError:
            continue
    return None


def _submitted(sessions: sessionmaker[Session], row: TransferRow, job_id: int) -> None:
    with sessions() as session:
        kept = session.get_one(TransferRow, row.id)
        kept.job_id, kept.touched = job_id, now()
        if kept.state is TransferState.SUBMITTING:
            kept.state = TransferState.QUEUED
        session.commit()


def _change(sessions: sessionmaker[Session], row: TransferRow, state: TransferState) -> bool:
    """Whether it was still as we knew it: a person may have cancelled it meanwhile."""
    with sessions() as session:
        kept = session.get_one(TransferRow, row.id)
        if kept.state is not row.state:
            return False
        kept.state, kept.touched = state, now()
        session.commit()
    return True


def _note(sessions: sessionmaker[Session], row: TransferRow, state: TransferState, said: Progress | None) -> None:
    with sessions() as session:
        kept = session.get_one(TransferRow, row.id)
        if kept.state is not TransferState.CANCELLING:
            kept.state = state
        if said is not None and said.state is TransferState.RUNNING:
            kept.progress = said.model_dump_json()
        kept.touched = now()
        session.commit()


def _end(
    sessions: sessionmaker[Session],
    row: TransferRow,
    state: TransferState,
    reason: str,
    said: Progress | None = None,
) -> None:
    with sessions() as session:
        kept = session.get_one(TransferRow, row.id)
        kept.state, kept.reason, kept.ended, kept.touched = state, reason, now(), now()
        if said is not None:
            kept.progress = said.model_dump_json()
        session.commit()
    logger.info("transfer %i of %s: %s %s", row.id, row.person, state, reason)


def log_argument(row: TransferRow) -> str:
    """How deploy/sudoers/job-log knows the log of a transfer from a server's: it is a number."""
    return str(row.id)


def script(settings: Settings, row: TransferRow) -> str:
    """The job: one core, in the partition for transfers, charged to the project. Raises InvalidInput for odd values."""

    def word(value: object) -> str:
        return quoting.word(value, required=True)

    order = node.written_order(TransferSpec.model_validate_json(row.order))
    python = settings.paths.user_version / "bin/python"
    home = pwd.getpwnam(row.person).pw_dir
    return "\n".join(
        (
            "#!/bin/bash",
            f"#SBATCH --job-name={word(_job_name(settings))}",
            f"#SBATCH --comment={word(_comment(settings, row))}",
            f"#SBATCH --account={word(row.account)}",
            f"#SBATCH --partition={word(settings.dataspace.partition)}",
            "#SBATCH --nodes=1 --ntasks=1 --cpus-per-task=1 --mem=1G",
            f"#SBATCH --time={MINUTES} --requeue",
            "#SBATCH --chdir=/",
            f"#SBATCH --output={word(home)}/{naming.transfer_log(row.id)} --open-mode=truncate",
            "#SBATCH --export=NONE",
            f"exec {word(python)} -P -m hub.dataspace.transfers.node {word(order)}",
            "",
        )
    )


def _job_name(settings: Settings) -> str:
    return naming.job_name(settings.spawn.gateway, naming.Kind.TRANSFER)


def _comment(settings: Settings, row: TransferRow) -> str:
    return naming.transfer_comment(settings.spawn.gateway, row.person, row.id, row.nonce)
