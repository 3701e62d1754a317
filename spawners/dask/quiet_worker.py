"""The class of a cluster's workers, which their jobs name (``cluster``). Imports nothing but Dask."""

from __future__ import annotations

from typing import Any

from distributed import Worker


class QuietWorker(Worker):
    """A worker that listens for scheduler, workers and clients only, with TLS.

    Dask's own also serves metrics and health over plain HTTP, to everybody who reaches the node.
    """

    def start_http_server(self, *_arguments: Any, **_options: Any) -> None:
        """Do not listen."""


CLASS = f"{QuietWorker.__module__}.{QuietWorker.__qualname__}"
"""For ``dask worker --worker-class``."""
