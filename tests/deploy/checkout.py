"""A checkout to install from, with environments of a few files and an installation that only writes the code down."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from deploy.dev import environments, versions
from deploy.dev.errors import DeployError
from deploy.dev.layout import Layout
from deploy.dev.locks import environments_locked


class Checkout:
    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = path
        for name in ("hub", "spawners", "widgets", "notebooks", "deploy/lock/proxy"):
            (path / name).mkdir(parents=True)
        for name in ("jupyterhub_config.py", "pyproject.toml", "README.md", "LICENSE"):
            (path / name).write_text(name)
        for name in ("hub.txt", "user.txt", "proxy/package.json", "proxy/package-lock.json"):
            (path / "deploy/lock" / name).write_text(name)
        self.change_code("first")
        monkeypatch.setattr(versions, "CHECKOUT", path)
        monkeypatch.setattr(environments, "LOCKS", path / "deploy/lock")
        monkeypatch.setattr(environments, "fill_python", _fill)
        monkeypatch.setattr(environments, "fill_node", lambda target, lock: shutil.copytree(lock, target))
        monkeypatch.setattr(environments, "pip", self._pip)

    def change_code(self, text: str) -> None:
        (self.path / "hub/app.py").write_text(text)

    def change_lock(self, text: str) -> None:
        (self.path / "deploy/lock/user.txt").write_text(text)

    def up(self, layout: Layout) -> bool:
        """Environments and code of one copy; whether the code or a link changed."""
        with environments_locked(layout.environments):
            environments.ensure(layout)
            return versions.ensure(layout)

    def says(self, used: Collection[str], *, knows: bool = True) -> Callable[..., set[str]]:
        """In the place of :func:`deploy.dev.usage.mentioned`."""

        def mentioned(_layout: Layout, paths: Collection[str], **_: object) -> set[str]:
            if not knows:
                raise DeployError("Slurm does not answer")
            return {path for path in paths if any(path in text for text in used)}

        return mentioned

    def _pip(self, env: Path, command: str, *arguments: str) -> None:
        if command == "wheel":
            directory = Path(arguments[arguments.index("--wheel-dir") + 1])
            shutil.copy(self.path / "hub/app.py", directory / "atrium.whl")
        else:
            (env / "code").write_text(Path(arguments[-1]).read_text())


def _fill(target: Path, _lock: Path) -> None:
    (target / "bin").mkdir(parents=True)
    (target / "packages.py").touch()
    (target / "pyvenv.cfg").write_text(f"command = python3 -m venv {target}\n")
    (target / "bin/jupyter").write_text(f"#!{target}/bin/python\n")
    (target / "bin/jupyter").chmod(0o755)
