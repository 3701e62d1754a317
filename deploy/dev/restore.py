"""``make restore``: brings a backup back and starts everything. What was there before is moved aside, not deleted."""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from deploy.dev import files
from deploy.dev.backup import ARCHIVE, read_manifest
from deploy.dev.command import run
from deploy.dev.databases import atrium, database_files
from deploy.dev.errors import DeployError
from deploy.dev.layout import SERVICE_USER, Layout
from deploy.dev.programs import web_programs
from deploy.dev.steps import step
from deploy.dev.supervisor import Supervisor
from deploy.dev.up import up

_DEADLINE = 24 * 3600.0
_KEEP_CONNECTIONS = ("proxy", "nginx")
"""Programs that need nothing of a backup and hold people's connections."""


def restore(layout: Layout, folder: Path) -> Path:
    """Restore the backup in ``folder`` and start everything; returns where the former files are.

    :raises DeployError: the backup is incomplete, damaged or of another copy; nothing was changed.
    """
    manifest = read_manifest(folder)
    if manifest["prefix"] != layout.options.prefix:
        raise DeployError(
            f"This backup is of the copy at {manifest['prefix'] or '/'}, not of {layout.root}: set ATRIUM_PREFIX so."
        )
    if not Supervisor(layout).alive():
        up(layout)  # accounts, environments and Slurm have to be there first
    _stop(layout)
    aside = layout.state / f"before-restore-{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}"
    with step("Former databases and index") as outcome:
        outcome.text = f"moved to {aside}" if move_aside(layout, aside) else "there were none"
    with step("Files of the backup"):
        bring_back(layout, folder)
    up(layout)
    with step("Projects in Slurm, storage and groups") as outcome:
        atrium(layout, "project", "provision")
        outcome.text = "the worker provisions them again"
    return aside


def _stop(layout: Layout) -> None:
    """Stop what has the databases open; running notebooks, the proxy and nginx go on."""
    supervisor = Supervisor(layout)
    running = supervisor.programs()
    with step("Programs that use the databases") as outcome:
        for program in reversed(web_programs(layout)):
            if program.name not in _KEEP_CONNECTIONS and program.name in running:
                supervisor.stop(program.name)
        outcome.text = "stopped"


def move_aside(layout: Layout, aside: Path) -> bool:
    """Move databases with their logs, and the search index, into ``aside``; returns whether there were any."""
    paths = [path.with_name(path.name + end) for path in database_files(layout) for end in ("", "-wal", "-shm")]
    existing = [path for path in (*paths, layout.state / "dataspace") if os.path.lexists(path)]
    if existing:
        files.directory(aside, mode=0o700)
    for path in existing:
        path.rename(aside / path.name)
    return bool(existing)


def bring_back(layout: Layout, folder: Path) -> None:
    """Copy the files of a backup to their places, with their owners by name."""
    archive = ["--extract", "--touch", "--preserve-permissions", "--same-owner", "--file", str(folder / ARCHIVE)]
    run(["tar", "--directory", str(layout.root), *archive], deadline=_DEADLINE)
    for path in database_files(layout):
        if (folder / path.name).exists():
            _put_database(folder / path.name, path)


def _put_database(source: Path, path: Path) -> None:
    """Copy a database to its place. The directory is not root's alone, so the new file is private from its creation."""
    account = pwd.getpwnam(SERVICE_USER)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    fresh = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as target, source.open("rb") as saved:
            shutil.copyfileobj(saved, target)
            os.fchown(target.fileno(), account.pw_uid, account.pw_gid)
            os.fsync(target.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
