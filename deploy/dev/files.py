"""Writes files atomically, with owner and mode from the first byte, and only when something changes."""

from __future__ import annotations

import grp
import hashlib
import json
import os
import pwd
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path
from string import Template

from deploy.dev.errors import DeployError

_TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, /, **values: object) -> str:
    """A file of ``templates/`` with its ``${names}`` filled in; a missing name is an error."""
    return Template((_TEMPLATES / template).read_text()).substitute(values)


def fingerprint(parts: Iterable[bytes]) -> str:
    """One hash over several parts with their lengths."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def directory(path: Path, *, mode: int = 0o755, owner: str = "root", group: str = "root") -> bool:
    """Create a directory (a link is refused) or set its owner and mode; returns whether it is new."""
    if not path.parent.exists():
        directory(path.parent)
    is_new = not os.path.lexists(path)
    if is_new:
        path.mkdir(mode=0o700)
    elif path.is_symlink() or not path.is_dir():
        raise DeployError(f"{path} is in the way: a directory belongs there. Move it aside and try again.")
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        _own(descriptor, mode, owner, group)
    finally:
        os.close(descriptor)
    return is_new


def put(path: Path, text: str, *, mode: int = 0o644, owner: str = "root", group: str = "root") -> bool:
    """Write a file with this text, owner and mode; returns whether anything changed.

    An unchanged file keeps its time, which tells what to restart (see :mod:`deploy.dev.up`).
    """
    if _is(path, text, mode, owner, group):
        return False
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w") as file:
            _own(file.fileno(), mode, owner, group)
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink()
        raise
    return True


def put_editable(path: Path, text: str, ledger: Path, *, mode: int = 0o644) -> str:
    """Like :func:`put`, for a file an administrator may edit: an edit is never overwritten.

    ``ledger`` remembers the hash of what we last wrote. When the file differs from that, ours goes beside it as
    ``NAME.new`` (once per change of ours), and the sentence returned says so; otherwise it is empty.
    """
    written = _written(ledger)
    ours = fingerprint([text.encode()])
    edited = is_edited(path, ledger) and path.read_bytes() != text.encode()
    if edited and written.get(str(path)) == ours:
        return ""
    put(path.with_name(path.name + ".new") if edited else path, text, mode=mode)
    put(ledger, json.dumps(written | {str(path): ours}, indent=2) + "\n", mode=0o600)
    return f"{path} was edited and is kept; what we would write is in {path.name}.new" if edited else ""


def is_edited(path: Path, ledger: Path) -> bool:
    """Whether there is a file that differs from what :func:`put_editable` last wrote."""
    return path.exists() and fingerprint([path.read_bytes()]) != _written(ledger).get(str(path))


def _written(ledger: Path) -> dict[str, str]:
    """Hashes of what was last written, by path."""
    hashes: dict[str, str] = json.loads(ledger.read_text()) if ledger.exists() else {}
    return hashes


def null_device(path: Path) -> None:
    """Create a null device in place of one that this machine lacks."""
    if not os.path.lexists(path):
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))


def link(path: Path, target: Path) -> bool:
    """Point the link ``path`` at ``target`` atomically; returns whether it changed."""
    if path.is_symlink() and path.readlink() == target:
        return False
    fresh = path.with_name(f".{path.name}.fresh")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(path)
    return True


def _is(path: Path, text: str, mode: int, owner: str, group: str) -> bool:
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or stat.S_IMODE(status.st_mode) != mode:
            return False
        return (status.st_uid, status.st_gid) == _ids(owner, group) and path.read_bytes() == text.encode()
    except FileNotFoundError:
        return False


def _own(descriptor: int, mode: int, owner: str, group: str) -> None:
    os.fchown(descriptor, *_ids(owner, group))
    os.fchmod(descriptor, mode)


def _ids(owner: str, group: str) -> tuple[int, int]:
    return pwd.getpwnam(owner).pw_uid, grp.getgrnam(group).gr_gid
