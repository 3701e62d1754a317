"""Environments of Atrium: two Python environments and the proxy's Node packages, pinned by locks with hashes.

An environment is a directory named after its lock, ``base/NAME-LOCK``, and holds nothing of Atrium itself: an installed
version of the code is a copy of it (:mod:`deploy.dev.versions`). Copies of Atrium that name the same directory of
environments share what is built there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from deploy.dev import files
from deploy.dev.command import run
from deploy.dev.layout import CHECKOUT, Layout

LOCKS = CHECKOUT / "deploy/lock"
PYTHON = "/usr/bin/python3"
NAMES = ("hub", "user", "proxy")
_BUILD_DEADLINE = 1800.0
_COMPLETE = "atrium-packages-complete"


def ensure(layout: Layout, names: Sequence[str] = NAMES) -> list[str]:
    """Build missing environments in parallel; returns their names."""
    with ThreadPoolExecutor() as pool:
        built = list(pool.map(lambda name: _ensure(layout, name), names))
    return [name for name, new in zip(names, built, strict=True) if new]


def base(layout: Layout, name: str) -> Path:
    """Directory of the environment ``name`` as its lock describes it now."""
    if name == "proxy":
        parts = [(LOCKS / name / file).read_bytes() for file in ("package.json", "package-lock.json")]
    else:
        parts = [(LOCKS / f"{name}.txt").read_bytes(), python_version().encode()]
    return layout.environments / "base" / f"{name}-{files.fingerprint(parts)[:12]}"


@cache
def python_version() -> str:
    return run([PYTHON, "--version"], deadline=30)


def _ensure(layout: Layout, name: str) -> bool:
    target = base(layout, name)
    if name == "proxy":
        return build(target, _COMPLETE, lambda: fill_node(target, LOCKS / name))
    return build(target, _COMPLETE, lambda: fill_python(target, LOCKS / f"{name}.txt"))


def build(target: Path, mark: str, fill: Callable[[], None]) -> bool:
    """Fill ``target`` unless the file ``mark`` in it says that it is complete; returns whether it was filled."""
    if (target / mark).exists():
        return False
    if target.exists():  # left by an interrupted build
        shutil.rmtree(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    fill()
    (target / mark).touch()
    return True


def fill_python(target: Path, lock: Path) -> None:
    """Fill ``target`` with a Python environment with exactly the packages of ``lock``; safe to run twice."""
    if not (target / "bin/python").exists():
        run([PYTHON, "-m", "venv", str(target)], deadline=_BUILD_DEADLINE)
    pip(target, "install", "--require-hashes", "--requirement", str(lock))


def fill_node(target: Path, lock: Path) -> None:
    """Install the Node packages of a ``package.json`` and its lock into ``target``."""
    shutil.copytree(lock, target, dirs_exist_ok=True)
    # npm's warning about an unknown Node.js version is not an error.
    argv = ["npm", "ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error"]
    run(argv, deadline=_BUILD_DEADLINE, directory=target, environment=os.environ)


def pip(env: Path, command: str, *arguments: str) -> None:
    """Run the environment's pip with the machine's own configuration of it (root's environment and files)."""
    unwanted = ("PYTHON", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    environment |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_ROOT_USER_ACTION": "ignore"}
    argv = [str(env / "bin/python"), "-m", "pip", command, "--quiet", *arguments]
    run(argv, deadline=_BUILD_DEADLINE, environment=environment)
