"""Uploads of people, and what refers to stored files.

Knowing a SHA-256 gives nothing: something of a project refers to an object only if the person who writes the reference
has uploaded that very content for that project.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from hub.db.base import now
from hub.errors import Conflict, InvalidInput, NotFound, StorageFull
from hub.formats import quantity
from hub.projects.service import memberships, no_project, role_in
from hub.projects.tables import Project
from hub.settings import Settings
from hub.store.files import StoreFiles
from hub.store.models import PART_BYTES, StoredFile, Upload, UploadForm, UploadState
from hub.store.tables import ReferenceRow, UploadRow

AT_ONCE = 20
"""Uploads of one person that are not complete."""
LISTED = 100
UNFINISHED = (UploadState.SENDING, UploadState.CHECKING, UploadState.STORING)
_GB = 10**9


# -- uploads ----------------------------------------------------------------------------------------------------------


def begin(session: Session, settings: Settings, person: str, form: UploadForm) -> Upload:
    """Begin an upload, or return the one of the same content that is there: a client continues after ``received``.

    :raises NotFound: the person is no member of such a project.
    :raises InvalidInput: the file is larger than the settings accept.
    :raises StorageFull: the project or the file system has no room for it.
    :raises Conflict: the person has too many uploads that are not complete.
    """
    of_person = memberships(person).with_only_columns(Project).where(Project.slug == form.project)
    project = session.scalar(of_person.with_for_update(of=Project))  # two files at once count one after the other
    if project is None:
        raise no_project(form.project)
    files = StoreFiles(settings)
    row = _same_upload(session, person, form)
    if row is None:
        _check_number(session, person)
        _check_room(session, settings, project, form)
        fields = {"person": person, "state": UploadState.SENDING, "reason": "", "created": now()}
        row = UploadRow(**form.model_dump(), **fields)
        session.add(row)
    row.name, row.touched = form.name, now()
    session.commit()
    if row.state is UploadState.SENDING:
        files.begin(row.id)
    return view(files, row)


def _same_upload(session: Session, person: str, form: UploadForm) -> UploadRow | None:
    """An upload of this content by this person for this project that has not failed."""
    return session.scalar(
        select(UploadRow)
        .where(UploadRow.person == person, UploadRow.project == form.project)
        .where(UploadRow.sha256 == form.sha256, UploadRow.bytes == form.bytes, UploadRow.state != UploadState.FAILED)
        .order_by(UploadRow.id.desc())
        .limit(1)
    )


def _check_number(session: Session, person: str) -> None:
    unfinished = select(func.count()).where(UploadRow.person == person, UploadRow.state.in_(UNFINISHED))
    if (session.scalar(unfinished) or 0) >= AT_ONCE:
        raise Conflict(f"{AT_ONCE} uploads of yours are not complete.", hint="Complete one of them, or wait.")


def _check_room(session: Session, settings: Settings, project: Project, form: UploadForm) -> None:
    size = form.bytes
    if size > settings.store.largest_gb * _GB:
        raise InvalidInput(
            f"The file has {quantity(size)} bytes; the largest that is accepted has {settings.store.largest_gb:g} GB.",
            field="bytes",
        )
    if project.storage_gb and bytes_of(session, project.slug, without=form) + size > project.storage_gb * _GB:
        raise StorageFull(
            f"The project's storage of {quantity(project.storage_gb)} GB has no room for {quantity(size)} bytes more "
            "of published files.",
            field="bytes",
            hint="Withdraw what is not needed, or ask for more.",
        )
    files = StoreFiles(settings)
    unfinished = session.scalars(select(UploadRow).where(UploadRow.state == UploadState.SENDING))
    reserved = sum(row.bytes - files.received(row.id, row.bytes) for row in unfinished)
    if size + reserved + settings.store.spare_gb * _GB > files.free_bytes():
        raise StorageFull("Storage is full.", field="bytes")


def bytes_of(session: Session, project: str, *, without: UploadForm | None = None) -> int:
    """Bytes of the files that people have uploaded for a project or are uploading, each content once.

    A content is its SHA-256 and its size: a SHA-256 alone is the word of the person who uploads.

    :param without: a content that is not counted.
    """
    rows = select(UploadRow.sha256, UploadRow.bytes)
    rows = rows.where(UploadRow.project == project, UploadRow.state != UploadState.FAILED)
    if without is not None:
        rows = rows.where(or_(UploadRow.sha256 != without.sha256, UploadRow.bytes != without.bytes))
    contents = rows.distinct().subquery()
    return int(session.scalar(select(func.coalesce(func.sum(contents.c.bytes), 0))) or 0)


def row_for(session: Session, person: str, upload_id: int) -> UploadRow:
    """An upload of a person who is still a member of its project; raises :class:`NotFound`."""
    row = session.get(UploadRow, upload_id)
    if row is None or row.person != person or role_in(session, person, row.project) is None:
        raise NotFound("There is no such upload.", hint="An upload that is not used is deleted after some time.")
    return row


def write_part(
    session: Session, settings: Settings, row: UploadRow, *, offset: int, sha256: str, part: bytes
) -> Upload:
    """Write a part of an upload. A part may be sent again, so an upload that was broken off goes on.

    :raises InvalidInput: the part has another place, length or SHA-256 than it should have.
    :raises Conflict: parts before it are missing, or the upload takes no parts any more.
    :raises StorageFull: there is no room for it.
    """
    if row.state is not UploadState.SENDING:
        raise Conflict(f"This upload takes no parts any more; it is {row.state}.", hint="Read its state.")
    if offset % PART_BYTES or offset >= row.bytes:
        raise InvalidInput(f"Parts begin at multiples of {PART_BYTES} within the file.", field="offset")
    if len(part) != min(PART_BYTES, row.bytes - offset):
        raise InvalidInput(f"A part has {PART_BYTES} bytes; only the last one is shorter.")
    if hashlib.sha256(part).hexdigest() != sha256:
        raise InvalidInput("The part has another SHA-256 than stated.", field="sha256", hint="Send it again.")
    files = StoreFiles(settings)
    files.write(row.id, offset, part, row.bytes)
    row.touched = now()
    session.commit()
    return view(files, row)


def finish(session: Session, settings: Settings, row: UploadRow) -> Upload:
    """Have the worker check an upload that has arrived. Safe to run twice.

    :raises Conflict: parts are missing.
    """
    files = StoreFiles(settings)
    if row.state is UploadState.SENDING:
        received = files.received(row.id, row.bytes)
        if received < row.bytes:
            raise Conflict(
                f"{quantity(row.bytes - received)} bytes are missing.", hint="Send the parts after those received."
            )
        row.state, row.touched = UploadState.CHECKING, now()
        session.commit()
    return view(files, row)


def listed(session: Session, settings: Settings, person: str) -> tuple[Upload, ...]:
    """Uploads of a person, the newest first."""
    files = StoreFiles(settings)
    rows = session.scalars(
        select(UploadRow).where(UploadRow.person == person).order_by(UploadRow.id.desc()).limit(LISTED)
    )
    return tuple(view(files, row) for row in rows)


def view(files: StoreFiles, row: UploadRow) -> Upload:
    """An upload for its person."""
    return Upload(
        id=row.id,
        project=row.project,
        name=row.name,
        bytes=row.bytes,
        sha256=row.sha256,
        state=row.state,
        received=files.received(row.id, row.bytes) if row.state is UploadState.SENDING else row.bytes,
        reason=row.reason,
        created=row.created,
    )


# -- references -------------------------------------------------------------------------------------------------------


def referable(
    session: Session, *, owner: str, project: str, person: str, digests: Collection[str]
) -> Mapping[str, StoredFile]:
    """Objects that ``owner`` may refer to, by their SHA-256.

    :param person: who asks; what ``owner`` refers to already needs no upload of theirs.
    :raises InvalidInput: the person has not uploaded a content for this project.
    """
    is_stored = (UploadRow.project == project, UploadRow.state == UploadState.STORED)
    files = {}
    for sha256 in digests:
        of_content = select(UploadRow).where(UploadRow.sha256 == sha256, *is_stored).order_by(UploadRow.id.desc())
        if not is_referred(session, owner, sha256):
            of_content = of_content.where(UploadRow.person == person)
        row = session.scalars(of_content).first()
        if row is None:
            raise _not_uploaded()
        files[sha256] = StoredFile(sha256=sha256, name=row.name, bytes=row.bytes)
    return files


def refer(session: Session, *, owner: str, project: str, person: str, digests: Collection[str]) -> None:
    """Let ``owner`` refer to exactly these objects, in the caller's transaction.

    :raises InvalidInput: as :func:`referable`; the worker may have deleted an upload since.
    """
    current = set(session.scalars(select(ReferenceRow.sha256).where(ReferenceRow.owner == owner)))
    for sha256 in sorted(set(digests) - current):
        of_person = (UploadRow.person == person, UploadRow.sha256 == sha256, UploadRow.state == UploadState.STORED)
        if not _touch(session, *of_person, UploadRow.project == project):
            raise _not_uploaded()
        session.add(ReferenceRow(owner=owner, sha256=sha256, project=project))
    _release(session, owner, current - set(digests))
    session.flush()


def _not_uploaded() -> InvalidInput:
    hint = "Upload it first; an uploaded file that is not published is deleted after some time."
    return InvalidInput("You have not uploaded this file for this project.", field="files", hint=hint)


def release(session: Session, owner: str) -> None:
    """Let ``owner`` refer to nothing any more, in the caller's transaction."""
    _release(session, owner, session.scalars(select(ReferenceRow.sha256).where(ReferenceRow.owner == owner)).all())


def is_referred(session: Session, owner: str, sha256: str) -> bool:
    """Whether ``owner`` refers to this object."""
    return session.get(ReferenceRow, (owner, sha256)) is not None


def _release(session: Session, owner: str, digests: Iterable[str]) -> None:
    for sha256 in digests:
        reference = session.get_one(ReferenceRow, (owner, sha256))
        _touch(session, UploadRow.sha256 == sha256, UploadRow.project == reference.project)
        session.execute(delete(ReferenceRow).where(ReferenceRow.owner == owner, ReferenceRow.sha256 == sha256))


def _touch(session: Session, *conditions: object) -> int:
    """Keep uploads for another while, also from a worker that is about to delete them; returns how many there are."""
    statement = update(UploadRow).where(*conditions).values(touched=now())  # type: ignore[arg-type]
    return int(session.execute(statement).rowcount)  # type: ignore[attr-defined]
