"""``make logs``: follow what the programs say."""

from __future__ import annotations

import os

from deploy.dev.errors import DeployError
from deploy.dev.layout import Layout


def logs(layout: Layout, name: str) -> None:
    """Follow all logs, or one; becomes ``tail`` and does not return."""
    try:
        found = sorted(path.name for path in layout.log.glob("*.log"))
    except PermissionError:
        found = []
    if not found:
        raise DeployError(f"There are no logs in {layout.log} that you may read: run this as root, after make up.")
    chosen = [f"{name}.log"] if name else found
    if name and chosen[0] not in found:
        raise DeployError(
            f"There is no log {name!r}: choose LOG from {', '.join(one.removesuffix('.log') for one in found)}."
        )
    os.execv("/usr/bin/tail", ["tail", "-n", "30", "-F", *(str(layout.log / one) for one in chosen)])  # noqa: S606
