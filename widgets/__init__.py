"""The dashboards, and what notebooks use of them: ``from widgets import Cluster, DataSpace``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from widgets.dataspace import DataSpace
    from widgets.scaling.client import Cluster

__all__ = ["Cluster", "DataSpace"]


def __getattr__(name: str) -> Any:
    """Imported when it is asked for: the dashboards service starts kernels that need none of it."""
    if name == "Cluster":
        from widgets.scaling.client import Cluster

        return Cluster
    if name == "DataSpace":
        from widgets.dataspace import DataSpace

        return DataSpace
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
