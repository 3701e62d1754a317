"""Debian and Ubuntu packages: installs missing ones and does not start their services."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.dev.command import CLEAN, attempt, run
from deploy.dev.errors import DeployError

BASE = ("acl", "ca-certificates", "sudo", "python3-venv", "libpam-pwdfile", "openssl", "nginx", "fonts-dejavu-core")
SLURM = ("slurm-wlm", "slurmdbd", "munge", "mariadb-server")

_UNITS = {"slurm-wlm": ("slurmd", "slurmctld"), "slurmdbd": ("slurmdbd",), "munge": ("munge",)} | {
    "mariadb-server": ("mariadb",),
    "postgresql": ("postgresql",),
    "nginx": ("nginx",),
}
_POLICY = Path("/usr/sbin/policy-rc.d")
_POLICY_TEXT = "#!/bin/sh\n# Atrium is installing packages and runs them itself.\nexit 101\n"
_UPDATE_DEADLINE = 300.0
_INSTALL_DEADLINE = 1800.0


def required(*, own_slurm: bool) -> list[str]:
    """Packages of a deployment; Node.js only where none is (a site's own stays)."""
    node = [] if shutil.which("node") and shutil.which("npm") else ["nodejs", "npm"]
    return [*BASE, *(SLURM if own_slurm else ()), *node]


def missing(names: Sequence[str]) -> list[str]:
    result = attempt(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *names], deadline=30)
    present = {line.split()[0] for line in result.stdout.splitlines() if line.endswith(" installed")}
    return [name for name in names if name not in present]


def ensure(names: Sequence[str]) -> list[str]:
    """Install those of ``names`` that are missing; returns them."""
    absent = missing(names)
    if absent:
        _update()
        with _services_kept_off():
            _apt("install", "--yes", *absent, deadline=_INSTALL_DEADLINE)
        _disable([unit for name in absent for unit in _UNITS.get(name, ())])
    return absent


def _update() -> None:
    for pause in (5, 15, 0):
        try:
            return _apt("update", deadline=_UPDATE_DEADLINE)
        except DeployError:
            if not pause:
                raise
            time.sleep(pause)


def _apt(command: str, *rest: str, deadline: float) -> None:
    options = ["-qq", "-o", "DPkg::Lock::Timeout=120", "--no-install-recommends"]
    # The machine's own proxy settings, if any, are in its environment.
    environment = {**os.environ, **CLEAN, "DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", *options, command, *rest], deadline=deadline, environment=environment)


@contextmanager
def _services_kept_off() -> Iterator[None]:
    """Keep services from starting while packages are unpacked, with Debian's policy-rc.d."""
    ours = not _POLICY.exists() or _POLICY.read_text() == _POLICY_TEXT
    if ours:
        _POLICY.write_text(_POLICY_TEXT)
        _POLICY.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            _POLICY.unlink()


def _disable(units: list[str]) -> None:
    """Disable services of the packages that were just installed; others stay as they are."""
    if units and Path("/run/systemd/system").is_dir():
        run(["systemctl", "disable", "--now", *units], deadline=120)
