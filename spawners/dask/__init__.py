"""Dask clusters and training jobs of a person on Slurm, within the hours of their project.

>>> from spawners.dask import ProjectCluster
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spawners.dask.cluster import ProjectCluster

__all__ = ["ProjectCluster"]


def __getattr__(name: str) -> Any:
    """Import on first access: importing Dask takes a second, and a starting server does not need it."""
    if name == "ProjectCluster":
        from spawners.dask.cluster import ProjectCluster

        return ProjectCluster
    raise AttributeError(name)
