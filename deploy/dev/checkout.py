"""Commands of a checkout (test, check, bench, lock) and the environment that they need."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from deploy.dev import environments, files, packages, preflight
from deploy.dev.errors import DeployError
from deploy.dev.layout import CHECKOUT
from deploy.dev.locks import environments_locked
from deploy.dev.steps import step

VENV = CHECKOUT / ".venv"
"""Link to the environment in :func:`cache` that the lock describes."""
_LOCK = environments.LOCKS / "dev.txt"
_AXE = environments.LOCKS / "axe"  # accessibility checks of the browser tests
_COMPLETE = "atrium-packages-complete"
_UNIT = "not slurm and not e2e and not process"
_UNUSED_SECONDS = 30 * 24 * 3600.0
_DEADLINE = 1800.0
_TEST_DEADLINE = 7200.0
_TEST_WORKERS = 3  # they keep two cores busy; with more, pages of a slow machine miss their deadlines


def ready(*, browser: bool = False) -> None:
    """Prepare ``.venv`` by the lock; for all tests also packages, a browser and accessibility checks."""
    _ensure_packages(_packages_of_tests() if browser else ["python3-venv"])
    with environments_locked(cache()):
        _link(VENV, "python", [_LOCK], lambda target: environments.fill_python(target, _LOCK))
        if browser:
            _link(VENV / "axe", "axe", sorted(_AXE.iterdir()), lambda target: environments.fill_node(target, _AXE))


def cache() -> Path:
    """Directory of the environments of all checkouts; every OS user can execute what root builds there."""
    return Path("/var/cache/atrium") if os.geteuid() == 0 else Path.home() / ".cache/atrium"


def _link(link: Path, name: str, locks: list[Path], fill: Callable[[Path], None]) -> None:
    """Point ``link`` at the environment of the locks, which all checkouts with the same locks share."""
    parts = [environments.python_version().encode(), *(lock.read_bytes() for lock in locks)]
    target = cache() / f"{name}-{files.fingerprint(parts)[:12]}"
    if not (target / _COMPLETE).exists():
        with step(f"Environment of the checkout ({name})"):
            environments.build(target, _COMPLETE, lambda: fill(target))
    if link.is_dir() and not link.is_symlink():  # an environment that an earlier version built in place
        shutil.rmtree(link)
    files.link(link, target)
    os.utime(target)
    _remove_unused(name)


def _remove_unused(name: str) -> None:
    """Remove environments that no checkout has used for a month."""
    for target in cache().glob(f"{name}-*"):
        if time.time() - target.stat().st_mtime > _UNUSED_SECONDS:
            shutil.rmtree(target)


def _packages_of_tests() -> list[str]:
    # Ubuntu's chromium package only installs a snap, so the browser must be installed by other means.
    browser = [] if preflight.os_release().get("ID") == "ubuntu" else ["chromium-headless-shell"]
    # Playwright includes its own Node.js, which needs libatomic1.
    return [*packages.required(own_slurm=True), "postgresql", "libatomic1", *browser]


def _ensure_packages(names: list[str]) -> None:
    absent = packages.missing(names)
    if absent and os.geteuid() != 0:
        raise DeployError(f"{' '.join(absent)} is missing here: install it, or run this as root once.")
    if absent:
        with step("Debian packages") as outcome:
            packages.ensure(names)
            outcome.text = f"installed {' '.join(absent)}"


def test(arguments: Sequence[str] = ()) -> int:
    """All tests, on real parts."""
    ready(browser=True)
    return _tool("python", "-m", "pytest", f"--numprocesses={_TEST_WORKERS}", *arguments, deadline=_TEST_DEADLINE)


def check() -> int:
    """Run style, types, import contracts and unit tests in parallel.

    With ``ATRIUM_UNIT_TESTS=no`` without the last ones, which ``make test`` runs, too.

    :raises DeployError: the names of those that failed.
    """
    ready()
    workers = f"--numprocesses={os.cpu_count()}"
    checks = {
        "unit tests": ["python", "-m", "pytest", "--quiet", "-m", _UNIT, workers],
        "mypy": ["mypy"],
        "import-linter": ["lint-imports"],
        "ruff": ["ruff", "check"],
        "ruff format": ["ruff", "format", "--check"],
    }
    if os.environ.get("ATRIUM_UNIT_TESTS") == "no":
        del checks["unit tests"]
    with ThreadPoolExecutor(2) as pool:  # unit tests beside all others
        passed = list(pool.map(_passes, checks, checks.values()))
    failed = [name for name, well in zip(checks, passed, strict=True) if not well]
    if failed:
        raise DeployError(f"{', '.join(failed)} failed (see above).")
    return 0


def bench(arguments: Sequence[str] = ()) -> int:
    """The benchmark scenarios; results in tests/bench/results.json."""
    ready(browser=True)
    return _tool("python", "-m", "tests.bench", *arguments, deadline=_TEST_DEADLINE)


def lock() -> int:
    """Regenerate the locks from pyproject.toml."""
    return _run([str(environments.LOCKS / "compile.sh")], deadline=_DEADLINE)


def _passes(name: str, command: list[str]) -> bool:
    """Run one check and print its output at the end, so that outputs do not mix; returns whether it passed."""
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        code = _tool(*command, deadline=_DEADLINE, output=output)
        output.seek(0)
        took = f"{'failed' if code else 'ok'} after {time.monotonic() - began:.1f} s"
        print(f"── {name}\n{output.read()}   {took}", flush=True)
    return code == 0


def _tool(name: str, *arguments: str, deadline: float, output: IO[str] | None = None) -> int:
    return _run([str(VENV / "bin" / name), *arguments], deadline=deadline, output=output)


def _run(argv: list[str], *, deadline: float, output: IO[str] | None = None) -> int:
    """Run in the checkout and return the exit code. Output goes to ``output``, or else to the terminal."""
    environment = {
        **os.environ,
        "PATH": f"{VENV}/bin:{os.environ.get('PATH', '/usr/bin:/bin')}",
        "VIRTUAL_ENV": str(VENV),
        "MYPY_CACHE_DIR": str(cache() / "mypy"),
    }
    try:
        result = subprocess.run(
            argv,
            cwd=CHECKOUT,
            env=environment,
            timeout=deadline,
            check=False,
            stdout=output,
            stderr=None if output is None else subprocess.STDOUT,
        )
    except subprocess.TimeoutExpired as error:
        raise DeployError(f"{Path(argv[0]).name} did not end within {deadline / 60:.0f} minutes.") from error
    except OSError as error:
        raise DeployError(f"{argv[0]} could not be started: {error.strerror}.") from error
    return result.returncode
