"""JupyterHub's single-user server as it is, with four things of our own: it gets a socket that listens already, tells
the Hub its port as soon as everything is loaded, notices within seconds that a browser session has ended, and cannot
take for ever to end."""

from __future__ import annotations

import asyncio
import os
import sys
from threading import Timer
from typing import TYPE_CHECKING, ClassVar, NoReturn, cast

from jupyter_server.serverapp import ServerApp
from jupyterhub.singleuser.extension import JupyterHubSingleUser

from hub.browser_sessions import SessionIdentityProvider
from spawners.node import announce

if TYPE_CHECKING:
    import socket

TIDY_SECONDS = 8.0
"""How long kernels and extensions may take to end (kernels get five seconds before they are killed)."""


class NodeServer(ServerApp):
    """A server on a given socket. Jupyter's own probes a port, releases it and binds it again."""

    listener: ClassVar[socket.socket]

    def _find_http_port(self) -> None:
        """Announce the port; called when everything is loaded, so that the start cannot fail any more."""
        self.port = self.listener.getsockname()[1]
        announce.announce_in_background(self.port)

    def _bind_http_server_tcp(self) -> bool:
        self.http_server.add_socket(self.listener)
        return True

    def stop(self, from_signal: bool = False) -> None:
        """Stop, once: Slurm's signal arrives twice, directly and through the job script."""
        if not self._stopping:
            super().stop(from_signal)

    async def _cleanup(self) -> None:
        """Clean up; also called by ``POST api/shutdown``, with which the Hub ends a server."""
        last = Timer(TIDY_SECONDS, leave)
        last.daemon = True
        last.start()
        clusters = self.web_app.settings.get("atrium_clusters")
        if clusters is not None:  # end kernels and clusters concurrently
            ending = asyncio.ensure_future(clusters.close())
            await super()._cleanup()
            await ending
        else:
            await super()._cleanup()


class SingleUser(JupyterHubSingleUser):
    """JupyterHub's single-user server with its sign-in, checks and settings."""

    serverapp_class = NodeServer

    @classmethod
    def get_extension_package(cls) -> str:
        return __name__

    def load_config_file(self) -> None:  # type: ignore[override]  # as JupyterHub's
        """Load JupyterHub's settings, with the identity provider that closes sockets of ended sessions."""
        super().load_config_file()
        self.config.ServerApp.identity_provider_class = SessionIdentityProvider
        cast(ServerApp, self.serverapp).update_config(self.config)

    async def check_hub_version(self) -> None:
        """Do nothing: the announcement waits for the Hub without delaying the start."""


def _jupyter_server_extension_points() -> list[dict[str, object]]:
    return [{"module": __name__, "app": SingleUser}]


def serve(listener: socket.socket) -> NoReturn:
    """Run the server until it is stopped, then send the farewell."""
    NodeServer.listener = listener
    SingleUser.launch_instance([])
    leave()


def leave() -> NoReturn:
    """Send the farewell and exit without waiting for threads of libraries."""
    watch = ServerApp.instance().web_app.settings.get("atrium_watch")
    announce.farewell(watch.farewell if watch else "finished")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
