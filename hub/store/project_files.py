"""A file in a project's directory, opened part by part without following links. Runs in processes of the person.

What another member of the project puts in the way cannot make somebody publish a file of another place.
"""

from __future__ import annotations

import os
import stat
from pathlib import PurePosixPath
from typing import IO

from hub.errors import InvalidInput

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def relative_path(directory: str, path: str) -> str:
    """``path`` below a project's ``directory``; it may be below it already, or begin with it.

    :raises InvalidInput: it leads to another place.
    """
    pure = PurePosixPath(path)
    if pure.is_absolute():
        if not pure.is_relative_to(directory):
            raise _refused(f"{path} is not in the project's directory, {directory}.")
        pure = pure.relative_to(directory)
    if ".." in pure.parts or not pure.parts or "\0" in path:
        raise _refused(f"{path} is not the path of a file in the project's directory.")
    return str(pure)


def opened(directory: str, path: str) -> IO[bytes]:
    """A plain file below a project's directory, for reading. ``path`` is relative to the directory.

    :raises InvalidInput: there is no such file, it cannot be read, or a link is on the way to it.
    """
    *folders, name = PurePosixPath(relative_path(directory, path)).parts
    try:
        folder = os.open(directory, _FOLDER_FLAGS)
        try:
            for part in folders:
                inner = os.open(part, _FOLDER_FLAGS | os.O_NOFOLLOW, dir_fd=folder)
                os.close(folder)
                folder = inner
            descriptor = os.open(name, _FILE_FLAGS, dir_fd=folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise _refused(
            f"{path} in {directory} cannot be opened: {error.strerror}.",
            hint="Name a file of the project, by a path without links.",
        ) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _refused(f"{path} in {directory} is not a plain file.")
    return os.fdopen(descriptor, "rb")


def _refused(message: str, *, hint: str | None = None) -> InvalidInput:
    return InvalidInput(message, field="path", hint=hint)
