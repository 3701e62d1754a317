"""Slurm jobs of transfers: submitted, found again by their comment, and followed to their end. Runs in the worker."""

from __future__ import annotations

import logging
import pwd
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Protocol

from pydantic import ValidationError
from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from hub import tls
from hub.dataspace.transfers import node
from hub.dataspace.transfers.models import (
    ApiAccess,
    Progress,
    TransferKind,
    TransferSpec,
    TransferState,
    UploadSpec,
)
from hub.dataspace.transfers.service import UNFINISHED
from hub.dataspace.transfers.tables import TransferRow
from hub.db.base import now
from hub.errors import InvalidInput, SettingsError, SlurmError, SlurmUnavailable
from hub.loops import Pauses, by_itself
from hub.projects.service import is_member
from hub.settings import Settings
from hub.slurm import naming, quoting
from hub.slurm.jobs import Job, Phase
from hub.store import job_tokens
from hub.store.models import JOB_TOKEN_VARIABLE

logger = logging.getLogger(__name__)

MINUTES = 240
"""Time limit of a transfer's job; a requeued job has it anew."""
RESUBMIT_AFTER = timedelta(seconds=30)
"""Wait before a job is submitted again after an ``sbatch`` that did not answer."""
UNKNOWN_FOR = timedelta(minutes=2)
"""Time in which Slurm may not yet know a job that it has accepted."""


class Slurm(Protocol):
    """The part of :class:`hub.slurm.client.SlurmClient` that is used here."""

    async def submit(self, script: str, *, user: str, environment: Mapping[str, str]) -> int: ...
    def is_submitting(self, user: str) -> bool: ...
    async def cancel(self, job_id: int, *, user: str) -> None: ...
    async def job(self, job_id: int) -> Job | None: ...
    async def named_jobs(self, name: str, user: str) -> dict[int, str]: ...
    async def job_log(self, server: str, *, user: str) -> str: ...


async def follow_transfers(
    sessions: sessionmaker[Session], settings: Settings, slurm: Slurm, pauses: Pauses | None = None
) -> None:
    """Advance every unfinished transfer by one step; one that fails does not hold up the others.

    :param pauses: kept between two calls, for transfers that go on failing; without them each call tries all.
    """
    pauses = pauses or Pauses()
    with sessions() as session:
        _cancel_those_of_former_members(session)
        transfer_ids = session.scalars(select(TransferRow.id).where(TransferRow.state.in_(UNFINISHED))).all()
    for transfer_id in filter(pauses.is_due, transfer_ids):
        try:
            failed = partial(pauses.lengthen, transfer_id)
            with by_itself(f"transfer {transfer_id}", of_all=(SlurmUnavailable,), on_failure=failed):
                await _advance(sessions, settings, slurm, transfer_id)
                pauses.forget(transfer_id)
        except SlurmUnavailable as error:
            logger.warning("transfers wait for Slurm: %s", error.message)
            return


def _cancel_those_of_former_members(session: Session) -> None:
    """Cancel what people began who are no members of the project any more."""
    cancelled = session.execute(
        update(TransferRow)
        .where(
            TransferRow.state.in_(UNFINISHED),
            TransferRow.state != TransferState.CANCELLING,
            ~is_member(TransferRow.person, TransferRow.project),
        )
        .values(state=TransferState.CANCELLING, touched=now())
        .execution_options(synchronize_session=False)
    )
    if cancelled.rowcount:  # type: ignore[attr-defined]
        session.commit()


async def _advance(sessions: sessionmaker[Session], settings: Settings, slurm: Slurm, transfer_id: int) -> None:
    with sessions() as session:
        row = session.get_one(TransferRow, transfer_id)
        session.expunge(row)
    if row.job_id is None and row.state is not TransferState.WAITING:
        await _find(sessions, settings, slurm, row)
    elif row.state is TransferState.WAITING:
        await _submit(sessions, settings, slurm, row)
    else:
        await _follow(sessions, slurm, row)


async def _submit(sessions: sessionmaker[Session], settings: Settings, slurm: Slurm, row: TransferRow) -> None:
    if not _change(sessions, row, TransferState.SUBMITTING):
        return
    try:
        job_script, environment = script(settings, row), _token(settings, row)
    except (InvalidInput, KeyError, ValueError) as error:
        _end(sessions, row, TransferState.FAILED, _why_no_script(row, error)[:500])
        return
    try:
        job_id = await slurm.submit(job_script, user=row.person, environment=environment)
    except SlurmUnavailable:
        raise  # the next step looks whether Slurm has the job
    except SlurmError as error:
        _end(sessions, row, TransferState.FAILED, f"Slurm refused the job: {error.message}"[:500])
        return
    _submitted(sessions, row, job_id)


def _why_no_script(row: TransferRow, error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"This machine has no account {row.person}. Ask the administrators for it, then try the transfer again."
    if isinstance(error, InvalidInput):
        return f"The job could not be written: {error.message}"
    logger.error("transfer %i has an order that cannot be read", row.id, exc_info=error)
    return "The request can no longer be read. Request it anew."


async def _find(sessions: sessionmaker[Session], settings: Settings, slurm: Slurm, row: TransferRow) -> None:
    """Find the job of an ``sbatch`` whose answer did not arrive; while that ``sbatch`` runs, its job may still come."""
    is_submitting = slurm.is_submitting(row.person)
    jobs = await slurm.named_jobs(_job_name(settings), row.person)
    job_ids = [job_id for job_id, comment in jobs.items() if comment == _comment(settings, row)]
    if job_ids:
        _submitted(sessions, row, max(job_ids))
    elif is_submitting:
        logger.warning("transfer %i: an sbatch that did not answer still runs", row.id)
    elif row.state is TransferState.CANCELLING:
        _end(sessions, row, TransferState.CANCELLED, "")
    elif now() - row.touched > RESUBMIT_AFTER:
        _change(sessions, row, TransferState.WAITING)


async def _follow(sessions: sessionmaker[Session], slurm: Slurm, row: TransferRow) -> None:
    assert row.job_id is not None  # noqa: S101 - the caller has checked it
    if row.state is TransferState.CANCELLING:
        await slurm.cancel(row.job_id, user=row.person)
    job = await slurm.job(row.job_id)
    if job is None and now() - row.touched < UNKNOWN_FOR:
        return
    progress = None
    if job is None or job.phase is not Phase.WAITING:
        progress = last_progress(await _log(slurm, row))
    if job is not None and job.phase is not Phase.ENDED:
        state = TransferState.RUNNING if job.phase in (Phase.RUNNING, Phase.ENDING) else TransferState.QUEUED
        _update(sessions, row, state, progress)
        return
    if progress is not None and progress.state is not TransferState.RUNNING:
        _end(sessions, row, progress.state, progress.reason, progress)
    elif row.state is TransferState.CANCELLING:
        _end(sessions, row, TransferState.CANCELLED, "", progress)
    else:
        job_state = job.state if job else "no longer known to Slurm"
        reason = f"The job ended without a result ({job_state}). Try the transfer again."
        _end(sessions, row, TransferState.FAILED, reason, progress)


async def _log(slurm: Slurm, row: TransferRow) -> str:
    """The end of the log of a transfer's job.

    :raises SlurmError: it cannot be read now, which says nothing about Slurm: it lies in the person's home.
    """
    try:
        return await slurm.job_log(log_argument(row), user=row.person)
    except SlurmUnavailable as error:
        raise SlurmError(f"The log in the home of {row.person} cannot be read: {error.message}") from error


def last_progress(log: str) -> Progress | None:
    """The last line of a job's log that reports progress; other lines are ignored."""
    for line in reversed(log.splitlines()[-200:]):
        try:
            return Progress.model_validate_json(line)
        except ValidationError:
            continue
    return None


def _submitted(sessions: sessionmaker[Session], row: TransferRow, job_id: int) -> None:
    """Store the id of a transfer's job."""
    with sessions() as session:
        current = session.get_one(TransferRow, row.id)
        current.job_id, current.touched = job_id, now()
        if current.state is TransferState.SUBMITTING:
            current.state = TransferState.QUEUED
        session.commit()


def _change(sessions: sessionmaker[Session], row: TransferRow, state: TransferState) -> bool:
    """Change the state; returns False if it is no longer that of ``row``: a person may have cancelled the transfer."""
    with sessions() as session:
        current = session.get_one(TransferRow, row.id)
        if current.state is not row.state:
            return False
        current.state, current.touched = state, now()
        session.commit()
    return True


def _update(sessions: sessionmaker[Session], row: TransferRow, state: TransferState, progress: Progress | None) -> None:
    """Store state and progress of a transfer that goes on; a transfer that is being cancelled keeps its state."""
    with sessions() as session:
        current = session.get_one(TransferRow, row.id)
        if current.state is not TransferState.CANCELLING:
            current.state = state
        if progress is not None and progress.state is TransferState.RUNNING:
            current.progress = progress.model_dump_json()
        current.touched = now()
        session.commit()


def _end(
    sessions: sessionmaker[Session],
    row: TransferRow,
    state: TransferState,
    reason: str,
    progress: Progress | None = None,
) -> None:
    with sessions() as session:
        current = session.get_one(TransferRow, row.id)
        current.state, current.reason, current.ended, current.touched = state, reason, now(), now()
        if progress is not None:
            current.progress = progress.model_dump_json()
        session.commit()
    logger.info("transfer %i of %s: %s %s", row.id, row.person, state, reason)


def log_argument(row: TransferRow) -> str:
    """Argument of deploy/sudoers/job-log for the log of a transfer: a number, unlike the name of a server."""
    return str(row.id)


def script(settings: Settings, row: TransferRow) -> str:
    """The job script: one core, in the partition for transfers, charged to the project.

    :raises InvalidInput: a value that a script cannot hold.
    :raises KeyError: this machine has no such account.
    :raises SettingsError: the authority of the API cannot be read.
    """

    def quoted(value: object) -> str:
        return quoting.word(value, required=True)

    module = {TransferKind.BRING: "node", TransferKind.UPLOAD: "upload"}[row.kind]
    # Slurm hands a job the variables of sbatch, which are few: the token among them (hub/slurm/transport.py).
    export = "ALL" if _grant(row) else "NONE"
    spec = node.encoded_spec(_spec(settings, row))
    python = settings.paths.user_version / "bin/python"
    home = pwd.getpwnam(row.person).pw_dir
    return "\n".join(
        (
            "#!/bin/bash",
            f"#SBATCH --job-name={quoted(_job_name(settings))}",
            f"#SBATCH --comment={quoted(_comment(settings, row))}",
            f"#SBATCH --account={quoted(row.account)}",
            f"#SBATCH --partition={quoted(settings.dataspace.partition)}",
            "#SBATCH --nodes=1 --ntasks=1 --cpus-per-task=1 --mem=1G",
            f"#SBATCH --time={MINUTES} --requeue",
            "#SBATCH --chdir=/",
            f"#SBATCH --output={quoted(home)}/{naming.transfer_log(row.id)} --open-mode=truncate",
            f"#SBATCH --export={export}",
            f"exec {quoted(python)} -X utf8 -P -m hub.dataspace.transfers.{module} {quoted(spec)}",
            "",
        )
    )


def _spec(settings: Settings, row: TransferRow) -> TransferSpec | UploadSpec:
    """The input of a transfer's job; one that needs the API is given its address."""
    spec = (UploadSpec if row.kind is TransferKind.UPLOAD else TransferSpec).model_validate_json(row.order)
    if _grant(row) is None:
        return spec
    path = tls.authority_of_api(settings)
    try:
        authority = path.read_text() if path else ""
    except OSError as error:
        raise SettingsError(f"The authority of Atrium's API, {path}, cannot be read: {error.strerror}.") from error
    return spec.model_copy(update={"api": ApiAccess(url=settings.api_url, authority=authority)})


def _grant(row: TransferRow) -> job_tokens.Grant | None:
    """What a transfer's job may do at the API; None for one that does not need it."""
    if row.kind is TransferKind.UPLOAD:
        return job_tokens.Grant(person=row.person, purpose="upload", project=row.project)
    stored = TransferSpec.model_validate_json(row.order).stored
    if stored is None:
        return None
    return job_tokens.Grant(person=row.person, purpose="download", record=stored.record, sha256=stored.sha256)


def _token(settings: Settings, row: TransferRow) -> dict[str, str]:
    """The variable with the token of a transfer's job, if it needs one."""
    grant = _grant(row)
    return {JOB_TOKEN_VARIABLE: job_tokens.issue(settings, grant)} if grant else {}


def _job_name(settings: Settings) -> str:
    return naming.job_name(settings.spawn.gateway, naming.Kind.TRANSFER)


def _comment(settings: Settings, row: TransferRow) -> str:
    return naming.transfer_comment(settings.spawn.gateway, row.person, row.id, row.nonce)
