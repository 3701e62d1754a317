"""Transfers of public files into projects, and of files of projects into the store.

A row for each file, for which the worker submits a Slurm job (jobs.py).
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.audit import service as audit
from hub.dataspace import service
from hub.dataspace.metadata import usability
from hub.dataspace.models import Acceptance, Distribution, Record
from hub.dataspace.tables import RecordRow
from hub.dataspace.transfers.models import (
    Progress,
    StoredSource,
    Transfer,
    TransferForm,
    TransferKind,
    TransferSpec,
    TransferState,
    UploadJobForm,
    UploadSpec,
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
from hub.store import project_files
from hub.store import service as store

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
    project = _open_project(session, person, form.project)
    row = service.row_for(session, form.record_id, projects)
    _check_address(service.distribution(Record.model_validate_json(row.content), form.file))
    file, accepted = service.usable_file(session, form.record_id, projects, person, form)
    spec = _spec(session, settings, project, row, file, person=person)
    spec = spec.model_copy(update={"accepted": accepted and _shortened(accepted)})
    about = {"record_id": row.id, "title": spec.title, "address": spec.address}
    transfer = _add(session, project, person, TransferKind.BRING, spec, **about)
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


def request_upload(session: Session, settings: Settings, person: str, form: UploadJobForm) -> Transfer:
    """Request that a job of the person uploads a file of a project's directory to the store.

    Whether there is such a file, the job sees: the API cannot read projects.

    :raises NotFound: the person has no such project.
    :raises InvalidInput: the path leads out of the project's directory.
    :raises Conflict: the project is not open for jobs, or the person has too many unfinished transfers.
    """
    project = _open_project(session, person, form.project)
    directory = str(settings.paths.projects / project.slug)
    path = project_files.relative_path(directory, form.path)
    spec = UploadSpec(transfer=0, project_directory=directory, project=project.slug, path=path)
    about = {"record_id": 0, "title": path.rpartition("/")[2][:300], "address": f"file://{directory}/{path}"}
    transfer = _add(session, project, person, TransferKind.UPLOAD, spec, **about)
    after = {"path": path, "transfer": transfer.id}
    audit.record(session, who=person, what="upload requested", on=f"project/{project.slug}", after=after)
    session.commit()
    return view(transfer)


def _open_project(session: Session, person: str, slug: str) -> Project:
    """A project of the person that is open for jobs; raises :class:`NotFound` and :class:`Conflict`."""
    project = session.scalar(memberships(person).with_only_columns(Project).where(Project.slug == slug))
    if project is None:
        raise no_project(slug)
    if project.phase is not ProjectPhase.OPEN or project.state is not ProjectState.ACTIVE:
        raise Conflict("The project is not open for jobs.", hint="Choose another, or wait until it is.")
    return project


def _add(
    session: Session,
    project: Project,
    person: str,
    kind: TransferKind,
    spec: TransferSpec | UploadSpec,
    **about: Any,
) -> TransferRow:
    """Add a transfer, in the caller's transaction. Raises :class:`Conflict`: the person has too many unfinished."""
    unfinished = select(TransferRow.id).where(TransferRow.person == person, TransferRow.state.in_(UNFINISHED))
    if len(session.scalars(unfinished).all()) >= AT_ONCE:
        raise Conflict(f"{AT_ONCE} transfers of yours are unfinished.", hint="Wait until one of them has ended.")
    transfer = TransferRow(
        kind=kind,
        project=project.slug,
        account=project.account,
        person=person,
        order=spec.model_dump_json(),
        state=TransferState.WAITING,
        nonce=naming.new_nonce(),
        reason="",
        created=now(),
        touched=now(),
        **about,
    )
    session.add(transfer)
    session.flush()
    transfer.order = spec.model_copy(update={"transfer": transfer.id}).model_dump_json()
    return transfer


def _check_address(file: Distribution) -> None:
    if urlsplit(file.download_url).scheme not in ("http", "https", "s3"):
        raise InvalidInput("Its source states no address to fetch the file from.", field="file")


def _spec(
    session: Session, settings: Settings, project: Project, row: RecordRow, file: Distribution, *, person: str
) -> TransferSpec:
    local = service.local_file(session, row, file, settings.dataspace.folders)
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
        stored=_stored_source(session, row, file),
        format=file.format,
        checksum=file.checksum,
        bytes=file.bytes,
        storage_bytes=_storage_bytes(session, project),
        allowed_hosts=settings.dataspace.allowed_hosts,
        record=record.uri,
        title=title[:300],
        licence=licence.uri or _text(licence.label),
        source=_text(record.publisher.name),
        person=person,
    )


def _stored_source(session: Session, row: RecordRow, file: Distribution) -> StoredSource | None:
    sha256 = service.stored_digest(session, row, file)
    if not sha256:
        return None
    path = f"/dataspace/catalogue/{row.uri.rpartition('/')[2]}{file.download_url.removeprefix(row.uri)}"
    return StoredSource(record=row.id, sha256=sha256, path=path)


def _storage_bytes(session: Session, project: Project) -> int:
    """Bytes that the project's directory may have: published files count against its storage; 0 for no limit."""
    if not project.storage_gb:
        return 0
    return max(1, project.storage_gb * 10**9 - store.bytes_of(session, project.slug))


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


def has_brought(session: Session, person: str) -> bool:
    """Whether a file was copied to a project at the person's request."""
    is_done = (TransferRow.kind == TransferKind.BRING) & (TransferRow.state == TransferState.DONE)
    query = select(TransferRow.id).where(TransferRow.person == person, is_done).limit(1)
    return session.scalar(query) is not None


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
        kind=row.kind,
        project=row.project,
        directory=json.loads(row.order)["project_directory"],
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
