"""The worker's part: uploads are checked and stored, and what nothing refers to is deleted.

One job does both, one after the other: nothing is deleted while a new upload of the same content is stored. It may be
killed at any moment; the next run goes on.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from sqlalchemy import ColumnElement, delete, exists, select
from sqlalchemy.orm import Session, sessionmaker

from hub.audit import service as audit
from hub.db.base import now
from hub.loops import by_itself
from hub.settings import Settings
from hub.store.files import StoreFiles
from hub.store.models import UploadState
from hub.store.service import UNFINISHED
from hub.store.tables import ObjectRow, ReferenceRow, UploadRow

logger = logging.getLogger(__name__)

WRONG_SHA256 = (
    "What has arrived has another checksum than the file had: it was changed meanwhile, or damaged on its way. "
    "Upload it again."
)


def tend_store(sessions: sessionmaker[Session], settings: Settings) -> None:
    """Check and store what has arrived, then delete what is not used any more."""
    files = StoreFiles(settings)
    _store_arrived(sessions, files)
    with by_itself("sweep of uploads"):
        _sweep_uploads(sessions, settings, files)
    _sweep_objects(sessions, files)


def _store_arrived(sessions: sessionmaker[Session], files: StoreFiles) -> None:
    """Advance every upload that has arrived; one that fails does not hold up the others."""
    with sessions() as session:
        states = (UploadState.CHECKING, UploadState.STORING)
        arrived = session.execute(
            select(UploadRow.id, UploadRow.sha256, UploadRow.state).where(UploadRow.state.in_(states))
        ).all()
    for upload, sha256, state in arrived:
        with by_itself(f"upload {upload}"):
            if state is UploadState.STORING or _is_right(sessions, files, upload, sha256):
                _store(sessions, files, upload, sha256)


def _is_right(sessions: sessionmaker[Session], files: StoreFiles, upload: int, sha256: str) -> bool:
    """Check an upload's content; the row of its object is there before the file is."""
    files.close(upload)
    is_right = files.sha256_of(upload) == sha256
    with sessions() as session:
        row = session.get_one(UploadRow, upload)
        row.state, row.touched = UploadState.STORING if is_right else UploadState.FAILED, now()
        row.reason = "" if is_right else WRONG_SHA256
        if is_right and session.get(ObjectRow, sha256) is None:
            session.add(ObjectRow(sha256=sha256, bytes=row.bytes, created=now()))
        session.commit()
    if not is_right:
        files.discard(upload)
    return is_right


def _store(sessions: sessionmaker[Session], files: StoreFiles, upload: int, sha256: str) -> None:
    files.store(upload, sha256)
    with sessions() as session:
        row = session.get_one(UploadRow, upload)
        row.state, row.touched = UploadState.STORED, now()
        content = {"name": row.name, "bytes": row.bytes, "sha256": sha256}
        audit.record(session, who=row.person, what="file uploaded", on=f"project/{row.project}", after=content)
        session.commit()


def _sweep_uploads(sessions: sessionmaker[Session], settings: Settings, files: StoreFiles) -> None:
    """Delete uploads that are not continued, have failed, or are not used; then files of uploads that are gone."""
    unused_since = now() - timedelta(hours=settings.store.unused_hours)
    unfinished_since = now() - timedelta(hours=settings.store.unfinished_hours)
    is_used = exists().where(ReferenceRow.sha256 == UploadRow.sha256, ReferenceRow.project == UploadRow.project)
    expired: tuple[tuple[ColumnElement[bool], ...], ...] = (
        (UploadRow.state == UploadState.SENDING, UploadRow.touched < unfinished_since),
        (UploadRow.state == UploadState.FAILED, UploadRow.touched < unused_since),
        (UploadRow.state == UploadState.STORED, UploadRow.touched < unused_since, ~is_used),
    )
    with sessions() as session:
        for conditions in expired:
            # One statement: an upload that is used or continued meanwhile is not deleted.
            session.execute(delete(UploadRow).where(*conditions).execution_options(synchronize_session=False))
        session.commit()
    uploads_on_disk = files.uploads()  # before the rows are read: a row is there before its file
    with sessions() as session:
        rows = set(session.scalars(select(UploadRow.id).where(UploadRow.id.in_(uploads_on_disk))))
    for upload in sorted(uploads_on_disk - rows):
        with by_itself(f"upload {upload}, which is gone"):
            files.discard(upload)


def _sweep_objects(sessions: sessionmaker[Session], files: StoreFiles) -> None:
    """Delete objects that nothing refers to and that nobody has uploaded any more: the file, then the row."""
    is_referred = exists().where(ReferenceRow.sha256 == ObjectRow.sha256)
    is_uploaded = exists().where(
        UploadRow.sha256 == ObjectRow.sha256, UploadRow.state.in_((*UNFINISHED, UploadState.STORED))
    )
    with sessions() as session:
        unused = select(ObjectRow.sha256).where(~is_referred, ~is_uploaded).order_by(ObjectRow.sha256)
        for sha256 in session.scalars(unused).all():
            with by_itself(f"object {sha256}, which nothing refers to", session=session):
                files.remove(sha256)
                session.execute(delete(ObjectRow).where(ObjectRow.sha256 == sha256))
                session.commit()
                logger.info("object %s is deleted: nothing refers to it", sha256)
