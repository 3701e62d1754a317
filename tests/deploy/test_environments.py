"""Environments are named after their lock and built once, also for several copies; one that broke off is not used."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deploy.dev import environments
from deploy.dev.layout import Layout, Options
from deploy.dev.locks import environments_locked


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(Options(prefix=str(tmp_path / "copy")))


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lock, and a build that only notes that it happened."""
    lock = tmp_path / "hub.txt"
    lock.write_text("packages")
    monkeypatch.setattr(environments, "LOCKS", tmp_path)

    def fill(target: Path, _lock: Path) -> None:
        target.mkdir()
        (target / "built").touch()

    monkeypatch.setattr(environments, "fill_python", fill)
    return lock


def test_a_second_run_does_nothing(layout: Layout, lock: Path) -> None:
    assert environments.ensure(layout, ["hub"]) == ["hub"]
    assert (environments.base(layout, "hub") / "built").exists()
    assert environments.ensure(layout, ["hub"]) == []


def test_a_new_lock_is_a_new_directory(layout: Layout, lock: Path) -> None:
    environments.ensure(layout, ["hub"])
    before = environments.base(layout, "hub")
    lock.write_text("other packages")
    assert environments.ensure(layout, ["hub"]) == ["hub"]
    assert environments.base(layout, "hub") != before
    assert before.exists()


def test_a_build_that_broke_off_is_done_again(layout: Layout, lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(target: Path, _lock: Path) -> None:
        target.mkdir()
        (target / "half").touch()
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(environments, "fill_python", breaks)
        with pytest.raises(RuntimeError):
            environments.ensure(layout, ["hub"])
    assert environments.ensure(layout, ["hub"]) == ["hub"]
    assert not (environments.base(layout, "hub") / "half").exists()


def test_copies_that_share_environments_build_them_once(tmp_path: Path, lock: Path) -> None:
    shared = str(tmp_path / "shared")
    copies = [Layout(Options(prefix=str(tmp_path / name), environments=shared)) for name in ("a", "b", "c")]

    def up(copy: Layout) -> list[str]:
        with environments_locked(copy.environments):
            return environments.ensure(copy, ["hub"])

    with ThreadPoolExecutor() as pool:
        assert sorted(pool.map(up, copies)) == [[], [], ["hub"]]
    assert {environments.base(copy, "hub").parent for copy in copies} == {Path(shared, "base")}
