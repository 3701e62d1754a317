"""Upgrades from installations without versions, whose code lies in ``/opt/atrium/envs`` and was replaced in place.

Servers started there import by the path ``/opt/atrium/user/...``, so this link stays as it is until the last of them
has ended. Until then the version in force is at ``user-next``, and a variable names it to Atrium's programs.
"""

from __future__ import annotations

from pathlib import Path

from deploy.dev import usage
from deploy.dev.errors import DeployError
from deploy.dev.layout import Layout

FOLDER = "envs"


def user_link(layout: Layout) -> Path:
    """The link to move when a version of the user environment is put in force."""
    return _next(layout) if _is_needed(layout) else layout.user_env


def forget_next(layout: Layout) -> None:
    """Remove ``user-next``, when the version in force has the well-known name."""
    _next(layout).unlink(missing_ok=True)


def variables(layout: Layout) -> dict[str, str]:
    """Variables that override ``paths.user_env``; empty unless servers of the old layout run."""
    link = _next(layout)
    return {"ATRIUM_PATHS__USER_ENV": str(link.readlink())} if link.is_symlink() else {}


def _next(layout: Layout) -> Path:
    return layout.opt / "user-next"


def _is_needed(layout: Layout) -> bool:
    """Whether a server or a job of the old layout uses the well-known name; True also if that is not known."""
    link = layout.user_env
    if not link.is_symlink() or link.readlink().parent.name != FOLDER:
        return False
    try:
        return bool(usage.mentioned(layout, [f"{link}/bin"], by_people=True))
    except DeployError:
        return True
