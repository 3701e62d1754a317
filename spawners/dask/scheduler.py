"""Address and TLS of a cluster's scheduler. Used by ``cluster``."""

from __future__ import annotations

import socket
from typing import Any

from distributed import Scheduler, Security
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_unix_socket

from hub.errors import SlurmError, SlurmUnavailable
from hub.slurm import commands
from spawners.dask import slurm
from spawners.dask.own_modules import OWN_MODULES
from spawners.node.job_context import CERTIFICATE, KEY, JobContext


class GuardedScheduler(Scheduler):
    """A scheduler whose dashboard listens on a Unix socket in a private directory, not on a port of the node."""

    dashboard_socket = ""

    async def update_graph(self, *args: Any, **options: Any) -> None:
        """As Dask's, with modules beside the notebook as they are now."""
        OWN_MODULES.refresh()
        await super().update_graph(*args, **options)
        OWN_MODULES.remember()

    def start_http_server(
        self, routes: Any, dashboard_address: Any, default_port: int = 0, ssl_options: Any = None
    ) -> None:
        """As :meth:`distributed.node.ServerNode.start_http_server`, on ``dashboard_address``, which is a path."""
        from distributed.http.routing import RoutingApplication

        self.http_application = RoutingApplication(routes)
        self.http_server = HTTPServer(self.http_application)
        self.http_server.add_socket(bind_unix_socket(str(dashboard_address), mode=0o600))
        vars(self.http_server).update(address="localhost", port=0)  # attributes that Dask reads from its server
        self.services["dashboard"] = self.http_server


def security(context: JobContext) -> Security:
    """TLS with the server's own certificate, for scheduler, workers and clients."""
    files = {"cert": str(context.keys / CERTIFICATE), "key": str(context.keys / KEY)}
    roles = {f"tls_{role}_{part}": files[part] for role in ("scheduler", "worker", "client") for part in files}
    return Security(require_encryption=True, tls_ca_file=files["cert"], **roles)


def scheduler_address(context: JobContext) -> dict[str, str]:
    """Scheduler options for its address: the site's interface, or Slurm's address of this node.

    :raises SlurmUnavailable: Slurm does not answer.
    """
    if context.interface:
        return {"interface": context.interface}
    if not context.node:
        return {"host": "127.0.0.1"}
    try:
        node = slurm.run_now(commands.node(context.node))
        return {"host": socket.gethostbyname(commands.parse_node_address(node))}
    except (SlurmError, OSError) as error:  # Dask's default is every address
        raise SlurmUnavailable("Slurm does not tell this node's address.", hint="Try again in a minute.") from error
