"""Environments are named after their lock; a build that broke off is not used."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deploy.dev import environments


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lock, and a build that only notes that it happened."""
    lock = tmp_path / "hub.txt"
    lock.write_text("one")
    monkeypatch.setattr(environments, "fill_python", lambda target, _lock: (target / "built").touch())
    return lock


def test_a_second_run_does_nothing(tmp_path: Path, lock: Path) -> None:
    env = tmp_path / "opt/hub"
    assert environments._ensure_python(env, lock)
    assert (env / "built").exists()
    assert not environments._ensure_python(env, lock)


def test_a_new_lock_is_a_new_directory_and_the_one_before_stays(tmp_path: Path, lock: Path) -> None:
    env, used = tmp_path / "opt/hub", []
    for number in range(4):
        lock.write_text(f"lock {number}")
        environments._ensure_python(env, lock)
        used.append(env.resolve())
        os.utime(env.resolve(), (number, number))
    assert [path.exists() for path in used] == [False, False, True, True]


def test_a_build_that_broke_off_is_done_again(tmp_path: Path, lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = tmp_path / "opt/hub"

    def breaks(target: Path, _lock: Path) -> None:
        (target / "half").touch()
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(environments, "fill_python", breaks)
        with pytest.raises(RuntimeError):
            environments._ensure_python(env, lock)
    assert not env.exists()
    assert environments._ensure_python(env, lock)
    assert not (env / "half").exists()


def test_the_code_has_one_fingerprint_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "CHECKOUT", tmp_path)
    for name in ("hub", "spawners", "widgets", "notebooks"):
        (tmp_path / name).mkdir()
    for name in ("jupyterhub_config.py", "pyproject.toml", "README.md", "LICENSE"):
        (tmp_path / name).write_text(name)
    before = environments.code_fingerprint()
    (tmp_path / "hub/__pycache__").mkdir()
    (tmp_path / "hub/__pycache__/app.cpython-311.pyc").write_bytes(b"litter")
    assert environments.code_fingerprint() == before
    (tmp_path / "hub/app.py").write_text("new")
    assert environments.code_fingerprint() != before
