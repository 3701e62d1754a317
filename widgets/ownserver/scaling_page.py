"""The scaling page at ``atrium/scaling`` of a person's own server; it runs there because it needs their rights.

A Jupyter server extension, loaded when the page is first asked for (widgets/ownserver/extension.py). The notebook comes
from the installation, not from the home directory, so that nobody's edited copy is shown in the factory's frame.
Voila's own extension, loaded with it, serves the static files.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
from jupyter_core.utils import ensure_async
from jupyter_server.serverapp import ServerApp
from jupyter_server.services.kernels.kernelmanager import MappingKernelManager
from jupyter_server.utils import url_path_join
from tornado import web
from tornado.ioloop import PeriodicCallback
from traitlets.config import Config
from voila.configuration import VoilaConfiguration
from voila.handler import VoilaHandler
from voila.paths import collect_template_paths

from hub.pages import frame
from widgets.ownserver.extension import frame_of_server
from widgets.rendering import LABEXTENSIONS, TEMPLATE, DashboardContents, dashboards_folder

ABANDONED_SECONDS = 600.0
"""How long a page may be away (a laptop asleep, a tunnel) before its kernel, and with it its workers, end."""


class PageKernels:
    """The server's kernel manager for the page's handler; ends kernels whose page has been closed."""

    def __init__(self, manager: MappingKernelManager, clock: Callable[[], float] = time.monotonic) -> None:
        self._manager = manager
        self._clock = clock
        self._seen: dict[str, float] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._manager, name)

    async def start_kernel(self, **options: Any) -> str:
        kernel_id: str = await ensure_async(self._manager.start_kernel(**options))
        self._seen[kernel_id] = self._clock()
        return kernel_id

    async def end_abandoned(self) -> None:
        """One round over the kernels of pages."""
        for kernel_id, last_seen in tuple(self._seen.items()):
            if kernel_id not in self._manager:
                del self._seen[kernel_id]
            elif self._manager.kernel_model(kernel_id)["connections"]:
                self._seen[kernel_id] = self._clock()
            elif self._clock() - last_seen > ABANDONED_SECONDS:
                await ensure_async(self._manager.shutdown_kernel(kernel_id))


class ScalingHandler(VoilaHandler):
    """Voila's handler for one installed notebook."""

    def initialize(self, **options: Any) -> None:
        self._contents: DashboardContents = options.pop("contents")
        self._kernels: PageKernels = options.pop("kernels")
        super().initialize(**options)

    @property
    def kernel_manager(self) -> Any:
        """Kernel manager that starts the page's kernel."""
        return self._kernels

    @property
    def contents_manager(self) -> DashboardContents:
        """Contents manager that reads the notebook."""
        return self._contents

    @web.authenticated
    async def get(self) -> None:
        self.set_header("Cache-Control", "no-store")  # a page from the browser's cache has no kernel any more
        self.xsrf_token  # noqa: B018 - sets the cookie without which the page cannot end its kernel
        async for snippet in self.get_generator():
            self.write(snippet)
            await self.flush()


def configuration(base_url: str) -> VoilaConfiguration:
    """Voila's options; the person's own configuration of Voila is for their own notebooks."""
    config = Config()
    config.VoilaConfiguration.template = TEMPLATE
    config.VoilaConfiguration.allow_template_override = "NO"
    config.VoilaConfiguration.allow_theme_override = "NO"
    config.VoilaConfiguration.extension_allowlist = LABEXTENSIONS
    config.VoilaConfiguration.extension_denylist = []
    config.VoilaConfiguration.resources = {"frame": frame_of_server(base_url).at("scaling")}
    return VoilaConfiguration(config=config)


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "widgets.ownserver.scaling_page"}]


def _load_jupyter_server_extension(server: ServerApp) -> None:
    base_url = server.web_app.settings["base_url"]
    paths = [*collect_template_paths(["voila", "nbconvert"], TEMPLATE), str(frame.TEMPLATES)]
    server.web_app.settings.setdefault(
        "voila_jinja2_env", jinja2.Environment(loader=jinja2.FileSystemLoader(paths), autoescape=True)
    )
    for setting in ("mathjax_url", "mathjax_config"):  # empty: use Voila's own copy of MathJax, not a CDN
        server.web_app.settings.setdefault(setting, None)
    kernels = PageKernels(server.kernel_manager)
    PeriodicCallback(kernels.end_abandoned, 30_000).start()
    folder: Path = dashboards_folder(os.environ)
    options = {
        "kernels": kernels,
        "contents": DashboardContents(root_dir=str(folder), parent=server),
        "voila_configuration": configuration(base_url),
        "template_paths": paths,
        "notebook_path": "scaling.ipynb",
        "config": Config(),
    }
    server.web_app.add_handlers(".*$", [(url_path_join(base_url, "atrium/scaling"), ScalingHandler, options)])
