"""Request handlers of the dashboards service. Access is checked here and in ``kernels.Leases``."""

from __future__ import annotations

import html
import logging
from http.client import responses
from pathlib import Path
from typing import Any, Protocol, cast

import jinja2
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from jupyter_server.services.kernels.handlers import KernelHandler
from tornado import web
from tornado.iostream import StreamClosedError
from traitlets import default
from voila.shutdown_kernel_handler import VoilaShutdownKernelHandler
from voila.static_file_handler import MultiStaticFileHandler
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler

from hub.browser_sessions import SessionAuth, SessionHandler, SessionIdentityProvider
from hub.errors import AtriumError
from hub.pages import frame
from hub.pages.frame import Frame
from widgets.rendering import Dashboard
from widgets.service.bundle import Bundle
from widgets.service.kernels import Culler, Lease, Leases, NoKernelFree, Page, Pool

log = logging.getLogger("atrium.dashboards")


class Addresses(Protocol):
    """Of the service and of the Hub, each with a closing slash."""

    @property
    def prefix(self) -> str: ...
    @property
    def hub_url(self) -> str: ...


class Service(Protocol):
    """Interface of the service for its handlers, implemented by :class:`widgets.service.server.Dashboards`."""

    catalogue: dict[str, Dashboard]
    leases: Leases
    culler: Culler
    pool: Pool
    bundle: Bundle
    person_mark: str
    """Stands for the visitor's name in a page that was rendered ahead."""

    @property
    def settings(self) -> Addresses: ...
    def frame(self, person: str) -> Frame: ...
    def introduce(self, kernel_id: str, token: str) -> None: ...
    def can_start_kernels(self) -> bool: ...


class Hub(SessionAuth):
    """The Hub's sign-in, without tokens in addresses (stock takes them from a WebSocket's)."""

    def _get_token_url(self, handler: web.RequestHandler) -> str:
        return ""


class SignIn(SessionIdentityProvider):
    """Authentication with the Hub; tokens of services are refused."""

    hub_auth: Hub

    @default("hub_auth")
    def _session_auth(self) -> Hub:
        return Hub(parent=self)

    @property
    def token(self) -> str:  # type: ignore[override]
        """Stock puts the service's own token here, where templates can print it."""
        return ""

    async def get_user(self, handler: web.RequestHandler) -> Any:
        user = await super().get_user(handler)
        if user is not None and user.hub_user.get("kind") != "user":
            raise web.HTTPError(403, "Service tokens cannot open dashboards. Sign in as a person.")
        return user


class PageHandler(JupyterHandler):
    """A page for a person, with errors said in words."""

    @property
    def dashboards(self) -> Service:
        service: Service = self.settings["dashboards"]
        return service

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("Cache-Control", "no-store")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None))[1]
        if isinstance(error, AtriumError):
            self.set_status(error.status)
            title, message, hint = "The dashboard is not available", error.message, error.hint
        else:
            title, message, hint = REFUSALS.get(status_code, REFUSALS[500])
        retry_seconds = error.retry_seconds if isinstance(error, NoKernelFree) else 0
        if retry_seconds:
            self.set_header("Retry-After", str(retry_seconds))
        person = self.current_user.display_name if self.current_user else ""
        words = {"title": title, "message": message, "hint": hint, "retry_seconds": retry_seconds}
        self.finish(PAGES.get_template("refusal.html").render(**words, frame=self.dashboards.frame(person)))

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if not isinstance(value, AtriumError):
            super().log_exception(typ, value, tb)


TEMPLATES = (Path(__file__).parent / "templates", Path(__file__).parents[1] / "templates", frame.TEMPLATES)
"""Pages of the service, what they share with those of a person's own server, and the frame."""
PAGES = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True)

REFUSALS = {
    403: ("You do not have access to this page", "You may not open this page.", "Sign in, then open it again."),
    404: (
        "Page not found",
        "There is nothing at this address.",
        "Check the address. The page may have been removed.",
    ),
    500: (
        "Something went wrong here",
        "This page could not be displayed.",
        "Try again. If the problem continues, report it.",
    ),
}
"""Status -> title, what happened, what to do."""


class Nothing(PageHandler):
    """Every address that is not listed: sign-in first, then a plain no."""

    async def prepare(self) -> None:  # type: ignore[override]
        await super().prepare()
        if not self._finished:
            raise web.HTTPError(404)


class Index(PageHandler):
    @web.authenticated
    def get(self) -> None:
        self.redirect(frame.dashboard_url(self.dashboards.settings.prefix, "onboarding"))


GIVEN_UP = '<script>document.getElementById("dashboard-failed").hidden = false;</script>'
"""The end of a page that has begun and cannot be completed (notebooks/voila/index.html.j2)."""


class Render(PageHandler):
    """Hands out a dashboard: a lease and a page. Its kernel learns who the visitor is from :class:`OwnKernelShown`."""

    page: Page | None = None

    @web.authenticated
    async def get(self, name: str) -> None:
        app = self.dashboards
        dashboard = app.catalogue.get(name)
        if dashboard is None:
            raise web.HTTPError(404)
        if dashboard.own_server:
            self.redirect(f"{app.settings.hub_url}user-redirect/atrium/{dashboard.name}")
            return
        self.xsrf_token  # noqa: B018 - sets the cookie without which the page cannot reach or end its kernel
        await app.culler.make_room(self.current_user.username)
        lease = app.leases.open(self.current_user.username, name)
        try:
            page = self.page = await app.pool.take(name)
        except BaseException:
            app.leases.close(lease)
            raise
        await self._send(page, lease)

    async def _send(self, page: Page, lease: Lease) -> None:
        app = self.dashboards
        person = html.escape(self.current_user.display_name)
        try:
            async for snippet in page.snippets():
                if page.has_kernel and lease.kernel_id is None:
                    app.leases.give_kernel(lease, page.kernel_id)
                self.write(snippet.replace(app.person_mark, person))
                await self.flush()
        except StreamClosedError:  # the visitor has left
            app.pool.abandon(page, lease)
        except BaseException:
            app.pool.abandon(page, lease)
            self.write(GIVEN_UP)
            raise
        if not page.has_kernel:
            app.leases.close(lease)

    def on_connection_close(self) -> None:
        """A visitor who leaves while the page waits for its turn makes room for the next one."""
        super().on_connection_close()
        if self.page is not None:
            self.page.leave_queue()


class OwnKernel(JupyterHandler):
    """Mixed in before a handler of a kernel: it exists for the visitor it was handed to, for nobody else."""

    lease: Lease

    async def prepare(self, **kwargs: Any) -> None:
        await super().prepare(**kwargs)
        if self._finished:
            return
        leases: Leases = self.settings["dashboards"].leases
        lease = leases.owned(self.path_kwargs["kernel_id"], self.current_user.username)
        if lease is None:
            raise web.HTTPError(404, "There is no such dashboard.")
        self.lease = lease

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """For scripts, not for people."""
        error = kwargs.get("exc_info", (None, None))[1]
        self.finish({"message": getattr(error, "log_message", None) or responses[status_code]})


class OwnKernelModel(OwnKernel, KernelHandler):
    """What the page's widgets ask first; DELETE ends the kernel."""


class OwnKernelShown(OwnKernel, APIHandler):
    """The page has all its widgets, so its kernel may learn who the visitor is, and change them.

    What a kernel changes while a page is still asking for its widgets is lost, or leaves a widget that refers to one
    that the page does not know.
    """

    @web.authenticated
    def post(self, kernel_id: str) -> None:
        if not self.lease.is_introduced:
            self.lease.is_introduced = True
            token = cast(SignIn, self.identity_provider).hub_auth.get_token(self)
            self.settings["dashboards"].introduce(kernel_id, token)
        self.set_status(204)
        self.finish()


class OwnKernelShutdown(OwnKernel, VoilaShutdownKernelHandler):
    """The page's farewell when its tab closes."""


class OwnKernelSocket(OwnKernel, VoilaKernelWebsocketHandler):
    """The page's line to its kernel."""

    async def open(self, kernel_id: str) -> None:
        self.lease.connect(self)
        await super().open(kernel_id)

    def on_close(self) -> None:
        self.lease.disconnect(self, self.settings["dashboards"].leases.clock())
        super().on_close()


class Health(web.RequestHandler):
    """Alive and able to start kernels, and no more: what everybody may know. The Hub is not asked, it may be down."""

    def get(self) -> None:
        service: Service = self.settings["dashboards"]
        if service.can_start_kernels():
            self.finish({"status": "ok"})
        else:
            self.set_status(503)
            self.finish({"status": "no place for kernels"})


class ImmutableStatic(MultiStaticFileHandler):
    """Files under an address that names their version, which browsers may therefore keep."""

    def set_extra_headers(self, path: str) -> None:
        self.set_header("Cache-Control", "public, max-age=31536000, immutable")
        self.set_header("X-Content-Type-Options", "nosniff")


class BundleHandler(web.RequestHandler):
    """The scripts of all dashboards in one, compressed once and not for each visitor anew (bundle.py)."""

    def get(self, version: str) -> None:
        bundle: Bundle = self.settings["dashboards"].bundle
        if version != bundle.version:  # of a page from before an upgrade: its scripts are fetched one by one
            raise web.HTTPError(404)
        self.set_header("Content-Type", "text/javascript; charset=utf-8")
        self.set_header("Cache-Control", "public, max-age=31536000, immutable")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Vary", "Accept-Encoding")
        if "gzip" in self.request.headers.get("Accept-Encoding", ""):
            self.set_header("Content-Encoding", "gzip")
            self.finish(bundle.compressed)
        else:
            self.finish(bundle.script)


def log_request(handler: web.RequestHandler) -> None:
    """Method, path, answer, time. Never the query: it may hold secrets of the sign-in."""
    request, status = handler.request, handler.get_status()
    fine = logging.DEBUG if isinstance(handler, (web.StaticFileHandler, SessionHandler)) else logging.INFO
    refused = logging.DEBUG if isinstance(handler, SessionHandler) else logging.WARNING  # open pages go on asking
    level = logging.ERROR if status >= 500 else refused if status >= 400 else fine
    log.log(level, "%d %s %s %.0f ms", status, request.method, request.path, 1000 * request.request_time())
