"""The dashboards, and what notebooks use of them: ``from widgets import Cluster, DataSpace``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from widgets.dataspace import DataSpace
    from widgets.scaling.client import Cluster

__all__ = ["Cluster", "DataSpace"]


def __getattr__(name: str) -> Any:
    """Import on first access: kernels of the dashboards service need neither class."""
    if name == "Cluster":
        from widgets.scaling.client import Cluster

        return Cluster
    if name == "DataSpace":
        from widgets.dataspace import DataSpace

        return DataSpace
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
