"""``/store/uploads``: files on their way into the store."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request

from hub.context import AskingPerson, RowId, Sessions
from hub.errors import NotAllowed
from hub.store import service
from hub.store.context import Uploading
from hub.store.files import StoreFiles
from hub.store.models import Digest, Upload, UploadForm

router = APIRouter(prefix="/store", tags=["store"])

UploadId = Annotated[RowId, Path(description="Number of the upload")]
Offset = Annotated[int, Query(ge=0, le=2**53, description="Where the part begins, a multiple of 4 MiB")]
PartDigest = Annotated[Digest, Query(description="SHA-256 of the part")]
_BYTES = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}


async def _body(request: Request, _uploader: Uploading) -> bytes:
    """The body, of which the app bounds the length (hub/app.py); nothing of it is read for a stranger."""
    return await request.body()


@router.get("/uploads")
def uploads(asking: AskingPerson) -> tuple[Upload, ...]:
    """List your uploads, newest first."""
    return service.listed(asking.session, asking.settings, asking.person.name)


@router.post("/uploads", status_code=201)
def begin(uploading: Uploading, sessions: Sessions, form: UploadForm) -> Upload:
    """Start an upload of a file for one of your projects, or go on with the one of the same content.

    Send the parts after `received`, then request its check.
    """
    if not uploading.may_upload_for(form.project):
        raise NotAllowed("This job uploads for another project.")
    with sessions() as session:
        return service.begin(session, uploading.settings, uploading.person, form)


@router.get("/uploads/{upload_id}")
def upload(uploading: Uploading, sessions: Sessions, upload_id: UploadId) -> Upload:
    """Read an upload."""
    with sessions() as session:
        return service.view(StoreFiles(uploading.settings), uploading.row_for(session, upload_id))


@router.put("/uploads/{upload_id}/content", openapi_extra={"requestBody": {"required": True, **_BYTES}})
def write_part(
    uploading: Uploading,
    sessions: Sessions,
    *,
    upload_id: UploadId,
    offset: Offset,
    sha256: PartDigest,
    part: Annotated[bytes, Depends(_body)],
) -> Upload:
    """Send a part of a file: the body is its bytes.

    Every part has 4 MiB, but the last. A part may be sent again.
    """
    with sessions() as session:
        row = uploading.row_for(session, upload_id)
        return service.write_part(session, uploading.settings, row, offset=offset, sha256=sha256, part=part)


@router.post("/uploads/{upload_id}/finish")
def finish(uploading: Uploading, sessions: Sessions, upload_id: UploadId) -> Upload:
    """Request the check of an upload of which everything has arrived.

    Its checksum is verified; read the upload until its state is `stored` or `failed`.
    """
    with sessions() as session:
        return service.finish(session, uploading.settings, uploading.row_for(session, upload_id))
