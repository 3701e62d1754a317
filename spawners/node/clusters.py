"""Server extension for Dask clusters at ``atrium/clusters``, for everybody who may use the server.

The manager is a process of its own, so that a busy scheduler does not hold up notebooks; it is started by the first
request, on a socket that listens from the beginning (as systemd does it), and started anew should it be killed.
JupyterLab's Dask panel asks the same manager: its addresses below ``dask/`` are answered here. The pages of the
dashboards are in ``dashboards``.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import subprocess
import sys
from contextlib import suppress
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join
from tornado import web
from tornado.httpclient import HTTPRequest, HTTPResponse
from tornado.netutil import bind_unix_socket
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from spawners.node import dashboard_ports, dashboards, keys, person, restarts
from spawners.node.dashboards import NAME
from spawners.node.job_context import JobContext

log = logging.getLogger(__name__)

REQUEST_SECONDS = 60.0
END_SECONDS = 7.0
MANAGER = rf"(?P<path>clusters(?:/{NAME}(?:/(?:connection|script))?)?|offer|news|estimate|trainings(?:/\d{{1,12}})?)"


class Gate:
    """The manager's socket, and its process once it is started."""

    def __init__(self, context: JobContext) -> None:
        self.context = context
        self._listener: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._life: int | None = None
        self._starting: asyncio.Task[None] | None = None
        self._pauses = restarts.Pauses()

    def open(self) -> None:
        """Listen; the first client waits until the manager has started."""
        self.context.socket.unlink(missing_ok=True)
        self._listener = bind_unix_socket(str(self.context.socket), mode=0o600)
        self._await_visitor()

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _await_visitor(self) -> None:
        assert self._listener is not None  # noqa: S101 - opened
        asyncio.get_running_loop().add_reader(self._listener, self._begin)

    def _begin(self) -> None:
        assert self._listener is not None  # noqa: S101 - opened
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listener)
        self._starting = loop.create_task(self._start_with_profile(self._listener))

    async def _start_with_profile(self, listener: socket.socket) -> None:
        self._start(listener, await person.environment().variables())

    def _start(self, listener: socket.socket, variables: dict[str, str]) -> None:
        """Start the manager with the person's variables, which its workers inherit."""
        ours, theirs = os.pipe()
        listener_fd = listener.fileno()
        command = [sys.executable, "-I", "-m", "spawners.dask", str(listener_fd), str(ours)]
        self._process = subprocess.Popen(command, pass_fds=(listener_fd, ours), stdin=subprocess.DEVNULL, env=variables)
        os.close(ours)
        self._life = theirs
        self._pauses.started()
        self._watching = asyncio.get_running_loop().create_task(self._watch(self._process))

    async def _watch(self, process: subprocess.Popen[bytes]) -> None:
        code = await asyncio.to_thread(process.wait)
        self._close_life()
        pause = self._pauses.ended()
        log.warning("The manager of the clusters has ended (%s); a request in %.0f s starts it again", code, pause)
        if pause and self._listener is not None:
            await restarts.refuse(self._listener, pause, await asyncio.to_thread(self.context.problem))
        if self._listener is not None:
            self._await_visitor()

    def _close_life(self) -> None:
        if self._life is not None:
            with suppress(OSError):
                os.close(self._life)
            self._life = None

    async def close(self) -> None:
        """End the manager, and with it all clusters and their jobs."""
        if self._starting is not None:
            self._starting.cancel()
        listener, self._listener = self._listener, None
        if listener is not None:
            asyncio.get_running_loop().remove_reader(listener)
            listener.close()
        process = self._process
        if process is not None and process.poll() is None:
            self._close_life()
            with suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(process.wait, END_SECONDS)
        keys.remove(self.context)

    async def compute(self) -> bool:
        """Whether a cluster of this server computes something; False also if that is not known."""
        if not self.runs:
            return False
        try:
            clusters = json.loads((await self.ask("clusters")).body or b"[]")
            return any(cluster["tasks"]["processing"] for cluster in clusters)
        except Exception as error:
            log.info("Whether clusters work could not be asked: %s", error)
            return False

    async def ask(self, path: str, method: str = "GET", body: bytes | None = None) -> HTTPResponse:
        from jupyter_server_proxy.unixsock import UnixResolver

        client = SimpleAsyncHTTPClient(force_instance=True, resolver=UnixResolver(str(self.context.socket)))
        try:
            request = HTTPRequest(
                f"http://localhost/{path}",
                method=method,
                body=body,
                request_timeout=REQUEST_SECONDS,
                allow_nonstandard_methods=True,
            )
            return await client.fetch(request, raise_error=False)
        finally:
            client.close()


class GateHandler(APIHandler):
    """Base of handlers for users of the server; their requests do not count as activity."""

    auth_resource = "server"
    _track_activity = False

    def initialize(self, gate: Gate) -> None:
        self.gate = gate


class ManagerHandler(GateHandler):
    """Forwards requests to the manager after checking sign-in, permission and XSRF token."""

    @web.authenticated
    @authorized
    async def get(self, path: str) -> None:
        if not self.gate.runs and path == "clusters":
            self.finish("[]")  # no manager, so no clusters; a query does not start one
            return
        await self._pass_on(path)

    @web.authenticated
    @authorized
    async def post(self, path: str) -> None:
        await self._pass_on(path)

    @web.authenticated
    @authorized
    async def patch(self, path: str) -> None:
        await self._pass_on(path)

    @web.authenticated
    @authorized
    async def delete(self, path: str) -> None:
        await self._pass_on(path)

    async def _pass_on(self, path: str) -> None:
        query = f"?{self.request.query}" if self.request.query else ""
        answer = await self.gate.ask(path + query, self.request.method or "GET", self.request.body or None)
        self.set_status(answer.code if answer.code < 599 else 503)
        self.set_header("Cache-Control", "no-store")
        self.finish(answer.body or b"")


class PanelHandler(GateHandler):
    """``dask/clusters``, the API of dask-labextension, for the same clusters."""

    @web.authenticated
    @authorized
    async def get(self, name: str = "") -> None:
        if not self.gate.runs:
            self.finish("[]" if not name else json.dumps(None))
            return
        clusters = await self._ask(f"clusters/{name}".rstrip("/"))
        self.finish(json.dumps(panel_model(clusters) if name else [panel_model(cluster) for cluster in clusters]))

    @web.authenticated
    @authorized
    async def put(self, name: str = "") -> None:
        self.finish(json.dumps(panel_model(await self._ask("clusters", "POST", {}))))

    @web.authenticated
    @authorized
    async def patch(self, name: str) -> None:
        scaling = json.loads(self.request.body)
        if scaling.get("adapt") is not None:
            size = {edge: int(scaling["adapt"][edge]) for edge in ("minimum", "maximum")}
        else:
            size = dict.fromkeys(("minimum", "maximum"), int(scaling["workers"]))
        self.finish(json.dumps(panel_model(await self._ask(f"clusters/{name}", "PATCH", {"size": size}))))

    @web.authenticated
    @authorized
    async def delete(self, name: str) -> None:
        await self._ask(f"clusters/{name}", "DELETE")
        self.set_status(204)
        self.finish()

    async def _ask(self, path: str, method: str = "GET", body: Any = None) -> Any:
        answer = await self.gate.ask(path, method, None if body is None else json.dumps(body).encode())
        body = json.loads(answer.body or b"null")
        if answer.code >= 400:
            error = (body or {}).get("error", {})
            sentence = f"{error.get('message', 'The clusters cannot be reached.')} {error.get('hint', '')}".strip()
            raise web.HTTPError(answer.code if answer.code < 599 else 503, sentence, reason=sentence)
        return body


def panel_model(cluster: dict[str, Any]) -> dict[str, Any]:
    """A cluster in the JSON form of dask-labextension."""
    working = [worker for worker in cluster["workers"] if worker["phase"] == "working"]
    size = cluster["size"]
    adaptive = size["minimum"] != size["maximum"]
    return {
        "id": cluster["name"],
        "name": cluster["name"],
        "scheduler_address": cluster["address"],
        "dashboard_link": f"{cluster['dashboard']}status",
        "workers": len(working),
        "cores": len(working) * cluster["shape"]["cores"],
        "memory": f"{sum(worker['memory_limit'] for worker in working) / 2**30:.1f} GiB",
        **({"adapt": size} if adaptive else {}),
    }


def load(server: ServerApp) -> Gate:
    """Add the addresses; :meth:`Gate.open` follows when the loop runs."""
    context = JobContext.from_environment()
    gate = Gate(context)
    # For kernels (person.py).
    os.environ.update(keys.variables(context))
    os.environ["DASK_DISTRIBUTED__DASHBOARD__LINK"] = dashboard_ports.link(context)
    base = server.web_app.settings["base_url"]
    options = {"gate": gate}
    server.web_app.add_handlers(
        ".*$",
        [
            (url_path_join(base, f"atrium/{MANAGER}"), ManagerHandler, options),
            (url_path_join(base, rf"dask/clusters/(?P<name>{NAME})"), PanelHandler, options),
            (url_path_join(base, r"dask/clusters/?"), PanelHandler, options),
            *dashboards.routes(base, context),
        ],
    )
    return gate


async def make_keys() -> None:
    """Create the TLS keys in a process of its own, before a notebook needs them."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-I", "-m", "spawners.node.keys")
    if await process.wait():
        log.warning("Keys for Dask clusters could not be made now; the first cluster tries again")
