"""Environment variables of the programs that ``atrium`` starts: only those they need, so that nothing leaks."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from hub.errors import SettingsError


def bare() -> dict[str, str]:
    """Variables that every program needs. ``HOME`` is the account's, not the variable's value."""
    home = pwd.getpwuid(os.getuid()).pw_dir
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": home, "LANG": os.environ.get("LANG", "C.UTF-8")}


def settings_too() -> dict[str, str]:
    """Variables of our own programs: :func:`bare` and the path of the settings."""
    return {**bare(), **{name: value for name, value in os.environ.items() if name.startswith("ATRIUM_")}}


def become(argv: list[str], environment: Mapping[str, str]) -> NoReturn:
    """Replace this process by another program, so that the supervisor watches it directly."""
    if not os.access(argv[0], os.X_OK):
        raise SettingsError(f"{argv[0]} is missing or cannot be executed.", hint="Run the installation again.")
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(argv[0], argv, dict(environment))  # noqa: S606


def shared_file(name: str) -> Path:
    """A file of the package's shared data (``share/atrium``), or of the checkout."""
    installed = Path(sys.prefix) / "share" / "atrium" / name
    return installed if installed.exists() else Path(__file__).parent.parent / name
