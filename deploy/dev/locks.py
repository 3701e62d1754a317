"""Locks between commands on one machine: one command at a time on a copy, and on what all copies share."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.dev import files
from deploy.dev.errors import DeployError

_FOLDER = Path("/run/atrium-locks")  # root's own: in /run/lock anybody could hold a lock, or put a link
_POLL_SECONDS = 0.1

ACCOUNTS_SECONDS = 300.0
"""Longest wait for another copy that changes OS accounts."""


@contextmanager
def locked(name: str, *, wait: float, busy: str) -> Iterator[None]:
    """Hold the machine-wide lock ``name``; :class:`DeployError` with the sentence ``busy`` after ``wait`` seconds."""
    files.directory(_FOLDER, mode=0o700)
    with (_FOLDER / f"{name}.lock").open("w") as lock:
        deadline = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    raise DeployError(busy) from error
                time.sleep(_POLL_SECONDS)
        yield


@contextmanager
def accounts_locked() -> Iterator[None]:
    """Alone with OS accounts and sudo rules.

    useradd refuses to work beside another useradd, and the last copy's purge removes the service users, which a
    copy that is being laid down counts on.
    """
    busy = "Another copy of Atrium has been changing OS accounts for minutes: wait until it is done, then try again."
    with locked("accounts", wait=ACCOUNTS_SECONDS, busy=busy):
        yield
