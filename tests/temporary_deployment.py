"""A copy of Atrium that tests start, use and throw away."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.browser import ARTIFACTS, CHECKOUT
from tests.deployment import Deployment

RUNNING = "ATRIUM_E2E_RUNNING"
"""Prefix of a copy that runs already: the tests use it as it is and leave it running (for work on the tests)."""

PREFIX = Path("/var/tmp/atrium-test")
"""The copy of a test session; the copies of its parallel workers have names that begin so."""

ENVIRONMENTS = Path("/var/tmp/atrium-test-environments")
"""Built environments, shared by all copies of all test sessions and kept for the next one."""

FIRST_PORT = 8400
PORTS_OF_A_COPY = 50

SHORT_INTERVALS = {
    "ATRIUM_WORKER__TICK_SECONDS": "2",
    "ATRIUM_WORKER__PROJECT_SECONDS": "2",
    "ATRIUM_WORKER__MAIL_SECONDS": "2",
    "ATRIUM_WORKER__USAGE_SECONDS": "10",
    "ATRIUM_DATASPACE__QUALITY_SECONDS": "2",
    "ATRIUM_DATASPACE__SOURCES": "[]",
}
"""Settings of the copies, as variables of ``make up``: intervals that tests would otherwise wait for, and no source but
those that a test adds."""

CHANGE_SECONDS = 600
UP_SECONDS = 1800  # a fresh machine installs packages and builds two environments
PURGE_SECONDS = 300
SHOWN_LINES = 40


def own_prefix() -> Path:
    """Prefix of the copy that this process starts: one for each worker of pytest-xdist."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    return PREFIX.with_name(f"{PREFIX.name}-{worker}") if worker else PREFIX


@contextmanager
def running_copy(*, only_slurm: bool = False) -> Iterator[Deployment]:
    """Atrium, started by its own ``up`` from nothing but built environments; all state is gone afterwards.

    :param only_slurm: the accounts and Slurm without anything above them, which is up in seconds.
    """
    if running := os.environ.get(RUNNING):
        yield Deployment(Path(running))
        return
    prefix = own_prefix()
    with _alone(prefix):
        shutil.rmtree(ARTIFACTS, ignore_errors=True)  # what an earlier run saw would mislead
        atrium("purge", within=PURGE_SECONDS)
        try:
            atrium("up", within=UP_SECONDS, **({"ONLY": "slurm"} if only_slurm else {}))
            yield Deployment(prefix)
        finally:
            _keep_logs(prefix)
            atrium("purge", within=PURGE_SECONDS)


@contextmanager
def changed_settings(
    deployment: Deployment, changes: Mapping[str, str], *, apply: Callable[[Deployment], object] | None = None
) -> Iterator[None]:
    """The running copy after an administrator has changed its ``atrium.toml``; afterwards it is as before.

    :param changes: new text by the text that it replaces everywhere in the file.
    :param apply: starts again what reads the change; None: ``make up``.
    """
    apply = apply or (lambda _: atrium("up", within=CHANGE_SECONDS))
    path = deployment.etc / "atrium.toml"
    before = text = path.read_text()
    for old, new in changes.items():
        assert old in text, f"{path} does not contain {old!r}"
        text = text.replace(old, new)
    path.write_text(text)
    try:
        apply(deployment)
        yield
    finally:
        path.write_text(before)
        apply(deployment)


def purge_abandoned_copies() -> None:
    """Remove what workers left that were killed before they could clean up."""
    for prefix in PREFIX.parent.glob(f"{PREFIX.name}*"):
        if (prefix / "etc/atrium").is_dir():
            with suppress(CopyInUse), _alone(prefix):
                atrium("purge", within=PURGE_SECONDS, **options_of(prefix))


def atrium(command: str, *, within: float, **variables: str) -> str:
    """What ``deploy/dev/atrium.sh COMMAND`` prints for the copy under test; raises AssertionError if it fails."""
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    options = {**options_of(own_prefix()), **variables}
    log = ARTIFACTS / f"{command}.log"
    with log.open("w") as output:
        code = subprocess.run(
            [str(CHECKOUT / "deploy/dev/atrium.sh"), command],
            env={**os.environ, **options},
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


def options_of(prefix: Path) -> dict[str, str]:
    """Variables with which ``make`` is called for the copy at a prefix."""
    if running := os.environ.get(RUNNING):
        return {"ATRIUM_PREFIX": running}
    number = int(prefix.name.removeprefix(PREFIX.name).removeprefix("-gw") or -1) + 1
    return {
        "ATRIUM_PREFIX": str(prefix),
        "ATRIUM_PORT": str(FIRST_PORT + PORTS_OF_A_COPY * number),
        "ATRIUM_PEOPLE": f"t{number or ''}-",
        "ATRIUM_ENVIRONMENTS": str(ENVIRONMENTS),
        **SHORT_INTERVALS,
        "YES": "1",
    }


class CopyInUse(AssertionError):
    """Another test session uses this copy."""


@contextmanager
def _alone(prefix: Path) -> Iterator[None]:
    """Two test sessions would purge each other's copy: the second one is refused."""
    with prefix.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CopyInUse(f"another test session uses {prefix}; wait until it has ended") from None
        yield


def _keep_logs(prefix: Path) -> None:
    """What every program wrote, for whoever has to find out why a test failed."""
    logs = prefix / "var/log/atrium"
    if logs.is_dir():
        shutil.copytree(logs, ARTIFACTS / "logs", dirs_exist_ok=True)
