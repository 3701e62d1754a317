"""Python files beside a person's notebook, which the scheduler has to import to read tasks that use them.

Workers run in the notebook's directory and find them there. The scheduler's process belongs to all notebooks of the
server: their directories come last among those that it imports from, so that no file there hides a module of its own.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

FRESH_SECONDS = 1.0
"""How long a change of such a file may go unnoticed."""


@dataclass
class OwnModules:
    """The directories, and when the files of imported modules were changed."""

    directories: set[str] = field(default_factory=set)
    versions: dict[str, float] = field(default_factory=dict)
    checked_at: float = float("-inf")
    modules: int = 0
    """How many modules there were when versions were noted."""

    def add(self, directory: str) -> None:
        """Let the scheduler import modules from ``directory``."""
        if directory and directory not in self.directories:
            self.directories.add(directory)
            sys.path.append(directory)

    def refresh(self) -> None:
        """Forget modules whose file has changed, so that the next task imports them anew."""
        if not self.directories or time.monotonic() - self.checked_at < FRESH_SECONDS:
            return
        self.checked_at = time.monotonic()
        importlib.invalidate_caches()
        for name, path in self._imported():
            if name in self.versions and self.versions[name] != _changed(path):
                del sys.modules[name], self.versions[name]

    def remember(self) -> None:
        """Note the versions of the files of modules that have just been imported."""
        if self.directories and len(sys.modules) != self.modules:
            self.modules = len(sys.modules)
            for name, path in self._imported():
                self.versions.setdefault(name, _changed(path))

    def _imported(self) -> Iterator[tuple[str, Path]]:
        """Name and file of the modules that came from the directories."""
        for name, module in list(sys.modules.items()):
            path = getattr(module, "__file__", None)
            if path and any(path.startswith(f"{directory}/") for directory in self.directories):
                yield name, Path(path)


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


OWN_MODULES = OwnModules()
"""Those of this process."""
