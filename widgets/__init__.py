"""The dashboards, and what notebooks use of them: ``from widgets import Cluster``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from widgets.clusters import Cluster

__all__ = ["Cluster"]


def __getattr__(name: str) -> Any:
    """The dashboards service imports none of it."""
    if name == "Cluster":
        from widgets.clusters import Cluster

        return Cluster
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
