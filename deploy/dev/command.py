"""Runs programs from an argument list, with a deadline; failures are :class:`DeployError` with a sentence."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.dev.errors import DeployError

CLEAN = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
"""Environment of programs that are not Atrium's own."""


def attempt(
    argv: Sequence[str],
    *,
    deadline: float,
    user: str | None = None,
    environment: Mapping[str, str] | None = None,
    stdin: str = "",
    directory: Path = Path("/"),
) -> subprocess.CompletedProcess[str]:
    """Run ``argv``, as the OS user ``user`` (with that user's groups) if given, and return the completed process."""
    try:
        return subprocess.run(
            argv,
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=deadline,
            env=dict(CLEAN if environment is None else environment),
            cwd=directory,
            check=False,
            user=user,
            group=None if user is None else _group(user),
            extra_groups=None if user is None else _groups(user),
            umask=0o077 if user is not None else -1,
        )
    except subprocess.TimeoutExpired as error:
        raise DeployError(f"{argv[0]} did not end within {deadline:.0f} s.") from error
    except OSError as error:
        raise DeployError(f"{argv[0]} could not be started: {error.strerror}.") from error


def run(
    argv: Sequence[str],
    *,
    deadline: float,
    user: str | None = None,
    environment: Mapping[str, str] | None = None,
    stdin: str = "",
    directory: Path = Path("/"),
) -> str:
    """Standard output of ``argv``; raises :class:`DeployError` with the last lines it printed when it fails."""
    result = attempt(argv, deadline=deadline, user=user, environment=environment, stdin=stdin, directory=directory)
    if result.returncode:
        output = (result.stderr.strip() or result.stdout.strip() or "nothing").splitlines()[-12:]
        raise DeployError(f"{Path(argv[0]).name} {' '.join(argv[1:3])} failed:\n    " + "\n    ".join(output))
    return result.stdout


def _group(user: str) -> int:
    return pwd.getpwnam(user).pw_gid


def _groups(user: str) -> list[int]:
    return os.getgrouplist(user, _group(user))
