"""Checks before ``make up`` changes anything; each refusal says what is wrong and what to do."""

from __future__ import annotations

import os
import platform
import shutil
import stat
import sys
from pathlib import Path

from deploy.dev import health, logins
from deploy.dev.accounts import Accounts
from deploy.dev.errors import DeployError
from deploy.dev.layout import SERVICE_USER, WEB_USER, Layout
from deploy.dev.processes import is_free, listener, of_copy

_FIRST_GB = 6.0
_LATER_GB = 1.0
_LONGEST_WEB_RUN = 42  # Linux allows 107 bytes for a socket's path; the rest is for a kernel's name


def check(layout: Layout) -> None:
    """Raise :class:`DeployError` for the first check that fails."""
    check_root(os.geteuid())
    check_system(os_release())
    check_python(sys.version_info[:2])
    check_prefix(layout)
    check_accounts(layout)
    check_ports(layout)
    check_disk(layout)
    check_slurm(layout)


def check_root(uid: int) -> None:
    if uid != 0:
        raise DeployError("Only root may install packages, make accounts and ask the supervisor: say sudo make …")


def check_system(release: dict[str, str]) -> None:
    family = {release.get("ID", ""), *release.get("ID_LIKE", "").split()}
    if not family & {"debian", "ubuntu"}:
        name = release.get("PRETTY_NAME", "this system")
        raise DeployError(
            f"{name} is neither Debian nor Ubuntu: use Debian 12 (Debian 13 and Ubuntu 24.04 are untried)."
        )


def check_python(version: tuple[int, ...]) -> None:
    if version < (3, 11):
        raise DeployError(
            f"/usr/bin/python3 is {'.'.join(map(str, version))}, and Atrium needs 3.11 or newer: "
            "use Debian 12 (Debian 13 and Ubuntu 24.04 are untried)."
        )


def check_prefix(layout: Layout) -> None:
    excess = len(str(layout.web_run)) - _LONGEST_WEB_RUN
    if excess > 0:
        raise DeployError(f"ATRIUM_PREFIX {layout.root} is {excess} letters too long for Unix sockets: shorten it.")
    _check_path("ATRIUM_PREFIX", layout.root)
    if layout.options.environments:
        _check_path("ATRIUM_ENVIRONMENTS", Path(layout.options.environments))


def _check_path(variable: str, directory: Path) -> None:
    for path in (directory, *directory.parents):
        if path.exists():
            mode = path.stat().st_mode
            if not mode & stat.S_IXOTH:
                raise DeployError(f"Other OS users cannot enter {path}: choose an {variable} below /srv or /var/tmp.")
            if mode & (stat.S_IWGRP | stat.S_IWOTH) and not mode & stat.S_ISVTX:
                raise DeployError(f"Others may write in {path}: choose an {variable} only root may change.")


def check_accounts(layout: Layout) -> None:
    accounts = Accounts(layout)
    collisions = accounts.collisions([person.name for person in logins.people(layout.options.people)])
    if collisions:
        raise DeployError(
            f"{_some(collisions)} exist on this machine and were not made by this copy of Atrium: "
            "set ATRIUM_PEOPLE to a short prefix for the demo's people, such as ATRIUM_PEOPLE=t-."
        )
    others = [name for name in accounts.people() if not name.startswith(layout.options.people)]
    if others:
        raise DeployError(
            f"The people of this copy are {_some(others)}: ATRIUM_PEOPLE cannot change (purge it, or leave that out)."
        )
    persons = accounts.service_names_of_persons()
    if persons:
        raise DeployError(
            f"{_some(persons)} is a person's account here, and {SERVICE_USER} and {WEB_USER} are Atrium's own."
        )


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def check_ports(layout: Layout) -> None:
    ours = {process.pid for process in of_copy(layout)}
    for name, port in layout.ports.items():
        if is_free(port):
            continue
        holder = listener(port)
        if holder is None or holder.pid not in ours:
            who = f"{holder.name} (process {holder.pid})" if holder else "another program"
            raise DeployError(
                f"Port {port} ({name}) is taken by {who}: stop it, or choose another ATRIUM_PORT, at least 20 away."
            )


def check_disk(layout: Layout) -> None:
    needed = _LATER_GB if any(layout.environments.glob("base/user-*")) else _FIRST_GB
    for path in (layout.environments, layout.state):
        existing = next(ancestor for ancestor in (path, *path.parents) if ancestor.exists())
        free = shutil.disk_usage(existing).free / 1e9
        if free < needed:
            raise DeployError(f"{existing} has {free:.1f} GB left and Atrium needs {needed:.0f} GB: make room there.")


def check_slurm(layout: Layout) -> None:
    if layout.own_slurm:
        return
    if shutil.which("sinfo") is None:
        raise DeployError("SLURM=existing, but there is no sinfo on this machine: leave it out for a Slurm of its own.")
    if layout.slurm_conf and not layout.slurm_conf.is_file():
        raise DeployError(f"SLURM_CONF names {layout.slurm_conf}, and there is no such file.")
    wrong = health.existing_slurm(layout)
    if wrong:
        raise DeployError(f"SLURM=existing, but it does not answer ({wrong}): name its slurm.conf by SLURM_CONF.")


def os_release() -> dict[str, str]:
    """The fields of /etc/os-release."""
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {"PRETTY_NAME": f"{platform.system()} without {Path('/etc/os-release')}"}
