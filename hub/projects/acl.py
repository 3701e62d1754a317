"""POSIX access control lists in projects' storage, read and written as the kernel stores them. Linux; standard library.

A directory's *default* ACL gives what is created in it its bits, in the place of the umask, and is inherited by the
directories below. ``u::rwx,g::rwx,o::---`` is a umask of 0007 for one tree: homes keep their modes.
deploy/projects/project.py, which stands alone, holds the same bytes.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Iterator
from pathlib import Path

DEFAULT = "system.posix_acl_default"
ACCESS = "system.posix_acl_access"

_VERSION = struct.pack("<I", 2)
_ENTRY = struct.Struct("<HHI")
"""Tag, bits, and the number of a named user or group."""
_NO_ID = 2**32 - 1
_OWNER, _GROUP, _MASK, _OTHERS = 0x01, 0x04, 0x10, 0x20

SHARED = _VERSION + b"".join(_ENTRY.pack(tag, bits, _NO_ID) for tag, bits in ((_OWNER, 7), (_GROUP, 7), (_OTHERS, 0)))
"""``u::rwx,g::rwx,o::---``."""


def read(path: int | Path, name: str) -> bytes | None:
    """The ACL :data:`DEFAULT` or :data:`ACCESS` of a file; ``b""`` without one; None if its file system has no ACLs.

    Nobody needs permission to read it, only to reach the file.

    :raises OSError: the file cannot be reached.
    """
    try:
        return os.getxattr(path, name)
    except OSError as error:
        if error.errno == errno.ENODATA:
            return b""
        if error.errno == errno.EOPNOTSUPP:
            return None
        raise


def with_group(acl: bytes, bits: int) -> bytes:
    """An access ACL whose owning group has ``bits`` and whose others have none.

    Named users and groups can do what they could before: the mask that limits them is applied to their own bits.
    """
    entries = list(_ENTRY.iter_unpack(acl[len(_VERSION) :]))
    mask = next((own_bits for tag, own_bits, _ in entries if tag == _MASK), 7)
    new_bits = {_GROUP: bits, _MASK: bits, _OTHERS: 0}
    return _VERSION + b"".join(
        _ENTRY.pack(tag, own_bits if tag == _OWNER else new_bits.get(tag, own_bits & mask & bits), number)
        for tag, own_bits, number in entries
    )


def warnings(projects: Path) -> Iterator[str]:
    """A sentence for each place below ``projects`` where members may not be able to change each other's new files."""
    try:
        folders = [projects, *sorted(Path(entry.path) for entry in os.scandir(projects) if _is_project(entry))]
        acls = {folder: read(folder, DEFAULT) for folder in folders}
    except OSError as error:
        yield f"{projects}: {error.strerror}. Whether members can change each other's files is unknown."
        return
    if without := [str(folder) for folder, acl in acls.items() if acl is None]:
        yield (
            f"No access control lists (ACLs) on the file system of {', '.join(without)}: members cannot change each "
            "other's new files. Mount it with ACLs, or move the projects to one that has them."
        )
    for folder in folders[1:]:
        if acls[folder] == b"":
            yield (
                f"{folder} has no default ACL: members cannot change each other's new files. Run: "
                f"setfacl --default --modify u::rwx,g::rwx,o::--- {folder}"
            )


def _is_project(entry: os.DirEntry[str]) -> bool:
    """Whether the storage helper has made this directory."""
    return entry.is_dir(follow_symlinks=False) and bool(entry.stat(follow_symlinks=False).st_mode & stat.S_ISGID)
