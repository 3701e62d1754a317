"""Finds installed dashboards and renders them in the frame, for the service and for a person's own server."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from jupyter_server.services.contents.largefilemanager import LargeFileManager
from voila.notebook_renderer import NotebookRenderer

from hub.pages.frame import Frame

TEMPLATE = "atrium"
"""The Voila template in notebooks/voila."""

LABEXTENSIONS = ["@jupyter-widgets/jupyterlab-manager", "@voila-dashboards/widgets-manager8", "anywidget"]
"""What a dashboard loads into the browser; the rest of the environment's JupyterLab extensions stays out."""


def dashboards_folder(environ: Mapping[str, str]) -> Path:
    """Where the dashboards' notebooks are installed."""
    return Path(environ.get("ATRIUM_DASHBOARDS_DIR") or Path(sys.prefix) / "share/atrium/dashboards").resolve()


@dataclass(frozen=True)
class Dashboard:
    """One notebook of the folder."""

    name: str
    own_server: bool
    """It needs the person's own rights (Slurm) and runs in the person's own server only."""
    ahead: bool = True
    """Whether a page of it is kept ready; not for the few who review or administer."""


def find_dashboards(folder: Path) -> dict[str, Dashboard]:
    """Notebooks in the folder, without links that lead out of it."""
    dashboards = {}
    for path in sorted(folder.glob("*.ipynb")):
        if path.is_file() and path.resolve().parent == folder:
            about = nbformat.read(path, as_version=4).metadata.get("atrium", {})
            dashboards[path.name] = Dashboard(
                path.stem, own_server=about.get("runs") == "own-server", ahead=about.get("ahead", True)
            )
    return dashboards


class DashboardContents(LargeFileManager):
    """The installed notebooks, trusted without signatures because only the deployment writes them."""

    def mark_trusted_cells(self, nb: Any, path: str = "") -> None:
        """Do nothing, so that no signature database is created."""


class FramedRenderer(NotebookRenderer):
    """Gives the template ``resources.frame`` (header, menu, footer as on the Hub's pages) and ``resources.together``.

    :param together: address of all scripts in one, see :mod:`widgets.service.bundle`; empty: each is fetched by itself.
    """

    def __init__(self, around: Frame, together: str = "", **options: Any) -> None:
        super().__init__(**options)
        self._around = around
        self._together = together

    async def initialize(self, **options: Any) -> None:
        await super().initialize(**options)
        self.resources["frame"] = self._around
        self.resources["together"] = self._together
