"""Free space where Atrium writes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from hub.settings import Settings


def warnings(settings: Settings) -> tuple[str, ...]:
    """A sentence for each file system of Atrium's with less free space than ``disk.warn_gb``; no paths, because anybody
    may read them."""
    return tuple(
        _sentence(name, free) for name, free in free_gb(settings) if free is None or free < settings.disk.warn_gb
    )


def free_gb(settings: Settings) -> Iterator[tuple[str, float | None]]:
    """Name and free space in GB of each file system, counted once; None if it cannot be read."""
    paths = settings.paths
    published = settings.store.folder or paths.state / "store"
    folders = {"state": paths.state, "logs": paths.log, "projects": paths.projects, "published files": published}
    seen: set[int] = set()
    for name, path in folders.items():
        existing = next(folder for folder in (path, *path.parents) if folder.exists())
        try:
            device, free = existing.stat().st_dev, free_bytes(existing) / 1e9
        except OSError:
            yield name, None
            continue
        if device not in seen:
            seen.add(device)
            yield name, free


def free_bytes(path: Path) -> int:
    """Bytes that are free in the file system of ``path``."""
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


def _sentence(name: str, free: float | None) -> str:
    return f"{name}: free space is unknown" if free is None else f"{name}: {free:.1f} GB free"
