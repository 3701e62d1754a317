"""The store in :class:`hub.client.Api`: uploads that go on where they stopped. Used in notebooks and by jobs.

The file is read by the person's own process: the account of the store cannot read people's files.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import IO, TypeVar

from hub.connection import Connection
from hub.errors import AtriumError, HubUnavailable
from hub.store.models import PART_BYTES, Upload, UploadForm, UploadState

PART_SECONDS = 60.0
CHECK_SECONDS = 2.0
"""Interval at which an upload is read while its checksum is verified."""
PAUSES = (1, 2, 4, 8, 15, 30, 30, 30, 30, 30)
"""Seconds to wait before a request is repeated while Atrium does not answer: it may be restarting."""
_CHUNK_BYTES = 2**20
_CHECKED = (UploadState.CHECKING, UploadState.STORING)

Report = Callable[[int, int], None]
"""Called with the bytes that have been sent, and those of the whole file."""
Answer = TypeVar("Answer")


def _silent(_sent: int, _total: int) -> None:
    pass


class Store:
    """What ``Api.store`` offers."""

    def __init__(self, connection: Connection, *, pause: Callable[[float], None] = time.sleep) -> None:
        self._connection = connection
        self.pause = pause

    def uploads(self) -> tuple[Upload, ...]:
        """Uploads of mine, the newest first."""
        return self._connection.get("/store/uploads", tuple[Upload, ...])

    def get(self, upload_id: int) -> Upload:
        return self._connection.get(f"/store/uploads/{upload_id:d}", Upload)

    def begin(self, form: UploadForm) -> Upload:
        """Begin an upload, or return the one of the same content, which then goes on."""
        return self._connection.send("POST", "/store/uploads", form, Upload)

    def write_part(self, upload_id: int, offset: int, part: bytes) -> Upload:
        """Send a part; one that has arrived already may be sent again."""
        path, sha256 = f"/store/uploads/{upload_id:d}/content", hashlib.sha256(part).hexdigest()
        return self._connection.put_bytes(path, part, Upload, seconds=PART_SECONDS, offset=offset, sha256=sha256)

    def finish(self, upload_id: int) -> Upload:
        """Have the checksum of a file that has arrived verified."""
        return self._connection.send("POST", f"/store/uploads/{upload_id:d}/finish", None, Upload)

    def upload(self, file: IO[bytes], *, project: str, name: str, report: Report = _silent) -> Upload:
        """Upload a file for a project and wait until it is stored; an upload that was broken off goes on.

        :raises NotFound: I am no member of the project.
        :raises StorageFull: there is no room for it.
        :raises AtriumError: it was changed meanwhile, or damaged on its way.
        """
        form = described(file, project=project, name=name)
        report(0, form.bytes)
        upload = self._again(lambda: self.begin(form))
        while upload.state is UploadState.SENDING and upload.received < upload.bytes:
            upload = self._next_part(file, upload)
            report(upload.received, upload.bytes)
        if upload.state is UploadState.SENDING:
            upload = self._again(lambda: self.finish(upload.id))
        upload_id = upload.id
        while upload.state in _CHECKED:
            self.pause(CHECK_SECONDS)
            upload = self._again(lambda: self.get(upload_id))
        if upload.state is not UploadState.STORED:
            raise AtriumError(upload.reason or f"The upload is {upload.state}.")
        return upload

    def _next_part(self, file: IO[bytes], upload: Upload) -> Upload:
        file.seek(upload.received)
        part = file.read(min(PART_BYTES, upload.bytes - upload.received))
        if len(part) < min(PART_BYTES, upload.bytes - upload.received):
            raise AtriumError("The file became shorter while it was uploaded.", hint="Upload it again.")
        return self._again(lambda: self.write_part(upload.id, upload.received, part))

    def _again(self, request: Callable[[], Answer]) -> Answer:
        """Repeat a request, which is safe to repeat, while Atrium does not answer."""
        for seconds in PAUSES:
            try:
                return request()
            except HubUnavailable:
                self.pause(seconds)
        return request()


def described(file: IO[bytes], *, project: str, name: str) -> UploadForm:
    """Name, size and SHA-256 of a file, for the beginning of its upload."""
    digest = hashlib.sha256()
    file.seek(0)
    while chunk := file.read(_CHUNK_BYTES):
        digest.update(chunk)
    return UploadForm(project=project, name=name, bytes=file.tell(), sha256=digest.hexdigest())
