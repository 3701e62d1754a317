"""``make backup`` while everything runs: databases, settings, secrets and published files into a local directory.

SQLite's own backup copies each database as of one moment while programs write to it. A backup becomes complete by its
last step, which gives the directory its name.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deploy.dev import files
from deploy.dev.command import attempt
from deploy.dev.databases import database_files
from deploy.dev.errors import DeployError
from deploy.dev.layout import Layout
from deploy.dev.settings import value
from deploy.dev.steps import step

MANIFEST = "manifest.json"
ARCHIVE = "files.tar"
FORMAT = 1

_COPY_SECONDS = 600.0
_ARCHIVE_SECONDS = 24 * 3600.0
"""Published files may be large."""
_PAGES = 1024
"""Pages of a database that are copied before its writers get their turn."""
_PAUSE_SECONDS = 0.01
_STATE_FOLDERS = ("tls", "store")
"""Folders of the state directory that cannot be made again: certificates and published files."""


def backup(layout: Layout, folder: Path | None) -> Path:
    """Write a backup and return its directory.

    :param folder: the new directory; None: one named after the time, below ``/var/backups/atrium`` of the copy.
    :raises DeployError: the directory exists, something cannot be read or written, or a database is damaged.
    """
    target = folder or layout.backups / f"{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}"
    if os.path.lexists(target):
        raise DeployError(f"{target} exists already: name a new directory, as BACKUP=/srv/backups/atrium-1.")
    if not layout.settings.exists():
        raise DeployError(f"There is no copy of Atrium at {layout.root}, so there is nothing to back up.")
    partial = target.with_name(f".{target.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        files.directory(partial, mode=0o700)
        _write(layout, partial)
        partial.replace(target)
    except (OSError, sqlite3.Error) as error:
        raise DeployError(f"The backup in {target} could not be written: {error}. Nothing is left of it.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def excluded(layout: Layout) -> list[str]:
    """What a backup does not have, as lines for the person who makes it."""
    lines = [
        f"{layout.projects} and {layout.home}: files of projects and people",
        f"{layout.log}: logs; {layout.state}/dataspace: the search index, which is made again",
    ]
    if layout.own_slurm:
        lines.append("Slurm's own state and accounting: jobs and used hours")
    if layout.options.database_url:
        lines.append("the API's PostgreSQL database: use pg_dump, before this backup")
    if store := value(layout, "store", "folder"):
        lines.append(f"{store}: published files, which have a folder of their own ([store] folder)")
    return lines


def _write(layout: Layout, folder: Path) -> None:
    # The API's database first: a row that is missing there is rebuilt from the Hub's state, not the other way round.
    for path in database_files(layout):
        with step(f"Database {path.name}") as outcome:
            if not path.exists():
                outcome.text = "there is none"
                continue
            copy_database(path, folder / path.name)
            outcome.text = f"{(folder / path.name).stat().st_size / 1e6:.1f} MB"
    with step("Settings, secrets, published files"):
        _archive(layout, folder / ARCHIVE)
    manifest = {
        "format": FORMAT,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "prefix": layout.options.prefix,
        "files": {path.name: _digest(path) for path in sorted(folder.iterdir())},
    }
    files.put(folder / MANIFEST, json.dumps(manifest, indent=2) + "\n", mode=0o600)


def copy_database(source: Path, target: Path) -> None:
    """Copy an SQLite database as of one moment, while others write to it.

    :raises DeployError: it is damaged, or writers leave no moment for the copy within ten minutes.
    """
    deadline = time.monotonic() + _COPY_SECONDS

    def in_time(_status: int, _remaining: int, _total: int) -> None:
        if time.monotonic() > deadline:
            raise DeployError(
                f"{source} could not be copied within {_COPY_SECONDS:.0f} s: try again when less is done."
            )

    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=30)) as original,
        closing(sqlite3.connect(target)) as copy,
    ):
        target.chmod(0o600)
        original.backup(copy, pages=_PAGES, progress=in_time, sleep=_PAUSE_SECONDS)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        verdict = copy.execute("PRAGMA integrity_check").fetchone()[0]
    if verdict != "ok":
        raise DeployError(f"{source} is damaged ({verdict}): keep the backups that you have.")


def _archive(layout: Layout, target: Path) -> None:
    """Owners are stored by name. A file that changes while it is read is stored as it was then."""
    target.touch(mode=0o600)
    state = [layout.state / name for name in _STATE_FOLDERS if (layout.state / name).is_dir()]
    names = [str(path.relative_to(layout.root)) for path in (layout.etc, *state)]
    argv = ["tar", "--create", "--directory", str(layout.root), "--file", str(target), "--", *names]
    result = attempt(argv, deadline=_ARCHIVE_SECONDS)
    if result.returncode not in (0, 1):  # 1: some files changed
        raise DeployError(f"tar could not read everything: {result.stderr.strip()[-500:]}")


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a backup whose files are complete and unchanged; raises :class:`DeployError` otherwise."""
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
        digests = dict(manifest["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DeployError(f"{folder} is no complete backup: {MANIFEST} cannot be read ({error}).") from error
    if manifest.get("format") != FORMAT:
        raise DeployError(f"{folder} was written by another version of Atrium: restore it with that one.")
    wrong = [name for name, digest in digests.items() if not _is_unchanged(folder / Path(name).name, digest)]
    if wrong or ARCHIVE not in digests:
        raise DeployError(
            f"The backup in {folder} is damaged: {', '.join(wrong) or ARCHIVE} is missing or was changed."
        )
    return manifest


def _is_unchanged(path: Path, digest: str) -> bool:
    try:
        return _digest(path) == digest
    except OSError:
        return False


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
