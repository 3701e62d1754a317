"""Installed versions of Atrium's code: a directory for each, ``versions/NAME-LOCK-CODE``, that does not change again.

A server imports from the version it was started in for as long as it runs, also after ``make up`` has installed
another one. The packages' files are hard links to those of the environment, so a version takes little room. The
well-known names, such as ``/opt/atrium/user``, are links to the versions in force.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deploy.dev import environments, files, old_layout
from deploy.dev.command import run
from deploy.dev.layout import CHECKOUT, Layout

NAMES = ("hub", "user")
_COMPLETE = "atrium-code-complete"
_COPY_DEADLINE = 600.0
_CODE = (
    *("hub", "spawners", "widgets", "notebooks", "deploy/demo", "deploy/policy", "deploy/sudoers/job-log"),
    *("jupyterhub_config.py", "pyproject.toml", "README.md", "LICENSE"),
)


def ensure(layout: Layout) -> bool:
    """Install this checkout's code and put it in force; returns whether anything changed."""
    code = code_fingerprint()[:12]
    bases = {name: environments.base(layout, name) for name in environments.NAMES}
    targets = {name: layout.environments / "versions" / f"{bases[name].name}-{code}" for name in NAMES}
    missing = [name for name in NAMES if not (targets[name] / _COMPLETE).exists()]
    if missing:
        with tempfile.TemporaryDirectory(prefix="atrium-wheel-") as scratch, ThreadPoolExecutor() as pool:
            wheel = _wheel(bases["hub"], Path(scratch))
            list(pool.map(lambda name: _install(bases[name], targets[name], wheel), missing))
    user_link = old_layout.user_link(layout)
    moved = [
        put_in_force(layout, layout.hub_env, targets["hub"]),
        put_in_force(layout, user_link, targets["user"]),
        put_in_force(layout, layout.proxy_env, bases["proxy"]),
    ]
    if user_link == layout.user_env:
        old_layout.forget_next(layout)
    return bool(missing) or any(moved)


def ensure_supervisor(layout: Layout) -> None:
    """Have the environment with the supervisor in force for the Hub, whichever code is in it or none."""
    base = environments.base(layout, "hub")
    if base_of(layout.hub_env) != base:
        put_in_force(layout, layout.hub_env, base)


def put_in_force(layout: Layout, link: Path, target: Path) -> bool:
    """Point ``link`` at ``target``; returns whether it changed.

    The previous target is kept until nothing uses it (:mod:`deploy.dev.unused`).
    """
    _link(layout.environments / "copies" / layout.cluster, layout.opt)
    if link.is_symlink() and link.readlink() != target:
        _link(layout.previous / link.readlink().name, link.readlink())
    return _link(link, target)


def _link(link: Path, target: Path) -> bool:
    link.parent.mkdir(parents=True, exist_ok=True)
    return files.link(link, target)


def base_of(path: Path) -> Path:
    """The environment that the version at ``path`` was made from; of anything else, the directory itself."""
    directory = path.resolve()
    if directory.parent.name != "versions":
        return directory
    return directory.parent.with_name("base") / directory.name.rpartition("-")[0]


def _wheel(env: Path, directory: Path) -> Path:
    """Build a wheel of this checkout's code."""
    environments.pip(env, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(directory), str(CHECKOUT))
    return next(directory.glob("*.whl"))


def _install(base: Path, target: Path, wheel: Path) -> bool:
    def fill() -> None:
        run(["cp", "--archive", "--link", "--no-target-directory", str(base), str(target)], deadline=_COPY_DEADLINE)
        _write_own_path(base, target)
        environments.pip(target, "install", "--no-deps", "--no-index", str(wheel))

    return environments.build(target, _COMPLETE, fill)


def _write_own_path(base: Path, target: Path) -> None:
    """Put ``target`` in the place of ``base`` in scripts' first lines and in what Python says of the environment."""
    for path in (target / "pyvenv.cfg", *(target / "bin").iterdir()):
        if path.is_file() and not path.is_symlink():
            text = path.read_bytes()
            if str(base).encode() in text:
                fresh = path.with_name(f".{path.name}.fresh")  # the old file is shared by hard links
                fresh.write_bytes(text.replace(str(base).encode(), str(target).encode()))
                shutil.copymode(path, fresh)
                fresh.replace(path)


def code_fingerprint() -> str:
    """One hash over everything of the checkout that is installed."""
    return files.fingerprint(
        part for path in _code() for part in (str(path.relative_to(CHECKOUT)).encode(), path.read_bytes())
    )


def _code() -> Iterator[Path]:
    for name in _CODE:
        path = CHECKOUT / name
        paths = [path] if path.is_file() else path.rglob("*")
        yield from sorted(file for file in paths if file.is_file() and not _is_litter(file))


def _is_litter(path: Path) -> bool:
    return bool({"__pycache__", ".ipynb_checkpoints", "node_modules"} & set(path.parts)) or path.suffix == ".pyc"
