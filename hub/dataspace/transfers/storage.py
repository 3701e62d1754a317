"""Files in a project's storage, opened by handle and without following links. Used by transfer jobs on the node.

What another member of the project puts in the way cannot lead a transfer anywhere else.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import math
import os
import secrets
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import IO

from hub.errors import AtriumError

SPARE_BYTES = 64 * 2**20
"""Bytes of the file system that a transfer leaves free."""
COUNT_SECONDS = 20.0
"""Time limit of counting the bytes of a project."""
RECOUNT_SECONDS = 300.0
"""The project is counted again after this time while a file is written."""


class TransferFailed(AtriumError):
    """A transfer that fails again however often it is tried."""


@contextmanager
def opened_directory(path: str) -> Iterator[int]:
    """Handle of a directory."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield handle
    finally:
        os.close(handle)


@contextmanager
def subdirectory(folder: int, name: str) -> Iterator[int]:
    """Handle of a directory in ``folder``, created if it does not exist. Raises OSError if a link has its name."""
    with suppress(FileExistsError):
        os.mkdir(name, 0o2770, dir_fd=folder)
    handle = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        yield handle
    finally:
        os.close(handle)


@contextmanager
def locked_file(name: str, folder: int) -> Iterator[IO[bytes]]:
    """A file of the person to read and write, created if it does not exist, and locked against other transfers.

    :raises TransferFailed: another transfer has it locked, or it is somebody else's, a link or no file.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    handle = os.open(name, flags, 0o660, dir_fd=folder)
    with os.fdopen(handle, "r+b") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid() or status.st_nlink != 1:
            raise TransferFailed(f"{name} exists already and is not yours.")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TransferFailed("Another transfer of yours is copying this file.") from error
        yield file


def remove(name: str, folder: int) -> None:
    """Remove a file, if it exists."""
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


def remove_if_empty(name: str, folder: int) -> None:
    """Remove a directory in ``folder`` if nothing is in it."""
    with suppress(OSError):
        os.rmdir(name, dir_fd=folder)


def write_text(name: str, text: str, folder: int) -> None:
    """Write a small file atomically; one that exists is replaced."""
    os.rename(_draft(name, text, folder, 0o660), name, src_dir_fd=folder, dst_dir_fd=folder)


def write_own_text(names: Iterable[str], text: str, folder: int) -> str:
    """Write a small file of the person, which members can edit, under the first name that is free; returns this name.

    A file of the person with the same text is taken to be the same file.

    :raises TransferFailed: no name is free.
    """
    draft = _draft("own", text, folder, 0o660)
    try:
        for name in names:
            with suppress(FileExistsError):
                os.link(draft, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
                return name
            if _is_own_text(name, text, folder):
                return name
    finally:
        os.unlink(draft, dir_fd=folder)
    raise TransferFailed("Files with these names exist already.", hint="Rename them, then try the transfer again.")


def _draft(name: str, text: str, folder: int, mode: int) -> str:
    """Write a hidden file; returns its name, which is new."""
    draft = f".{name}.{os.getpid()}-{secrets.token_hex(4)}.new"
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=folder)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    return draft


def _is_own_text(name: str, text: str, folder: int) -> bool:
    """Whether a file is the person's, is not for everybody to change, and holds ``text``."""
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return False
    with os.fdopen(handle, encoding="utf-8", errors="replace") as file:
        status = os.fstat(handle)
        is_own = stat.S_ISREG(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & stat.S_IWOTH
        return is_own and file.read(len(text) + 1) == text


def read_text(name: str, folder: int) -> str:
    """The first 1000 characters of a file; an empty text if it does not exist."""
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return ""
    with os.fdopen(handle, encoding="utf-8", errors="replace") as file:
        return file.read(1000).strip()


def sha256_of(name: str, folder: int) -> str:
    """SHA-256 of a file in hexadecimal; an empty text if it cannot be opened or is no regular file."""
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return ""
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return ""
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_room(project: int, file: IO[bytes], total: int | None, quota: int) -> None:
    """Check that a file of ``total`` bytes fits before it is copied; nothing is checked if its size is not known.

    :param quota: bytes that the project may store; 0 for no limit.
    :raises TransferFailed: it does not fit.
    """
    if total is None:
        return
    missing = total - os.fstat(file.fileno()).st_size
    if missing > (free := _free_bytes(file)):
        raise TransferFailed(
            f"It needs {_amount(missing)}, and {_amount(max(0, free))} are free.", hint="Make room first."
        )
    if quota and _used_bytes(project) + missing > quota:
        raise TransferFailed(
            f"The project's storage of {_amount(quota)} has no room for {_amount(missing)} more.",
            hint="Delete what is not needed, or ask for more.",
        )


class Room:
    """How long a file may become while it is written, whatever its server says of its size.

    The project is counted again from time to time, because others write too.

    :param quota: bytes that the project may store; 0 for no limit.
    """

    def __init__(self, project: int, file: IO[bytes], quota: int) -> None:
        self._project, self._file, self._quota = project, file, quota
        self._counted_at = -math.inf
        self._longest = 0

    def check(self, length: int) -> None:
        """Raises :class:`TransferFailed` if a file of ``length`` bytes does not fit."""
        if time.monotonic() - self._counted_at > RECOUNT_SECONDS:
            self._count()
        if length > self._longest:
            raise TransferFailed(
                "The project's storage has no room for the rest of the file.",
                hint="Delete what is not needed, or ask for more.",
            )

    def _count(self) -> None:
        """The file itself is counted by what it occupies, like the project's other files."""
        room = _free_bytes(self._file)
        self._file.flush()
        if self._quota:
            room = min(room, self._quota - _used_bytes(self._project))
        self._longest = os.fstat(self._file.fileno()).st_size + max(0, room)
        self._counted_at = time.monotonic()


def _free_bytes(file: IO[bytes]) -> int:
    """Bytes that a transfer may use of the file system."""
    filesystem = os.fstatvfs(file.fileno())
    return filesystem.f_bavail * filesystem.f_frsize - SPARE_BYTES


def _used_bytes(project: int) -> int:
    """Bytes in the project that are counted within :data:`COUNT_SECONDS`; links are not followed."""
    until, used = time.monotonic() + COUNT_SECONDS, 0
    for _, _, names, folder in os.fwalk(".", dir_fd=project, follow_symlinks=False, onerror=None):
        for name in names:
            try:
                used += os.stat(name, dir_fd=folder, follow_symlinks=False).st_blocks * 512
            except OSError:
                continue
        if time.monotonic() > until:
            break
    return used


def _amount(count: float) -> str:
    """Bytes for people: ``24.1 MB``."""
    units = ("bytes", "kB", "MB", "GB", "TB", "PB")
    power = min(len(units) - 1, (len(str(int(count))) - 1) // 3)
    return f"{count / 1000**power:,.1f}".removesuffix(".0") + f" {units[power]}"


def sentence(error: OSError) -> str:
    """An error of the storage as a sentence for the person."""
    if error.errno in (errno.EDQUOT, errno.ENOSPC):
        return "The project's storage is full. Delete what is not needed, or ask for more."
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return "A link or a file is where a folder of the project should be: data, or one in it."
    return f"The project's storage reports: {error.strerror}."
