"""Files that come with a catalogue on this machine. Used by previews, transfers and the page of a record.

A catalogue on this machine may name files relative to itself (``<rain.csv>``). If its source states a folder for its
files, the reader resolves such a name against ``https://SOURCE.files.invalid/``, a host that exists nowhere. It stands
for a file only in a record of that very source: what other catalogues write cannot name a file of this machine.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

from hub.dataspace.models import LocalFile
from hub.errors import AtriumError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class LocalFileRefused(AtriumError):
    """A file of a catalogue on this machine that is not there, or not one that may be read."""

    status = 422


def base_address(source: str, *, has_files: bool) -> str:
    """Address that relative names in the catalogue of a source on this machine are resolved against.

    :param has_files: whether the source states a folder for its files; without one a relative name is no address.
    """
    return f"https://{source}.files.invalid/" if has_files else f"https://{source}.invalid/"


def named_by(address: str, *, source: str, folder: str, allowed: Sequence[Path]) -> LocalFile | None:
    """The file that ``address`` names in a record of ``source``; None if it names none.

    :param folder: the folder of the source's files; empty if it has none.
    :param allowed: folders of the settings that sources may be read from.
    :raises LocalFileRefused: it names a file in ``folder``, and the settings do not list that folder.
    """
    if not folder or not address.startswith(base_address(source, has_files=True)):
        return None
    parts = urlsplit(address)
    name = unquote(parts.path).removeprefix("/")
    if parts.query or parts.fragment or not _NAME.fullmatch(name):
        raise LocalFileRefused("The catalogue names a file in a way that is not accepted.")
    if not any(Path(folder).resolve().is_relative_to(path.resolve()) for path in allowed):
        raise LocalFileRefused("The folder of this catalogue's files is not one that the settings list.")
    return LocalFile(folder=folder, name=name)


def opened(file: LocalFile) -> IO[bytes]:
    """The file for reading.

    Links below the folder are not followed. The file must have the folder's owner, so that a hard link to somebody
    else's file is not read.

    :raises LocalFileRefused: there is no such file, it is not a plain file, or it has another owner.
    """
    if not _NAME.fullmatch(file.name):
        raise LocalFileRefused("The catalogue names a file in a way that is not accepted.")
    try:
        return _opened(file)
    except OSError as error:
        raise LocalFileRefused(
            f"The catalogue's file {file.name} cannot be read.", hint="Tell the administrators of this site."
        ) from error


def _opened(file: LocalFile) -> IO[bytes]:
    *folders, name = file.name.split("/")
    folder = os.open(file.folder, _FOLDER_FLAGS)
    try:
        owner = os.fstat(folder).st_uid
        for part in folders:
            inner = os.open(part, _FOLDER_FLAGS | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        descriptor = os.open(name, _FILE_FLAGS, dir_fd=folder)
    finally:
        os.close(folder)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_uid != owner:
        os.close(descriptor)
        raise LocalFileRefused(f"The catalogue's file {file.name} is not a plain file of the catalogue's owner.")
    return os.fdopen(descriptor, "rb")
