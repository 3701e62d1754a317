"""What the programs we turn into get to see of our environment: what they need, and nothing they could leak."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from hub.errors import SettingsError


def bare() -> dict[str, str]:
    """The least any program needs. ``HOME`` is this account's, whatever the variable says."""
    home = pwd.getpwuid(os.getuid()).pw_dir
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": home, "LANG": os.environ.get("LANG", "C.UTF-8")}


def settings_too() -> dict[str, str]:
    """For our own programs: :func:`bare`, and where the settings are."""
    return {**bare(), **{name: value for name, value in os.environ.items() if name.startswith("ATRIUM_")}}


def become(argv: list[str], environment: Mapping[str, str]) -> NoReturn:
    """Replace this process by another program, so that the supervisor watches that one itself."""
    if not os.access(argv[0], os.X_OK):
        raise SettingsError(f"{argv[0]} is missing or cannot be executed.", hint="Run the installation again.")
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(argv[0], argv, dict(environment))  # noqa: S606  that is the point


def shared_file(name: str) -> Path:
    """A file that the package installs beside itself (``share/atrium``), or that stands at the top of a checkout."""
    installed = Path(sys.prefix) / "share" / "atrium" / name
    return installed if installed.exists() else Path(__file__).parent.parent / name
