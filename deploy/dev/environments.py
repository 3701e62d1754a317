"""What Atrium runs in: two Python environments and the proxy's Node packages, each pinned by a lock with hashes.

Each is built in a directory named after its lock and linked to its well-known name when it is complete: a build
that breaks off changes nothing, and a notebook that runs keeps its environment while the next one is laid down.
The one before stays for that reason; older ones go.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deploy.dev import files
from deploy.dev.command import run
from deploy.dev.layout import CHECKOUT, Layout

LOCKS = CHECKOUT / "deploy/lock"
PYTHON = "/usr/bin/python3"
_BUILD_DEADLINE = 1800.0
_CODE_STAMP = "atrium-code.sha256"
_DONE = "atrium-complete"
_CODE = (
    *("hub", "spawners", "widgets", "notebooks", "deploy/policy"),
    *("jupyterhub_config.py", "pyproject.toml", "README.md", "LICENSE"),
)


def ensure(layout: Layout) -> list[str]:
    """Build what is missing, side by side; the names of what was built."""
    with ThreadPoolExecutor() as pool:
        builds = {
            "hub": pool.submit(_ensure_python, layout.hub_env, LOCKS / "hub.txt"),
            "user": pool.submit(_ensure_python, layout.user_env, LOCKS / "user.txt"),
            "proxy": pool.submit(_ensure_node, layout.proxy_env, LOCKS / "proxy"),
        }
        return [name for name, build in builds.items() if build.result()]


def ensure_hub_only(layout: Layout) -> bool:
    """The Hub's environment alone: it has the supervisor that Slurm's programs run under."""
    return _ensure_python(layout.hub_env, LOCKS / "hub.txt")


def ensure_code(layout: Layout) -> bool:
    """Install this checkout's code into both environments; whether it differed from what is there."""
    current = code_fingerprint()
    stale = [env for env in (layout.hub_env, layout.user_env) if not _stamped(env / _CODE_STAMP, current)]
    if not stale:
        return False
    with tempfile.TemporaryDirectory(prefix="atrium-wheel-") as scratch:
        build = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", scratch]
        _pip(layout.hub_env, *build, str(CHECKOUT))
        wheel = next(Path(scratch).glob("*.whl"))
        for env in stale:
            (env / _CODE_STAMP).unlink(missing_ok=True)
            _pip(env, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--force-reinstall", str(wheel))
            (env / _CODE_STAMP).write_text(current)
    return True


def code_stamp(env: Path) -> Path:
    """The file that is newer than a process running older code."""
    return env / _CODE_STAMP


def code_fingerprint() -> str:
    """One hash over everything of the checkout that is installed."""
    return files.fingerprint(
        part for path in _code() for part in (str(path.relative_to(CHECKOUT)).encode(), path.read_bytes())
    )


def _code() -> Iterator[Path]:
    for name in _CODE:
        path = CHECKOUT / name
        found = [path] if path.is_file() else path.rglob("*")
        yield from sorted(one for one in found if one.is_file() and not _is_litter(one))


def _is_litter(path: Path) -> bool:
    return bool({"__pycache__", ".ipynb_checkpoints", "node_modules"} & set(path.parts)) or path.suffix == ".pyc"


def fill_python(target: Path, lock: Path) -> None:
    """A Python environment at ``target`` with exactly what ``lock`` names; safe to run on one that is there."""
    if not (target / "bin/python").exists():
        run([PYTHON, "-m", "venv", str(target)], deadline=_BUILD_DEADLINE)
    _pip(target, "-m", "pip", "install", "--quiet", "--require-hashes", "--requirement", str(lock))


def fill_node(target: Path, lock: Path) -> None:
    """The Node packages of a ``package.json`` and its lock, at ``target``."""
    shutil.copytree(lock, target, dirs_exist_ok=True)
    # Node's own complaint about a version it does not know is no failure; the lock says what is installed.
    argv = ["npm", "ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error"]
    run(argv, deadline=_BUILD_DEADLINE, directory=target, environment=os.environ)


def _ensure_python(env: Path, lock: Path) -> bool:
    version = run([PYTHON, "--version"], deadline=30)
    target = _target(env, lock.read_bytes(), version.encode())
    return _ensure(env, target, lambda: fill_python(target, lock))


def _ensure_node(env: Path, lock: Path) -> bool:
    target = _target(env, *((lock / name).read_bytes() for name in ("package.json", "package-lock.json")))
    return _ensure(env, target, lambda: fill_node(target, lock))


def _ensure(env: Path, target: Path, fill: Callable[[], None]) -> bool:
    """Fill ``target`` unless an earlier run did, and point ``env`` at it; whether it had to be filled."""
    missing = not (target / _DONE).exists()
    if missing:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        fill()
        (target / _DONE).touch()
    files.link(env, target)
    _forget_older(env, target)
    return missing


def _target(env: Path, *parts: bytes) -> Path:
    return env.parent / "envs" / f"{env.name}-{files.fingerprint(parts)[:12]}"


def _forget_older(env: Path, target: Path) -> None:
    """Keep the one in use and the one before it."""
    others = [path for path in target.parent.glob(f"{env.name}-*") if path != target]
    for path in sorted(others, key=lambda path: path.stat().st_mtime)[:-1]:
        shutil.rmtree(path)


def _stamped(stamp: Path, text: str) -> bool:
    return stamp.exists() and stamp.read_text() == text


def _pip(env: Path, *arguments: str) -> None:
    """pip with the machine's own configuration of it (root's environment and files)."""
    unwanted = ("PYTHON", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    environment |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_ROOT_USER_ACTION": "ignore"}
    run([str(env / "bin/python"), *arguments], deadline=_BUILD_DEADLINE, environment=environment)
