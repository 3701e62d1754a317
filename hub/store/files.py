"""Files of the store on disk: ``uploads/`` has what arrives, ``objects/`` what is complete, by SHA-256.

A file in ``objects/`` never changes. What arrives is written in place, part after part, under a lock; when everything
has arrived the file is renamed, so that no part that comes late can change what is being checked.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hub.db.engine import is_storage_full
from hub.errors import Conflict, StorageFull
from hub.health.storage import free_bytes
from hub.settings import Settings
from hub.store.models import PART_BYTES

_CHUNK_BYTES = 2**20


class StoreFiles:
    """The store's folder; only the account of the API and the worker enters it."""

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.store.folder or settings.paths.state / "store"

    # -- what arrives

    def begin(self, upload: int) -> None:
        """Create the empty file of an upload; one that exists stays as it is. Raises :class:`StorageFull`."""
        with _full_storage_named():
            _private_folder(self._arriving(upload).parent)
            os.close(os.open(self._arriving(upload), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def received(self, upload: int, total: int) -> int:
        """Bytes that have arrived from the beginning, in whole parts; 0 if the upload has no file."""
        try:
            return _whole_parts(self._arriving(upload).stat().st_size, total)
        except FileNotFoundError:
            return 0

    def write(self, upload: int, offset: int, part: bytes, total: int) -> int:
        """Write a part that follows what has arrived, or repeats some of it; returns how much has arrived then.

        When this returns, the part is on the disk.

        :raises Conflict: parts before it are missing, another process sends, or the upload takes no parts any more.
        :raises StorageFull: there is no room for it.
        """
        with self._locked(upload) as descriptor, _full_storage_named():
            size = _whole_parts(os.fstat(descriptor).st_size, total)
            if offset > size:
                raise Conflict(f"The upload has {size} bytes; the next part follows them.", field="offset")
            os.ftruncate(descriptor, size)  # of a part that was broken off
            view = memoryview(part)
            while view:
                written = os.pwrite(descriptor, view, offset)
                view, offset = view[written:], offset + written
            os.fsync(descriptor)
            return max(size, offset)

    def close(self, upload: int) -> None:
        """Take no more parts of an upload. Safe to run twice. Raises :class:`Conflict` while a part is written."""
        if not self._closed(upload).exists():
            with self._locked(upload):
                self._arriving(upload).rename(self._closed(upload))

    def sha256_of(self, upload: int) -> str:
        """SHA-256 of the file of a closed upload; an empty text if it has none."""
        digest = hashlib.sha256()
        try:
            with self._closed(upload).open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    digest.update(chunk)
        except FileNotFoundError:
            return ""
        return digest.hexdigest()

    def store(self, upload: int, sha256: str) -> None:
        """Move the file of a closed upload, which has this SHA-256, among the objects. Safe to run twice."""
        closed, target = self._closed(upload), self.object_path(sha256)
        if not closed.exists():
            return
        closed.chmod(0o400)
        _private_folder(target.parent)
        closed.rename(target)
        _sync_folder(target.parent)

    def discard(self, upload: int) -> None:
        """Delete what has arrived of an upload."""
        for path in (self._arriving(upload), self._closed(upload)):
            path.unlink(missing_ok=True)

    def uploads(self) -> set[int]:
        """Numbers of the uploads that have a file."""
        return {int(path.stem) for path in (self.folder / "uploads").glob("*.*") if path.stem.isdecimal()}

    # -- what is complete

    def object_path(self, sha256: str) -> Path:
        """Where an object is, or would be."""
        return self.folder / "objects" / sha256[:2] / sha256[2:4] / sha256

    def remove(self, sha256: str) -> None:
        """Delete an object. Whoever reads it at the moment reads it to its end."""
        self.object_path(sha256).unlink(missing_ok=True)

    def free_bytes(self) -> int:
        """Bytes that are free in the file system."""
        _private_folder(self.folder)
        return free_bytes(self.folder)

    def _arriving(self, upload: int) -> Path:
        return self.folder / "uploads" / f"{upload:d}.part"

    def _closed(self, upload: int) -> Path:
        return self.folder / "uploads" / f"{upload:d}.closed"

    @contextmanager
    def _locked(self, upload: int) -> Iterator[int]:
        """Descriptor of the file of an upload that still takes parts."""
        path = self._arriving(upload)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            raise _no_more_parts() from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not _is_same(path, descriptor):  # it was closed between the two lines above
                raise _no_more_parts()
            yield descriptor
        except BlockingIOError as error:
            raise Conflict("Another process of yours sends this file.", hint="Wait until it has ended.") from error
        finally:
            os.close(descriptor)


def _no_more_parts() -> Conflict:
    return Conflict("This upload takes no parts any more.", hint="Read its state, or start it again.")


def _is_same(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _whole_parts(size: int, total: int) -> int:
    """Bytes of whole parts; the last part of a file ends where the file ends."""
    return total if size >= total else size - size % PART_BYTES


def _private_folder(folder: Path) -> None:
    """Create a folder, and those above it, for the store's account alone."""
    if not folder.is_dir():
        _private_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    """Write the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _full_storage_named() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if not is_storage_full(error):
            raise
        raise StorageFull("Storage is full.") from error
