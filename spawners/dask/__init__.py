"""Dask clusters and training jobs of a person on Slurm, within the hours of their project.

>>> from spawners.dask import ProjectCluster
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spawners.dask.cluster import ProjectCluster

__all__ = ["ProjectCluster"]


def __getattr__(name: str) -> Any:
    """Dask takes a second to import, and a server that only starts needs none of it."""
    if name == "ProjectCluster":
        from spawners.dask.cluster import ProjectCluster

        return ProjectCluster
    raise AttributeError(name)
