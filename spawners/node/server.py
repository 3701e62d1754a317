"""JupyterHub's single-user server as it is, with three things of our own: it gets a socket that listens already, tells
the Hub its port as soon as everything is loaded, and cannot take for ever to end."""

from __future__ import annotations

import asyncio
import os
import sys
from threading import Timer
from typing import TYPE_CHECKING, ClassVar, NoReturn

from jupyter_server.serverapp import ServerApp
from jupyterhub.singleuser.extension import JupyterHubSingleUser

from spawners.node import announce

if TYPE_CHECKING:
    import socket

TIDY_SECONDS = 8.0
"""How long kernels and extensions may take to end (kernels get five seconds before they are killed)."""


class NodeServer(ServerApp):
    """A server on a socket it was given. Jupyter's own probes a port, lets it go and binds it again."""

    listener: ClassVar[socket.socket]

    def _find_http_port(self) -> None:
        """Everything has been imported and loaded: what comes now cannot fail any more."""
        self.port = self.listener.getsockname()[1]
        announce.announce_in_background(self.port)

    def _bind_http_server_tcp(self) -> bool:
        self.http_server.add_socket(self.listener)
        return True

    def stop(self, from_signal: bool = False) -> None:
        """Once: Slurm's signal comes to the script, which passes it on, and to the server itself."""
        if not self._stopping:
            super().stop(from_signal)

    async def _cleanup(self) -> None:
        """Also what ``POST api/shutdown`` runs, by which the Hub asks a server to end."""
        last = Timer(TIDY_SECONDS, leave)
        last.daemon = True
        last.start()
        clusters = self.web_app.settings.get("atrium_clusters")
        if clusters is not None:  # kernels and clusters end at the same time
            ending = asyncio.ensure_future(clusters.close())
            await super()._cleanup()
            await ending
        else:
            await super()._cleanup()


class SingleUser(JupyterHubSingleUser):
    """Its sign-in, its checks and its settings are JupyterHub's."""

    serverapp_class = NodeServer

    @classmethod
    def get_extension_package(cls) -> str:
        return __name__

    async def check_hub_version(self) -> None:
        """Left to the announcement, which tells whether the Hub is there and waits for it without holding us up."""


def _jupyter_server_extension_points() -> list[dict[str, object]]:
    return [{"module": __name__, "app": SingleUser}]


def serve(listener: socket.socket) -> NoReturn:
    """Run the server until it is told to end, and leave with a farewell."""
    NodeServer.listener = listener
    SingleUser.launch_instance([])
    leave()


def leave() -> NoReturn:
    """Tell the Hub why, and go: kernels have ended, and threads of libraries are not waited for."""
    watch = ServerApp.instance().web_app.settings.get("atrium_watch")
    announce.farewell(watch.farewell if watch else "finished")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
