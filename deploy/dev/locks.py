"""File locks between commands on one machine: on a copy, on OS accounts, and on environments that copies share."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from deploy.dev import files
from deploy.dev.errors import DeployError

_FOLDER = Path("/run/atrium-locks")  # only root can write here; in /run/lock anybody could hold a lock or create a link
_POLL_SECONDS = 0.1
_ACCOUNTS_SECONDS = 300.0
_ENVIRONMENTS_SECONDS = 1800.0  # building an environment takes up to ten minutes


@contextmanager
def locked(path: Path, *, subject: str, seconds: float) -> Iterator[None]:
    """Hold an exclusive lock on the file ``path``; print who holds it before waiting for it.

    :param subject: what the lock protects, as the messages name it.
    :param seconds: the longest wait; 0 does not wait.
    :raises DeployError: another process still holds the lock.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "r+") as lock:  # closing it unlocks
        _acquire(lock, subject, seconds)
        lock.seek(0)
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        yield


@contextmanager
def copy_locked(copy: str) -> Iterator[None]:
    """Allow one ``make up``, ``down`` or ``purge`` of a copy at a time; a second one is refused without waiting."""
    files.directory(_FOLDER, mode=0o700)
    with locked(_FOLDER / f"{copy}.lock", subject="this copy of Atrium", seconds=0):
        yield


@contextmanager
def accounts_locked() -> Iterator[None]:
    """Allow one copy at a time to change OS accounts and sudo rules.

    useradd fails beside another useradd, and the last copy's purge removes the service users, which a copy that is
    being installed needs.
    """
    files.directory(_FOLDER, mode=0o700)
    with locked(_FOLDER / "accounts.lock", subject="OS accounts", seconds=_ACCOUNTS_SECONDS):
        yield


@contextmanager
def environments_locked(folder: Path) -> Iterator[None]:
    """Allow one command at a time to build, link or remove environments in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / ".lock", subject=f"the environments in {folder}", seconds=_ENVIRONMENTS_SECONDS):
        yield


def _acquire(lock: TextIO, subject: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    waiting = False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                raise DeployError(_timeout_message(_holder(lock), subject, seconds)) from error
        else:
            return
        if not waiting:
            print(f"  Waiting for {_holder(lock)}, which uses {subject}", flush=True)
            waiting = True
        time.sleep(_POLL_SECONDS)


def _timeout_message(holder: str, subject: str, seconds: float) -> str:
    waited = f"{holder} still uses {subject} after {seconds:.0f} s" if seconds else f"{holder} uses {subject}"
    return f"{waited}. Wait until it has ended, or stop it, then run this command again."


def _holder(lock: TextIO) -> str:
    """The process whose number is in the lock file, with its command line; "another process" if it is unknown."""
    lock.seek(0)
    pid = lock.read()
    try:
        arguments = Path("/proc", str(int(pid)), "cmdline").read_text(errors="replace").split("\0")
    except (OSError, ValueError):
        return "another process"
    return f"process {pid} ({' '.join(arguments).strip()})"
