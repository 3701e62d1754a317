"""Bringing public data into a project: a row, then a job of the person, followed until Slurm says it is over."""

from __future__ import annotations

import logging
import pwd
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Protocol
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from hub.audit import service as audit
from hub.dataspace import service
from hub.dataspace.models import Access, Order, Progress, Record, Transfer, TransferForm, TransferState
from hub.dataspace.tables import TransferRow
from hub.dataspace.transfers import node
from hub.db.base import now
from hub.errors import Conflict, InvalidInput, NotAllowed, NotFound, SlurmError, SlurmUnavailable
from hub.projects.models import Phase as ProjectPhase
from hub.projects.models import ProjectState
from hub.projects.tables import Member, Project
from hub.settings import Settings
from hub.slugs import slug_of
from hub.slurm.jobs import Job, Phase

logger = logging.getLogger(__name__)

MINUTES = 240
"""Time limit of a transfer's job; a job put back into the queue has it anew."""
AT_ONCE = 20
"""Of one person, not over."""
LISTED = 100
PATIENCE = timedelta(seconds=30)
"""How long ``sbatch`` may have been heard although nobody knows it."""
GONE = timedelta(minutes=2)
MOVING = (
    *(TransferState.WAITING, TransferState.SUBMITTING, TransferState.QUEUED),
    *(TransferState.RUNNING, TransferState.CANCELLING),
)
_WORD = re.compile(r"[A-Za-z0-9_./,:=@+-]+\Z")


class Slurm(Protocol):
    """What of Slurm is needed here; :class:`hub.slurm.client.SlurmClient` has it."""

    async def submit(self, script: str, *, user: str, environment: Mapping[str, str]) -> int: ...
    async def cancel(self, job_id: int, *, user: str) -> None: ...
    async def job(self, job_id: int) -> Job | None: ...
    async def named_jobs(self, name: str, user: str) -> dict[int, str]: ...
    async def job_log(self, server: str, *, user: str) -> str: ...


# -- what a person asks -----------------------------------------------------------------------------------------------


def ask(session: Session, settings: Settings, person: str, projects: frozenset[str], form: TransferForm) -> Transfer:
    """A row; the worker hands it to Slurm.

    :raises NotFound: the record may not be seen, or has no such file, or the person has no such project.
    :raises InvalidInput: the file is not public, or states no address to fetch it at.
    """
    project = session.scalar(
        select(Project)
        .join(Member)
        .where(Project.slug == form.project, Member.person == person, Member.leaving.is_(False))
    )
    if project is None:
        raise NotFound("You have no such project.")
    if project.phase is not ProjectPhase.OPEN or project.state is not ProjectState.ACTIVE:
        raise Conflict("The project is not open for jobs.", hint="Choose another, or wait until it is.")
    row = service.row_for(session, form.record_id, projects)
    record = Record.model_validate_json(row.content)
    order = _order(settings, person, project, record, form)
    moving = select(TransferRow.id).where(TransferRow.person == person, TransferRow.state.in_(MOVING))
    if len(session.scalars(moving).all()) >= AT_ONCE:
        raise Conflict(f"{AT_ONCE} transfers of yours are under way.", hint="Wait until one of them is over.")
    made = TransferRow(
        project=project.slug,
        account=project.account,
        person=person,
        record_id=row.id,
        title=order.title,
        address=order.address,
        order=order.model_dump_json(),
        state=TransferState.WAITING,
        reason="",
        created=now(),
        touched=now(),
    )
    session.add(made)
    session.flush()
    made.order = order.model_copy(update={"transfer": made.id}).model_dump_json()
    where = f"project/{project.slug}"
    audit.record(session, who=person, what="data brought", on=where, after={"from": order.address, "transfer": made.id})
    session.commit()
    return view(made)


def _order(settings: Settings, person: str, project: Project, record: Record, form: TransferForm) -> Order:
    if form.file >= len(record.distributions):
        raise NotFound("The record has no such file.")
    file = record.distributions[form.file]
    if record.access not in (Access.PUBLIC, Access.NOT_STATED):
        raise InvalidInput("This data is not public.", hint="Ask the contact on the record's page.")
    if urlsplit(file.download_url).scheme not in ("http", "https", "s3"):
        raise InvalidInput("Its source states no address the file could be fetched at.", field="file")
    title = _text(file.title) or _text(record.title) or record.uri
    licence = file.licence if file.licence.uri or file.licence.label else record.licence
    return Order(
        transfer=0,
        project_directory=str(settings.paths.projects / project.slug),
        folder=folder_name(_text(record.title), form.record_id),
        name=file_name(file.download_url, file.format),
        address=file.download_url,
        format=file.format,
        checksum=file.checksum,
        bytes=file.bytes,
        storage_bytes=project.storage_gb * 10**9,
        allowed_hosts=settings.dataspace.allowed_hosts,
        record=record.uri,
        title=title[:300],
        licence=licence.uri or _text(licence.label),
        source=_text(record.publisher.name),
        person=person,
    )


def folder_name(title: str, number: int) -> str:
    """``air-quality-brussels-12``: one folder a record, whatever its title is made of."""
    return f"{slug_of(title, 50) or 'record'}-{number}"


def file_name(address: str, told: str) -> str:
    """The last part of an address, as a harmless name of a file."""
    last = unquote(urlsplit(address).path).rpartition("/")[2]
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", last).strip("._-")[-100:].lstrip("._-")
    ending = re.sub(r"[^a-z0-9]", "", told.lower())[:10]
    if not plain:
        return f"data.{ending}" if ending else "data"
    return plain if "." in plain or not ending else f"{plain}.{ending}"


def _text(texts: Mapping[str, str]) -> str:
    return texts.get("en") or texts.get("und") or next(iter(texts.values()), "")


def listed(session: Session, person: str, projects: frozenset[str]) -> tuple[Transfer, ...]:
    """Of the person's projects, the newest first; and their own, wherever they went."""
    mine = (TransferRow.project.in_(projects)) | (TransferRow.person == person)
    rows = session.scalars(select(TransferRow).where(mine).order_by(TransferRow.id.desc()).limit(LISTED))
    return tuple(map(view, rows))


def one(session: Session, person: str, projects: frozenset[str], number: int) -> TransferRow:
    row = session.get(TransferRow, number)
    if row is None or (row.person != person and row.project not in projects):
        raise NotFound("There is no such transfer.")
    return row


def cancel(session: Session, person: str, projects: frozenset[str], number: int) -> Transfer:
    """End it; what has come so far is no data yet, and a new try goes on from there."""
    row = one(session, person, projects, number)
    if row.person != person:
        raise NotAllowed(f"This is a transfer of {row.person}.")
    if row.state in MOVING:
        row.state, row.touched = TransferState.CANCELLING, now()
        session.commit()
    return view(row)


def view(row: TransferRow) -> Transfer:
    return Transfer(
        id=row.id,
        project=row.project,
        directory=Order.model_validate_json(row.order).project_directory,
        person=row.person,
        record_id=row.record_id,
        title=row.title,
        address=row.address,
        state=row.state,
        progress=Progress.model_validate_json(row.progress) if row.progress else None,
        reason=row.reason,
        created=row.created,
        ended=row.ended,
    )


# -- what the worker does ---------------------------------------------------------------------------------------------


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
    jobs = await slurm.named_jobs(job_name(settings), row.person)
    found = [number for number, said in jobs.items() if said == comment(settings, row)]
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


# -- the job ----------------------------------------------------------------------------------------------------------


def job_name(settings: Settings) -> str:
    return f"{settings.spawn.gateway}-transfer"


def comment(settings: Settings, row: TransferRow) -> str:
    """What a job says of itself, so that it is found again."""
    return f"{settings.spawn.gateway}:{row.person}:transfer:{row.id}"


def log_argument(row: TransferRow) -> str:
    """How deploy/sudoers/job-log knows the log of a transfer from a server's: it is a number."""
    return str(row.id)


def script(settings: Settings, row: TransferRow) -> str:
    """The job: one core, in the partition for transfers, charged to the project. Raises InvalidInput for odd values."""
    order = node.written_order(Order.model_validate_json(row.order))
    python = settings.paths.user_version / "bin/python"
    values = (job_name(settings), comment(settings, row), row.account, settings.dataspace.partition, python, order)
    for value in values:
        if not _WORD.match(str(value)):
            raise InvalidInput("A value cannot be part of a job script.")
    home = _home(row.person)
    return "\n".join(
        (
            "#!/bin/bash",
            f"#SBATCH --job-name={job_name(settings)}",
            f"#SBATCH --comment={comment(settings, row)}",
            f"#SBATCH --account={row.account}",
            f"#SBATCH --partition={settings.dataspace.partition}",
            "#SBATCH --nodes=1 --ntasks=1 --cpus-per-task=1 --mem=1G",
            f"#SBATCH --time={MINUTES} --requeue",
            "#SBATCH --chdir=/",
            f"#SBATCH --output={home}/.atrium-transfer-{row.id}.log --open-mode=truncate",
            "#SBATCH --export=NONE",
            f"exec {python} -P -m hub.dataspace.transfers.node {order}",
            "",
        )
    )


def _home(person: str) -> str:
    home = pwd.getpwnam(person).pw_dir
    if not _WORD.match(home):
        raise InvalidInput("A home cannot be part of a job script.")
    return home
