"""Environments of checkouts: built once for each lock, linked into checkouts, removed when nobody asks for them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from deploy.dev import checkout


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lock, and a cache without environments."""
    monkeypatch.setattr(checkout, "cache", lambda: tmp_path / "cache")
    path = tmp_path / "lock.txt"
    path.write_text("package==1\n")
    return path


def link(path: Path, lock: Path, built: list[Path]) -> None:
    def fill(target: Path) -> None:
        target.mkdir()
        built.append(target)

    checkout._link(path, "python", [lock], fill)


def test_checkouts_with_the_same_lock_share_an_environment(tmp_path: Path, lock: Path) -> None:
    built: list[Path] = []
    for name in ("first", "second"):
        link(tmp_path / name, lock, built)

    assert len(built) == 1
    assert (tmp_path / "first").readlink() == (tmp_path / "second").readlink() == built[0]


def test_another_lock_is_another_environment(tmp_path: Path, lock: Path) -> None:
    built: list[Path] = []
    link(tmp_path / "first", lock, built)
    lock.write_text("package==2\n")
    link(tmp_path / "first", lock, built)

    assert len(set(built)) == 2
    assert (tmp_path / "first").readlink() == built[1]


def test_an_environment_of_the_checkouts_own_gives_way(tmp_path: Path, lock: Path) -> None:
    (tmp_path / "first/bin").mkdir(parents=True)
    link(tmp_path / "first", lock, [])
    assert (tmp_path / "first").is_symlink()


def test_an_environment_that_no_checkout_asked_for_within_a_month_goes(tmp_path: Path, lock: Path) -> None:
    built: list[Path] = []
    link(tmp_path / "first", lock, built)
    old = time.time() - 31 * 24 * 3600
    os.utime(built[0], (old, old))
    lock.write_text("package==2\n")
    link(tmp_path / "second", lock, built)

    assert not built[0].exists()
    assert built[1].exists()
