"""Transfers of public files into projects: a row for each file, for which the worker submits a Slurm job (jobs.py)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes, urlsplit

from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.audit import service as audit
from hub.dataspace import service
from hub.dataspace.metadata import usability
from hub.dataspace.models import Acceptance, Distribution, LocalFile, Record
from hub.dataspace.tables import RecordRow
from hub.dataspace.transfers.models import (
    Progress,
    Transfer,
    TransferForm,
    TransferSpec,
    TransferState,
    is_file_name_character,
)
from hub.dataspace.transfers.tables import TransferRow
from hub.db.base import now
from hub.errors import Conflict, InvalidInput, NotAllowed, NotFound
from hub.projects.models import Phase as ProjectPhase
from hub.projects.models import ProjectState
from hub.projects.service import memberships, no_project
from hub.projects.tables import Project
from hub.settings import Settings
from hub.slugs import slug_of
from hub.slurm import naming

AT_ONCE = 20
"""Unfinished transfers of one person."""
LISTED = 100
LONGEST_CONDITIONS = 12_000
"""Characters of accepted conditions in the manifest of a file."""
UNFINISHED = (
    *(TransferState.WAITING, TransferState.SUBMITTING, TransferState.QUEUED),
    *(TransferState.RUNNING, TransferState.CANCELLING),
)


def request(
    session: Session, settings: Settings, person: str, projects: frozenset[str], form: TransferForm
) -> Transfer:
    """Request a transfer.

    :raises NotFound: the record may not be seen, or has no such file, or the person has no such project.
    :raises NotAllowed: the file may not be used; the message says why.
    :raises InvalidInput: the file has no address to fetch it from.
    :raises TermsNotAccepted: the file has conditions that the person has not accepted, or that have changed since.
    :raises Conflict: the project is not open for jobs, or the person has too many unfinished transfers.
    """
    project = session.scalar(memberships(person).where(Project.slug == form.project))
    if project is None:
        raise no_project(form.project)
    if project.phase is not ProjectPhase.OPEN or project.state is not ProjectState.ACTIVE:
        raise Conflict("The project is not open for jobs.", hint="Choose another, or wait until it is.")
    row = service.row_for(session, form.record_id, projects)
    _check_address(service.distribution(Record.model_validate_json(row.content), form.file))
    file, accepted = service.usable_file(session, form.record_id, projects, person, form)
    local = service.local_file(session, row, file, settings.dataspace.folders)
    spec = _spec(settings, project, row, file, local=local, person=person)
    spec = spec.model_copy(update={"accepted": accepted and _shortened(accepted)})
    unfinished = select(TransferRow.id).where(TransferRow.person == person, TransferRow.state.in_(UNFINISHED))
    if len(session.scalars(unfinished).all()) >= AT_ONCE:
        raise Conflict(f"{AT_ONCE} transfers of yours are unfinished.", hint="Wait until one of them has ended.")
    transfer = TransferRow(
        project=project.slug,
        account=project.account,
        person=person,
        record_id=row.id,
        title=spec.title,
        address=spec.address,
        order=spec.model_dump_json(),
        state=TransferState.WAITING,
        nonce=naming.new_nonce(),
        reason="",
        created=now(),
        touched=now(),
    )
    session.add(transfer)
    session.flush()
    transfer.order = spec.model_copy(update={"transfer": transfer.id}).model_dump_json()
    target = f"project/{project.slug}"
    audit.record(
        session,
        who=person,
        what="data transfer requested",
        on=target,
        after={"from": spec.address, "transfer": transfer.id, "accepted": accepted.digest if accepted else None},
    )
    session.commit()
    return view(transfer)


def _check_address(file: Distribution) -> None:
    if urlsplit(file.download_url).scheme not in ("http", "https", "s3"):
        raise InvalidInput("Its source states no address to fetch the file from.", field="file")


def _spec(
    settings: Settings, project: Project, row: RecordRow, file: Distribution, *, local: LocalFile | None, person: str
) -> TransferSpec:
    record = Record.model_validate_json(row.content)
    title = _text(file.title) or _text(record.title) or record.uri
    licence = usability.licence_of(record, file)
    return TransferSpec(
        transfer=0,
        project_directory=str(settings.paths.projects / project.slug),
        folder=folder_name(_text(record.title), row.id),
        name=file_name(file.download_url, file.format),
        address=f"file://{local.path}" if local else file.download_url,
        local_file=local,
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


def _shortened(accepted: Acceptance) -> Acceptance:
    """The first conditions, as many as the job's one argument has room for; the audit trail has all of them."""
    conditions = list[str]()
    for condition in accepted.conditions:
        if sum(map(len, conditions)) + len(condition) > LONGEST_CONDITIONS:
            conditions.append("Further conditions are in the audit trail under this digest.")
            break
        conditions.append(condition)
    return accepted.model_copy(update={"conditions": tuple(conditions)})


def folder_name(title: str, number: int) -> str:
    """Name of a record's folder: ``air-quality-brussels-12``."""
    return f"{slug_of(title, 50) or 'record'}-{number}"


def file_name(address: str, stated_type: str) -> str:
    """The last part of an address as a file name in its own script, with an extension for its type if it has none."""
    last = _unquoted(urlsplit(address).path).rpartition("/")[2]
    characters = unicodedata.normalize("NFC", last)
    plain = re.sub(r"_+", "_", "".join(sign if is_file_name_character(sign) else "_" for sign in characters))
    plain = _last_bytes(plain.strip("._-"), 120).lstrip("._-")
    ending = re.sub(r"[^a-z0-9]", "", stated_type.lower())[:10]
    if not plain:
        return f"data.{ending}" if ending else "data"
    return plain if "." in plain or not ending else f"{plain}.{ending}"


def _unquoted(path: str) -> str:
    """A path of an address as text: UTF-8, or what old servers in Western Europe use."""
    data = unquote_to_bytes(path)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _last_bytes(text: str, count: int) -> str:
    """The end of a text that has at most ``count`` bytes in UTF-8."""
    return text.encode()[-count:].decode(errors="ignore")


def _text(texts: Mapping[str, str]) -> str:
    return texts.get("en") or texts.get("und") or next(iter(texts.values()), "")


def listed(session: Session, person: str, projects: frozenset[str]) -> tuple[Transfer, ...]:
    """Transfers of the person and into these projects, the newest first."""
    visible = (TransferRow.project.in_(projects)) | (TransferRow.person == person)
    rows = session.scalars(select(TransferRow).where(visible).order_by(TransferRow.id.desc()).limit(LISTED))
    return tuple(map(view, rows))


def row_for(session: Session, person: str, projects: frozenset[str], number: int) -> TransferRow:
    """A transfer that the person may see; raises :class:`NotFound`."""
    row = session.get(TransferRow, number)
    if row is None or (row.person != person and row.project not in projects):
        raise NotFound("There is no such transfer.")
    return row


def cancel(session: Session, person: str, projects: frozenset[str], number: int) -> Transfer:
    """Cancel a transfer. What was copied stays hidden, and a new try continues it."""
    row = row_for(session, person, projects, number)
    if row.person != person:
        raise NotAllowed(f"This is a transfer of {row.person}.")
    if row.state in UNFINISHED:
        row.state, row.touched = TransferState.CANCELLING, now()
        session.commit()
    return view(row)


def view(row: TransferRow) -> Transfer:
    """A transfer for its people."""
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
