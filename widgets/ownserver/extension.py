"""Jupyter server extension of a person's own server: framed error pages, the theme, what is confirmed first, and lazy
extensions.

It delays the start of every server, so it does not import Voila or Dask.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
from jupyter_core.paths import jupyter_path
from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join
from tornado import web

from hub.pages import frame
from widgets.ownserver import lazy, workspaces

TEMPLATES = (Path(__file__).parent / "templates", Path(__file__).parents[1] / "templates")
"""Pages of a person's own server, and what they share with the dashboards service's."""

VOILA = ("voila.server_extension", "widgets.ownserver.render")
ON_DEMAND = {
    "atrium/scaling": (*VOILA, "widgets.ownserver.scaling_page"),
    "voila": VOILA,
}
"""Below which address which extensions are needed. Voila's is off in ``spawners/jupyter`` for this; Dask's,
because spawners/node/clusters.py answers in its place."""


def frame_of_server(base_url: str) -> frame.Frame:
    """The frame of pages below ``base_url``; the Hub's addresses come from the job's environment."""
    return frame.build(
        roles=None,
        site_name=os.environ.get("ATRIUM_SITE_NAME", "Atrium"),
        hub_url=os.environ.get("ATRIUM_HUB_URL", "/hub/"),
        dashboards_url=os.environ.get("ATRIUM_DASHBOARDS_URL", "/services/dashboards/"),
        static_url=url_path_join(base_url, "atrium/static/"),
        report_url=os.environ.get("ATRIUM_REPORT_URL", ""),
        person=os.environ.get("JUPYTERHUB_USER", ""),
    )


def _use_our_error_pages(environment: jinja2.Environment, base_url: str) -> None:
    """Put our templates before Jupyter's and the frame's after them, because the frame uses the Hub's names."""
    stock = environment.loader
    assert stock is not None  # noqa: S101 - Jupyter Server made it
    environment.loader = jinja2.ChoiceLoader(
        [jinja2.FileSystemLoader(TEMPLATES), stock, jinja2.FileSystemLoader(frame.TEMPLATES)]
    )
    environment.globals.update(frame=frame_of_server(base_url), base_url=base_url)


def keep_lab_extensions(settings: dict[str, Any], base_url: str) -> None:
    """Let browsers cache files of JupyterLab's extensions, whose names contain a hash, like JupyterLab's own.

    Otherwise about twenty files are requested at every visit. Atrium's own extension has no hash in its name.
    """
    names = (name for folder in jupyter_path("labextensions") for name in _hashed_extensions(Path(folder)))
    urls = [url_path_join(base_url, "lab/extensions", name, "static/") for name in names]
    settings["static_immutable_cache"] = [*settings.get("static_immutable_cache", ()), *urls]


def _hashed_extensions(folder: Path) -> Iterator[str]:
    for package in ("*", "@*/*"):
        for entry in folder.glob(f"{package}/static/remoteEntry.*.js"):
            yield str(entry.parent.parent.relative_to(folder))


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "widgets.ownserver.extension"}]


def _load_jupyter_server_extension(server: ServerApp) -> None:
    base_url = server.web_app.settings["base_url"]
    _use_our_error_pages(server.web_app.settings["jinja2_env"], base_url)
    theme = (url_path_join(base_url, r"atrium/static/(.*)"), web.StaticFileHandler, {"path": str(frame.STATIC)})
    server.web_app.add_handlers(".*$", [theme])
    keep_lab_extensions(server.web_app.settings, base_url)
    workspaces.install(server)
    lazy.install(server, ON_DEMAND)
