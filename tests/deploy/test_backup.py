"""Backups of databases that are written to, and what makes a backup incomplete."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from deploy.dev import backup as backups
from deploy.dev import restore
from deploy.dev.backup import ARCHIVE, MANIFEST, backup, copy_database, excluded, read_manifest
from deploy.dev.errors import DeployError
from deploy.dev.layout import Layout, Options


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A copy with two databases, a secret, a published file, and an index."""
    layout = Layout(Options(prefix=str(tmp_path / "copy")))
    for folder in (layout.secrets, layout.state / "store", layout.state / "dataspace"):
        folder.mkdir(parents=True)
    layout.settings.write_text("[site]\n")
    (layout.secrets / "cookie").write_text("secret")
    (layout.secrets / "cookie").chmod(0o600)
    (layout.state / "store/published").write_text("open data")
    (layout.state / "dataspace/index").write_text("made again")
    for name in ("atrium", "jupyterhub"):
        with closing(sqlite3.connect(layout.state / f"{name}.sqlite")) as database, database:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("CREATE TABLE pairs (one INTEGER, two INTEGER)")
            database.execute("INSERT INTO pairs VALUES (0, 0)")
    return layout


@contextmanager
def writer(path: Path) -> Iterator[None]:
    """Somebody who changes two columns together all the time."""
    over = threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(path, timeout=10)) as database:
            while not over.is_set():
                with database:
                    database.execute("INSERT INTO pairs SELECT max(one) + 1, max(two) + 1 FROM pairs")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(10)


def test_a_backup_holds_each_database_as_of_one_moment(layout: Layout, tmp_path: Path) -> None:
    with writer(layout.state / "atrium.sqlite"):
        folder = backup(layout, tmp_path / "backup")
    with closing(sqlite3.connect(folder / "atrium.sqlite")) as database:
        rows = database.execute("SELECT one, two FROM pairs").fetchall()
    assert rows
    assert all(first == second for first, second in rows)
    assert set(read_manifest(folder)["files"]) == {"atrium.sqlite", "jupyterhub.sqlite", ARCHIVE}


def test_only_its_owner_can_read_a_backup(layout: Layout, tmp_path: Path) -> None:
    folder = backup(layout, tmp_path / "backup")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in folder.iterdir()} == {0}


def test_a_backup_has_a_directory_of_its_own(layout: Layout, tmp_path: Path) -> None:
    (tmp_path / "backup").mkdir()
    with pytest.raises(DeployError, match="exists already"):
        backup(layout, tmp_path / "backup")
    assert backup(layout, None).parent == layout.backups


def test_a_damaged_database_is_not_taken_for_a_backup(layout: Layout, tmp_path: Path) -> None:
    (layout.state / "jupyterhub.sqlite").write_bytes(b"This is no database." * 1000)
    with pytest.raises(DeployError, match="could not be written"):
        backup(layout, tmp_path / "backup")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy"]


def test_a_backup_that_takes_too_long_is_given_up(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backups, "_COPY_SECONDS", -1.0)
    with pytest.raises(DeployError, match="could not be copied"):
        copy_database(layout.state / "atrium.sqlite", tmp_path / "copy.sqlite")


@pytest.mark.parametrize("name", ["atrium.sqlite", ARCHIVE, MANIFEST])
@pytest.mark.parametrize("change", ["removed", "changed"])
def test_an_incomplete_backup_is_refused_before_anything_changes(
    layout: Layout, tmp_path: Path, name: str, change: str
) -> None:
    folder = backup(layout, tmp_path / "backup")
    path = folder / name
    if change == "removed":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DeployError, match=r"is damaged|no complete backup"):
        restore.restore(layout, folder)
    assert (layout.state / "atrium.sqlite").exists()


def test_a_backup_of_another_copy_is_refused(layout: Layout, tmp_path: Path) -> None:
    folder = backup(layout, tmp_path / "backup")
    with pytest.raises(DeployError, match="ATRIUM_PREFIX"):
        restore.restore(Layout(Options(prefix=str(tmp_path / "other"))), folder)


def test_what_is_brought_back_replaces_databases_with_their_logs(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restore, "SERVICE_USER", "root")
    folder = backup(layout, tmp_path / "backup")
    database = layout.state / "atrium.sqlite"
    for end in ("", "-wal", "-shm"):
        database.with_name(database.name + end).write_bytes(b"of the time after the backup")
    (layout.secrets / "cookie").unlink()
    (layout.state / "store/published").unlink()

    aside = layout.state / "aside"
    assert restore.move_aside(layout, aside)
    restore.bring_back(layout, folder)

    with closing(sqlite3.connect(database)) as restored:
        assert restored.execute("SELECT * FROM pairs").fetchall() == [(0, 0)]
    assert (layout.secrets / "cookie").read_text() == "secret"
    assert stat.S_IMODE((layout.secrets / "cookie").stat().st_mode) == 0o600
    assert (layout.state / "store/published").read_text() == "open data"
    assert not (layout.state / "dataspace").exists(), "the index is made again"
    assert {"atrium.sqlite", "atrium.sqlite-wal", "dataspace"} <= {path.name for path in aside.iterdir()}


def test_a_database_is_private_while_it_is_brought_back(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other accounts can enter the state directory, and the gateway's can write there."""
    monkeypatch.setattr(restore, "SERVICE_USER", "root")
    folder = backup(layout, tmp_path / "backup")
    modes: list[int] = []
    copy = shutil.copyfileobj

    def look_and_copy(source: Any, target: Any) -> None:
        modes.append(stat.S_IMODE(os.fstat(target.fileno()).st_mode))
        copy(source, target)

    monkeypatch.setattr(restore.shutil, "copyfileobj", look_and_copy)
    (tmp_path / "elsewhere").touch()
    for name in ("atrium.sqlite", "jupyterhub.sqlite"):
        (layout.state / f".{name}.restored").symlink_to(tmp_path / "elsewhere")
    restore.bring_back(layout, folder)
    assert modes and set(modes) == {0o600}
    assert (tmp_path / "elsewhere").read_bytes() == b""


def test_it_is_said_what_is_left_to_the_site(tmp_path: Path) -> None:
    own = "\n".join(excluded(Layout(Options(prefix=str(tmp_path)))))
    assert all(part in own for part in ("/projects", "/home", "used hours"))
    assert "pg_dump" in "\n".join(excluded(Layout(Options(database_url="postgresql://db/atrium"))))
    assert "published files" not in own


def test_published_files_in_a_folder_of_their_own_are_left_to_the_site(layout: Layout) -> None:
    with layout.settings.open("a") as settings:
        settings.write('\n[store]\nfolder = "/srv/published"\n')
    assert any("/srv/published" in line for line in excluded(layout))


def test_the_manifest_of_another_version_is_refused(layout: Layout, tmp_path: Path) -> None:
    folder = backup(layout, tmp_path / "backup")
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | {"format": 99}))
    with pytest.raises(DeployError, match="another version"):
        read_manifest(folder)
