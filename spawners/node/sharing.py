"""Shares a person's own files in a project's storage with the project's members: group, bits and default ACL.

The directory's default ACL (hub/projects/acl.py) shares what is created there. ``cp -p``, ``tar -p`` and ``mv`` bring
bits and groups of elsewhere along, which only the owner of a file can change. Only files and directories of the person
are changed, by handle and never through a link; nobody but the project's group gets anything.
"""

from __future__ import annotations

import os
import pwd
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hub.projects import acl

DEEPEST = 64
"""Levels of directories; each holds a handle."""
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass
class Outcome:
    """What happened to files and directories, in numbers."""

    changed: int = 0
    shared_before: int = 0
    private: int = 0
    """Only their owner may read them, or they have another group than home files have: left as they are."""
    others: int = 0
    """Files of other people that members cannot change."""
    linked: int = 0
    """With a second name, which may be outside of the project, or with set-user-ID: left as they are."""
    failed: int = 0
    complete: bool = True
    """False: time was over, or directories are nested too deep."""


@dataclass(frozen=True)
class Project:
    """A project's directory that the person can use."""

    folder: Path
    group: int
    device: int

    @property
    def slug(self) -> str:
        return self.folder.name


def projects(root: Path) -> Iterator[Project]:
    """Projects of this process's person below ``root``: directories of its groups, made by the storage helper."""
    try:
        entries = sorted(os.scandir(root), key=lambda entry: entry.name)
    except OSError:
        return
    groups = set(os.getgroups()) - {_home_group()}
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            status = entry.stat(follow_symlinks=False)
            if status.st_mode & stat.S_ISGID and status.st_mode & stat.S_IRWXG and status.st_gid in groups:
                yield Project(Path(entry.path), status.st_gid, status.st_dev)


def project_of(path: Path, root: Path) -> Project | None:
    """The project in which ``path`` is, links resolved; None: in none of the person's."""
    path = path.resolve()
    return next((project for project in projects(root.resolve()) if path.is_relative_to(project.folder)), None)


def can_edit(path: Path, project: Project) -> bool:
    """Whether all members can change this file or directory: its group and bits, and those of the directories above.

    :raises OSError: it cannot be reached.
    """
    path = path.resolve()
    status, access = path.stat(), acl.read(path, acl.ACCESS)
    return (
        is_reached(path, project)
        and _allows(status, project.group, stat.S_IRGRP | stat.S_IWGRP)
        and (not access or acl.with_group(access, (status.st_mode & stat.S_IRWXU) >> 6) == access)
    )


def is_reached(path: Path, project: Project) -> bool:
    """Whether all members can enter the directories between the project's and ``path``.

    :raises OSError: one of them cannot be reached.
    """
    above = [folder for folder in path.resolve().parents if folder.is_relative_to(project.folder)][:-1]
    return all(_allows(folder.stat(), project.group, stat.S_IXGRP) for folder in above)


def _is_shared(status: os.stat_result, group: int) -> bool:
    return _allows(status, group, status.st_mode >> 3 & stat.S_IRWXG | stat.S_IRGRP)


def _allows(status: os.stat_result, group: int, bits: int) -> bool:
    return status.st_gid == group and status.st_mode & bits == bits


def _home_group() -> int:
    """The group of files in the person's home."""
    return pwd.getpwuid(os.getuid()).pw_gid


@dataclass
class Sharing:
    """One run over files of a project.

    :param private_too: share also what only its owner may read, and what has any group: the person has asked for it.
    """

    project: Project
    private_too: bool = False
    seconds: float = 60.0
    clock: Callable[[], float] = time.monotonic
    outcome: Outcome = field(default_factory=Outcome)

    def __post_init__(self) -> None:
        self._until = self.clock() + self.seconds

    def share(self, path: Path) -> None:
        """Share a file, or a directory and what is in it. ``path`` is in the project.

        :raises OSError: it does not exist, or a link is in its way.
        """
        with _opened(self.project.folder, path.relative_to(self.project.folder)) as (folder, name):
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                self._share_tree(folder, name)
            elif stat.S_ISREG(status.st_mode):
                self._share_entry(folder, name)

    def _share_tree(self, parent: int, top: str) -> None:
        for place, folders, files, handle in os.fwalk(top, dir_fd=parent, follow_symlinks=False):
            if place != "." and not self._share_open(handle):
                folders.clear()
                continue
            for name in files:
                if self._is_late():
                    break
                self._share_entry(handle, name)
            if self._is_late() or (folders and place.count("/") >= DEEPEST):
                self.outcome.complete = False
                folders.clear()

    def _is_late(self) -> bool:
        return self.clock() > self._until

    def _share_entry(self, folder: int, name: str) -> None:
        """Share a file; what is no regular file is left alone."""
        try:
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if not stat.S_ISREG(status.st_mode) or not self._is_own(status):
                return
            handle = os.open(name, _OPEN, dir_fd=folder)
        except FileNotFoundError:
            return  # removed meanwhile
        except OSError:
            self.outcome.failed += 1
            return
        try:
            self._share_open(handle)
        finally:
            os.close(handle)

    def _share_open(self, handle: int) -> bool:
        """Share an open file or directory; returns whether to go on below it."""
        status = os.fstat(handle)
        is_folder = stat.S_ISDIR(status.st_mode)
        if status.st_dev != self.project.device or not (is_folder or stat.S_ISREG(status.st_mode)):
            return False
        if not self._is_own(status):
            return True
        if not is_folder and (status.st_nlink > 1 or status.st_mode & (stat.S_ISUID | stat.S_ISGID)):
            self.outcome.linked += 1
            return False
        if not self.private_too and self._is_private(status):
            self.outcome.private += 1
            return False
        try:
            changed = _give_to_group(handle, status, self.project.group)
        except OSError:
            self.outcome.failed += 1
            return True
        self.outcome.changed += changed
        self.outcome.shared_before += not changed
        return True

    def _is_own(self, status: os.stat_result) -> bool:
        """Whether the person may change it; counts what its owner has not shared."""
        if status.st_uid == os.getuid():
            return True
        self.outcome.others += not _is_shared(status, self.project.group)
        return False

    def _is_private(self, status: os.stat_result) -> bool:
        """Whether the person may mean to keep it from the project: files of homes have their group and more bits."""
        group_is_usual = status.st_gid in (self.project.group, _home_group())
        return not group_is_usual or not status.st_mode & (stat.S_IRWXG | stat.S_IRWXO)


@contextmanager
def _opened(folder: Path, below: Path) -> Iterator[tuple[int, str]]:
    """Handle of the directory that holds ``folder / below``, and the name in it; through no link below ``folder``."""
    handle = os.open(folder, _OPEN | os.O_DIRECTORY)
    try:
        for part in below.parts[:-1]:
            parent, handle = handle, os.open(part, _OPEN | os.O_DIRECTORY, dir_fd=handle)
            os.close(parent)
        yield handle, below.parts[-1] if below.parts else "."
    finally:
        os.close(handle)


def _give_to_group(handle: int, status: os.stat_result, group: int) -> bool:
    """Give the group the owner's own bits, and others none; returns whether anything was changed."""
    is_folder = stat.S_ISDIR(status.st_mode)
    own = status.st_mode & stat.S_IRWXU
    special = stat.S_ISGID | (status.st_mode & stat.S_ISVTX) if is_folder else 0
    changed = status.st_gid != group
    if changed:
        os.fchown(handle, -1, group)
    access = acl.read(handle, acl.ACCESS)
    if access and (shared := acl.with_group(access, own >> 6)) != access:
        os.setxattr(handle, acl.ACCESS, shared)
        changed = True
    bits = own | own >> 3 | special
    if stat.S_IMODE(os.fstat(handle).st_mode) != bits:
        os.fchmod(handle, bits)
        changed = True
    if is_folder and acl.read(handle, acl.DEFAULT) == b"":
        os.setxattr(handle, acl.DEFAULT, acl.SHARED)
        changed = True
    return changed
