"""Bringing public data into a project: a row for each file, which the worker hands to Slurm (jobs.py)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.audit import service as audit
from hub.dataspace import service
from hub.dataspace.models import Access, Record
from hub.dataspace.transfers.models import Progress, Transfer, TransferForm, TransferSpec, TransferState
from hub.dataspace.transfers.tables import TransferRow
from hub.db.base import now
from hub.errors import Conflict, InvalidInput, NotAllowed, NotFound
from hub.projects.models import Phase as ProjectPhase
from hub.projects.models import ProjectState
from hub.projects.tables import Member, Project
from hub.settings import Settings
from hub.slugs import slug_of
from hub.slurm import naming

AT_ONCE = 20
"""Of one person, not over."""
LISTED = 100
MOVING = (
    *(TransferState.WAITING, TransferState.SUBMITTING, TransferState.QUEUED),
    *(TransferState.RUNNING, TransferState.CANCELLING),
)


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
        nonce=naming.new_nonce(),
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


def _order(settings: Settings, person: str, project: Project, record: Record, form: TransferForm) -> TransferSpec:
    if form.file >= len(record.distributions):
        raise NotFound("The record has no such file.")
    file = record.distributions[form.file]
    if record.access not in (Access.PUBLIC, Access.NOT_STATED):
        raise InvalidInput("This data is not public.", hint="Ask the contact on the record's page.")
    if urlsplit(file.download_url).scheme not in ("http", "https", "s3"):
        raise InvalidInput("Its source states no address the file could be fetched at.", field="file")
    title = _text(file.title) or _text(record.title) or record.uri
    licence = file.licence if file.licence.uri or file.licence.label else record.licence
    return TransferSpec(
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
        directory=TransferSpec.model_validate_json(row.order).project_directory,
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
