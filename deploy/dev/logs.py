"""``make logs``: follow the programs' logs."""

from __future__ import annotations

import os

from deploy.dev.errors import DeployError
from deploy.dev.layout import Layout


def logs(layout: Layout, name: str) -> None:
    """Follow all logs, or one; becomes ``tail`` and does not return."""
    try:
        log_names = sorted(path.name for path in layout.log.glob("*.log"))
    except PermissionError:
        log_names = []
    if not log_names:
        raise DeployError(f"There are no logs in {layout.log} that you may read: run this as root, after make up.")
    chosen = [f"{name}.log"] if name else log_names
    if name and chosen[0] not in log_names:
        raise DeployError(
            f"There is no log {name!r}: choose LOG from {', '.join(name.removesuffix('.log') for name in log_names)}."
        )
    os.execv("/usr/bin/tail", ["tail", "-n", "30", "-F", *(str(layout.log / name) for name in chosen)])  # noqa: S606
