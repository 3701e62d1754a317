"""A copy of Atrium that tests start, use and throw away."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.browser import ARTIFACTS, CHECKOUT
from tests.deployment import Deployment

PREFIX = Path("/var/tmp/atrium-test")
OPTIONS = {"ATRIUM_PREFIX": str(PREFIX), "ATRIUM_PORT": "8400", "ATRIUM_PEOPLE": "t-", "YES": "1"}
RUNNING = "ATRIUM_E2E_RUNNING"
"""Prefix of a copy that runs already: the tests use it as it is and leave it running (for work on the tests)."""

UP_SECONDS = 1800  # a fresh machine installs packages and builds two environments
PURGE_SECONDS = 300
SHOWN_LINES = 40


@contextmanager
def running_copy(*, only_slurm: bool = False) -> Iterator[Deployment]:
    """Atrium, started by its own ``up`` from nothing but kept environments; all state is gone afterwards.

    :param only_slurm: the accounts and Slurm without anything above them, which is up in seconds.
    """
    if prefix := os.environ.get(RUNNING):
        yield Deployment(Path(prefix))
        return
    with _alone():
        atrium("purge", within=PURGE_SECONDS)
        try:
            atrium("up", within=UP_SECONDS, **({"ONLY": "slurm"} if only_slurm else {}))
            yield Deployment(PREFIX)
        finally:
            _keep_logs()
            atrium("purge", within=PURGE_SECONDS)


def atrium(command: str, *, within: float, **variables: str) -> str:
    """What ``deploy/dev/atrium.sh COMMAND`` prints for the copy under test; raises AssertionError if it fails."""
    ARTIFACTS.mkdir(exist_ok=True)
    log = ARTIFACTS / f"{command}.log"
    with log.open("w") as output:
        code = subprocess.run(
            [str(CHECKOUT / "deploy/dev/atrium.sh"), command],
            env={**os.environ, **_options(), **variables},
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=within,
            check=False,
        ).returncode
    printed = log.read_text()
    if code:
        end = "\n".join(printed.splitlines()[-SHOWN_LINES:])
        raise AssertionError(f"atrium.sh {command} ended with {code}:\n{end}")
    return printed


def _options() -> dict[str, str]:
    running = os.environ.get(RUNNING)
    return {"ATRIUM_PREFIX": running} if running else OPTIONS


@contextmanager
def _alone() -> Iterator[None]:
    """Two test sessions would purge each other's copy: the second one is refused."""
    with PREFIX.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AssertionError(f"another test session uses {PREFIX}; wait until it has ended") from None
        yield


def _keep_logs() -> None:
    """What every program wrote, for whoever has to find out why a test failed."""
    logs = PREFIX / "var/log/atrium"
    if logs.is_dir():
        shutil.copytree(logs, ARTIFACTS / "logs", dirs_exist_ok=True)
