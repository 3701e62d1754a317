"""Pages of Dask clusters' dashboards, at ``atrium/clusters/NAME/dashboard`` of the person's server.

A plain cluster has no name; its dashboard is at ``atrium/clusters/PORT/dashboard`` (``dashboard_ports``).
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote, urlsplit

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from spawners.node import dashboard_ports
from spawners.node.job_context import JobContext

NAME = r"[a-z][a-z0-9-]{0,29}"
_CLUSTER = rf"(?:atrium/clusters|dask/dashboard)/(?P<name>{NAME}|[1-9][0-9]{{0,4}})"

PRIVATE_HEADERS = ("Authorization", "Cookie", "X-Csrftoken", "X-Xsrftoken")
"""Headers of a request to the server that a dashboard does not get."""
CHECK_SECONDS = 5


def target(context: JobContext, name: str) -> tuple[str | None, str, int]:
    """Unix socket (None: TCP), host and port of the dashboard of a cluster, by its name or port.

    :raises tornado.web.HTTPError: 404, this person has no such cluster on this node.
    """
    if name.isdigit():
        host = dashboard_ports.host(context, int(name))
        if host is None:
            raise web.HTTPError(
                404,
                f"No Dask cluster of yours has its dashboard on port {name} of this node. If the cluster runs, create "
                "it again in a notebook with the standard kernel, or use the Scale page.",
            )
        return None, host, int(name)
    socket = context.dashboard_socket(name)
    if not socket.exists():
        raise web.HTTPError(404, f"There is no cluster {name} (any more).")
    return str(socket), "localhost", 0


class CheckHandler(APIHandler):
    """``dask/dashboard-check/URL``: pages of a dashboard, for the list of JupyterLab's Dask panel."""

    auth_resource = "server"
    _track_activity = False

    def initialize(self, context: JobContext) -> None:
        self._context = context

    @web.authenticated
    @authorized
    async def get(self, url: str) -> None:
        url = unquote(url)
        try:
            plots = await self._plots(urlsplit(url).path)
        except Exception:
            plots = None
        self.finish(json.dumps({"url": url, "isActive": plots is not None, "plots": plots or {}}))

    async def _plots(self, path: str) -> dict[str, str]:
        from jupyter_server_proxy.unixsock import UnixResolver

        base = self.settings["base_url"]
        match = re.match(rf"{_CLUSTER}(?:/|$)", path.removeprefix(base.rstrip("/")).lstrip("/"))
        if match is None:
            raise ValueError(path)
        socket, host, port = target(self._context, match["name"])
        client = SimpleAsyncHTTPClient(force_instance=True, resolver=UnixResolver(socket) if socket else None)
        try:
            answer = await client.fetch(f"http://{host}:{port}/individual-plots.json", request_timeout=CHECK_SECONDS)
        finally:
            client.close()
        return dict(json.loads(answer.body))


def dashboard_handler() -> type:
    """Handler that proxies a cluster's Dask dashboard (HTTP and WebSockets)."""
    from jupyter_server_proxy.handlers import ProxyHandler

    class DashboardHandler(ProxyHandler):
        auth_resource = "server"

        def initialize(self, context: JobContext) -> None:
            self._context = context
            self.update_last_activity = False  # an open dashboard is no activity

        async def prepare(self, *args: Any, **options: Any) -> None:
            """Find the dashboard, before a web socket is accepted.

            :raises tornado.web.HTTPError: 404 there is none; 403 for Dask's way to other ports.
            """
            await super().prepare(*args, **options)
            if self._finished:  # redirected to the sign-in
                return
            name, path = self.path_kwargs["name"], self.path_kwargs["path"]
            if path.lstrip("/").split("/")[0] == "proxy":
                raise web.HTTPError(403, "Dashboards of single workers are not shown. See the page Workers instead.")
            unix_socket, self._host, self._port = target(self._context, name)
            setattr(self, "unix_socket", unix_socket)  # noqa: B010 - untyped there
            self.host_allowlist = [self._host]
            self.proxy_base = f"atrium/clusters/{name}/dashboard"

        def proxy_request_headers(self) -> Any:
            headers = super().proxy_request_headers()
            for header in PRIVATE_HEADERS:
                headers.pop(header, None)
            return headers

        @authorized(action="read")  # type: ignore[untyped-decorator]
        async def http_get(self, name: str, path: str) -> Any:
            return await self.proxy(self._host, self._port, path or "/status")

        @authorized(action="execute")  # type: ignore[untyped-decorator]
        async def open(self, name: str, path: str) -> Any:  # type: ignore[override]
            return await self.proxy_open(self._host, self._port, path)

        async def _refuse(self, *_: str, **__: str) -> None:
            raise web.HTTPError(405)

        post = put = patch = delete = head = options = _refuse

    return DashboardHandler


def routes(base_url: str, context: JobContext) -> list[tuple[str, type, dict[str, Any]]]:
    """Routes of dashboards, and of the panel's questions about them."""
    options = {"context": context}
    return [
        (url_path_join(base_url, rf"{_CLUSTER}(?:/dashboard)?(?P<path>/.*)"), dashboard_handler(), options),
        (url_path_join(base_url, r"dask/dashboard-check/(?P<url>.+)"), CheckHandler, options),
    ]
