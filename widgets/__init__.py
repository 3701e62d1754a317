"""The dashboards; and for notebooks, ``from widgets import DataSpace``."""

from __future__ import annotations

from typing import Any

__all__ = ["DataSpace"]


def __getattr__(name: str) -> Any:
    """Imported when it is asked for: the dashboards service starts kernels that need none of it."""
    if name == "DataSpace":
        from widgets.dataspace import DataSpace

        return DataSpace
    raise AttributeError(name)
