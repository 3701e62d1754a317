"""The dashboards service: Voila behind the Hub's sign-in (``python -m widgets.service.server``).

Everything but the health check, the sign-in itself and static files needs a signed-in person; an address that is not
in :meth:`Dashboards.init_handlers` does not exist. See README.md for why.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import hashlib
import hmac
import json
import logging
import os
import secrets
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from jupyter_server.base.websocket import WS_PING_INTERVAL
from pydantic import ValidationError
from tornado import web
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop, PeriodicCallback
from tornado.netutil import bind_unix_socket
from traitlets.config import Config
from voila.app import Voila
from voila.notebook_renderer import NotebookRenderer
from voila.static_file_handler import MultiStaticFileHandler
from voila.utils import get_page_config

from hub import browser_sessions, sections
from hub.errors import SettingsError
from hub.kernels import manager
from hub.pages import frame
from hub.validation import first_problem
from widgets.rendering import (
    LABEXTENSIONS,
    TEMPLATE,
    DashboardContents,
    FramedRenderer,
    dashboards_folder,
    find_dashboards,
)
from widgets.service import bundle, handlers, text_key
from widgets.service.kernels import PAGE_MESSAGES, Culler, Kernels, Leases, Pool, kernel_environment

log = logging.getLogger("atrium.dashboards")

SOCKET_PATH_LIMIT = 108 - len("/voila_12345678/kernel-12345678-1234-1234-1234-123456789012-ipc-1") - 1

CULL_MS = 1000
"""Time between two looks for kernels that died; their pages say so."""

KERNEL_ID = r"(?P<kernel_id>\w+-\w+-\w+-\w+-\w+)"

POLICY = "; ".join(
    (
        "default-src 'self'",
        # JupyterLab's widget loader needs the first two, anywidget hands its module over as a blob.
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)


@dataclass(frozen=True)
class Settings:
    """Everything that ``hub.programs.dashboards`` puts into the service's environment; there are no defaults here."""

    dashboards: sections.Dashboards
    prefix: str
    public_url: str
    """This service as the browser sees it, with a closing slash."""
    hub_url: str
    site_name: str
    report_url: str
    """Where to report a problem; empty: nowhere."""
    folder: Path
    runtime: Path
    socket: Path
    """Where it listens. Only nginx enters the directory, so everybody's write permission on it opens nothing."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Raises :class:`SettingsError` naming the variable that is missing or wrong."""
        try:
            return cls(
                dashboards=sections.Dashboards.model_validate_json(environ[sections.DASHBOARDS_VARIABLE]),
                prefix=environ["JUPYTERHUB_SERVICE_PREFIX"],
                public_url=environ["JUPYTERHUB_PUBLIC_URL"],
                hub_url=environ["ATRIUM_HUB_URL"],
                site_name=environ["ATRIUM_SITE_NAME"],
                report_url=environ["ATRIUM_REPORT_URL"],
                folder=dashboards_folder(environ),
                runtime=_runtime(Path(environ["JUPYTER_RUNTIME_DIR"])),
                socket=Path(environ[sections.SOCKET_VARIABLE]),
            )
        except KeyError as missing:
            raise SettingsError(f"The variable {missing.args[0]} is not set.") from missing
        except ValidationError as error:
            field, problem = first_problem(error)
            raise SettingsError(f"The variable {sections.DASHBOARDS_VARIABLE}: {field}: {problem}") from error


def _runtime(path: Path) -> Path:
    if len(str(path)) > SOCKET_PATH_LIMIT:
        raise SettingsError(f"JUPYTER_RUNTIME_DIR is longer than {SOCKET_PATH_LIMIT} characters, too long for sockets.")
    return path


class Dashboards(Voila):
    """Voila with our routes, our pool of kernels, and sign-in."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(config=_configuration(settings), config_file_paths=[])
        self.settings = settings
        self.catalogue = find_dashboards(settings.folder)
        self.leases = Leases(per_visitor=settings.dashboards.kernels_per_visitor, total=settings.dashboards.kernels)
        # A page is rendered before its visitor is known; their name takes the place of this mark as it is sent.
        self.person_mark = f"person{secrets.token_hex(8)}"
        self._introductions: set[asyncio.Task[None]] = set()
        self.initialize([])
        self.template_paths.append(str(frame.TEMPLATES))  # the frame's markup exists once

    def frame(self, person: str, current: str = "") -> frame.Frame:
        """Header, menu and footer of a page."""
        return frame.build(
            site_name=self.settings.site_name,
            hub_url=self.settings.hub_url,
            dashboards_url=self.settings.public_url,
            static_url=f"{self.settings.prefix}atrium/static/",
            report_url=self.settings.report_url,
            person=person,
            roles=None,
        ).at(current)

    def renderer(self, name: str) -> NotebookRenderer:
        """A page of one dashboard, to be rendered once."""
        return FramedRenderer(
            self.frame(self.person_mark, self.catalogue[name].name),
            together=f"{self.base_url}voila/together/{self.bundle.version}.js",
            voila_configuration=self.voila_configuration,
            traitlet_config=self.config,
            notebook_path=name,
            template_paths=self.template_paths,
            config_manager=self.config_manager,
            contents_manager=self.contents_manager,
            base_url=self.base_url,
            kernel_spec_manager=self.kernel_spec_manager,
            page_config=self.page_config,
        )

    def introduce(self, kernel_id: str, token: str) -> None:
        """Tell a kernel who its visitor is."""

        async def tell() -> None:
            if not await self.kernel_manager.tell(kernel_id, "sign_in", token):
                log.error("the kernel %s could not be told who its visitor is", kernel_id)

        task = asyncio.get_running_loop().create_task(tell())
        self._introductions.add(task)
        task.add_done_callback(self._introductions.discard)

    def init_settings(self) -> dict[str, Any]:  # type: ignore[override]
        settings: Any = super().init_settings()
        self.contents_manager = settings["contents_manager"] = DashboardContents(parent=self)
        self.kernel_manager.leases = self.leases
        self.kernel_manager.environment = kernel_environment(os.environ)
        self.kernel_manager.allowed_message_types = PAGE_MESSAGES
        late = {name for name, dashboard in self.catalogue.items() if dashboard.own_server or not dashboard.ahead}
        self.pool = Pool(
            self.kernel_manager,
            self.renderer,
            self.settings.dashboards.preheated,
            at_once=len(os.sched_getaffinity(0)),  # until it has run its notebook, a kernel keeps a core busy
            never=late,
        )
        self.culler = Culler(
            self.kernel_manager,
            idle_seconds=self.settings.dashboards.idle_minutes * 60,
            gone_seconds=self.settings.dashboards.gone_seconds,
        )
        self.page_config = self._page_config(settings)
        self.bundle = bundle.make(self.static_paths, self.labextensions_path)
        identity = cast(handlers.SignIn, self.identity_provider)
        return {
            **settings,
            "dashboards": self,
            "default_handler_class": handlers.Nothing,
            # Of the service's own token, so that sessions outlive this process.
            "cookie_secret": hmac.digest(identity.hub_auth.api_token.encode(), b"cookies", "sha256"),
            "compress_response": True,
            "log_function": handlers.log_request,
            # Longer than the interval: an answer is always nearly one interval old when the next is asked for.
            "ws_ping_timeout": 3 * WS_PING_INTERVAL,
            "xsrf_cookie_kwargs": {**identity.hub_auth.cookie_options, "path": self.base_url},
            "headers": {"Content-Security-Policy": POLICY, "Referrer-Policy": "same-origin"},
        }

    def _page_config(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Voila's, with addresses of static files that name their version."""
        config: dict[str, Any] = get_page_config(self.base_url, settings, self.log, self.voila_configuration)
        fingerprint = hashlib.sha256(json.dumps(config["federated_extensions"], default=str).encode())
        fingerprint.update(self.version.encode())
        self.static_version = fingerprint.hexdigest()[:12]
        for key in ("fullStaticUrl", "fullLabextensionsUrl"):
            config[key] += f"/{self.static_version}"
        return config

    def init_handlers(self) -> list[Any]:  # type: ignore[override]
        """Every address there is. Voila's tree, files, contents and query routes are left out on purpose."""
        paths: tuple[tuple[str, type[web.RequestHandler], dict[str, Any]], ...] = (
            ("", handlers.Index, {}),
            ("health", handlers.Health, {}),
            *((path, handler, {}) for path, handler in browser_sessions.ROUTES),
            ("atrium/text-key", text_key.TextKeyHandler, {}),
            ("voila/render/(.*)", handlers.Render, {}),
            (f"api/kernels/{KERNEL_ID}", handlers.OwnKernelModel, {}),
            (f"api/kernels/{KERNEL_ID}/channels", handlers.OwnKernelSocket, {}),
            (f"api/kernels/{KERNEL_ID}/shown", handlers.OwnKernelShown, {}),
            (f"voila/api/shutdown/{KERNEL_ID}", handlers.OwnKernelShutdown, {}),
            (f"voila/templates/{TEMPLATE}/static/(.*)", MultiStaticFileHandler, {"paths": self.static_paths}),
            ("voila/together/([0-9a-f]+).js", handlers.BundleHandler, {}),
            ("voila/static/[^/]+/(.*)", handlers.ImmutableStatic, {"paths": self.static_paths}),
            ("voila/labextensions/[^/]+/(.*)", handlers.ImmutableStatic, {"paths": self.labextensions_path}),
            ("voila/api/themes/(.*)", MultiStaticFileHandler, {"paths": [self.themes_dir]}),
            ("atrium/static/(.*)", MultiStaticFileHandler, {"paths": [str(frame.STATIC)]}),
        )
        sign_in = [(self.base_url + path.strip("/"), *rest) for path, *rest in self.identity_provider.get_handlers()]
        return [*sign_in, *((self.base_url + path, handler, options) for path, handler, options in paths)]

    def can_start_kernels(self) -> bool:
        """Whether there is a place for their connection files and sockets."""
        return os.access(self.connection_dir, os.W_OK | os.X_OK)

    def listen(self) -> None:
        """Serve until stopped."""
        # xheaders: the address of the client, as nginx names it.
        HTTPServer(self.app, xheaders=True).add_socket(bind_unix_socket(str(self.settings.socket), mode=0o666))
        self.ioloop = IOLoop.current()
        for name in self.catalogue:
            self.ioloop.add_callback(self.pool.fill, name)
        PeriodicCallback(self.culler.cull, CULL_MS).start()
        log.info("dashboards at %s: %s", self.settings.public_url, ", ".join(self.catalogue))
        try:
            self.ioloop.start()
        finally:
            self.stop()

    def stop(self) -> None:
        """No kernel outlives the server (after a ``kill -9`` they end by themselves, see README.md)."""

        async def end() -> None:
            await self.kernel_manager.shutdown_all(now=True)

        self.ioloop.run_sync(end, timeout=10)
        shutil.rmtree(self.connection_dir, ignore_errors=True)


def _configuration(settings: Settings) -> Config:
    """Voila's options; no configuration file is read."""
    config = Config()
    config.Voila.base_url = settings.prefix
    config.Voila.root_dir = str(settings.folder)
    config.Voila.open_browser = False
    config.Voila.auto_token = True  # else Voila gives the identity provider an option it does not have
    config.Voila.connection_dir_root = str(settings.runtime)
    config.Voila.identity_provider_class = handlers.SignIn
    config.VoilaConfiguration.template = TEMPLATE
    config.VoilaConfiguration.allow_template_override = "NO"
    config.VoilaConfiguration.allow_theme_override = "NO"
    config.VoilaConfiguration.multi_kernel_manager_class = Kernels
    config.VoilaConfiguration.extension_allowlist = LABEXTENSIONS
    config.VoilaConfiguration.extension_denylist = []
    config.VoilaExecutor.timeout = 60
    config.MappingKernelManager.kernel_manager_class = f"{manager.__name__}.PatientKernelManager"
    config.KernelManager.transport = "ipc"
    config.KernelManager.autorestart = False  # a new kernel would know neither the visitor nor the page's widgets
    return config


def _keep_to_itself() -> None:
    """Files for this user only; the environment (with the service's token) unreadable for its own kernels."""
    os.umask(0o077)
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE: /proc/PID is root's from now on


def _claim(runtime: Path) -> IO[str]:
    """Have the directory of the kernels' sockets to ourselves, and clear it; the lock lives as long as the file."""
    runtime.mkdir(parents=True, exist_ok=True)
    if runtime.stat().st_uid != os.getuid():  # else we would tidy another server's sockets away
        sys.exit(f"{runtime} belongs to another OS user: the dashboards do not run as this one.")
    lock = (runtime / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"Other dashboards run in {runtime} already.")
    for stale in runtime.glob("voila_*"):  # of a server that was killed
        shutil.rmtree(stale, ignore_errors=True)
    return lock


def main() -> None:
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level=logging.INFO)
    logging.getLogger("tornado.application").setLevel(logging.WARNING)  # INFO tells session ids
    _keep_to_itself()
    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as error:
        sys.exit(error.message)
    with _claim(settings.runtime):
        try:
            Dashboards(settings).start()
        except OSError as error:
            sys.exit(f"The dashboards cannot listen on {settings.socket}: {error.strerror}.")


if __name__ == "__main__":
    main()
