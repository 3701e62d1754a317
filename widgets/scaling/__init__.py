"""Dask clusters and trainings of a person: the Scale page, and classes for notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from widgets.scaling.clusters_view import Scaling
    from widgets.scaling.training_view import TrainingPanel

__all__ = ["Scaling", "TrainingPanel"]


def __getattr__(name: str) -> Any:
    """Import on first access: a notebook that starts a cluster needs no page."""
    if name == "Scaling":
        from widgets.scaling.clusters_view import Scaling

        return Scaling
    if name == "TrainingPanel":
        from widgets.scaling.training_view import TrainingPanel

        return TrainingPanel
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
