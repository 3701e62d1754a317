"""JupyterHub's single-user server as it is, with four things of our own: it gets a socket that listens already, tells
the Hub its port as soon as everything is loaded, notices within seconds that a browser session has ended, cannot take
for ever to end, and hands no variable of its own on."""

from __future__ import annotations

import asyncio
import os
import sys
from threading import Timer
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, cast

from jupyter_server.serverapp import ServerApp
from jupyterhub.singleuser.extension import JupyterHubSingleUser
from traitlets.config import Config

from hub.browser_sessions import SessionIdentityProvider
from hub.kernels.websocket import CountingConnection
from spawners.node import announce, kernels

if TYPE_CHECKING:
    import socket

TOKENS = ("JUPYTERHUB_API_TOKEN", "JPY_API_TOKEN")
"""Variables that only the server's own requests need."""
TIDY_SECONDS = 8.0
"""How long kernels and extensions may take to end (kernels get five seconds before they are killed)."""


class NodeServer(ServerApp):
    """A server on a given socket. Jupyter's own probes a port, releases it and binds it again."""

    listener: ClassVar[socket.socket]
    hub_environment: ClassVar[dict[str, str]]
    """Variables of the job, for requests to the Hub."""

    def _find_http_port(self) -> None:
        """Announce the port; called when everything is loaded, so that the start cannot fail any more."""
        self.port = self.listener.getsockname()[1]
        announce.announce_in_background(self.port, self.hub_environment)

    def migrate_config(self) -> None:
        """Do nothing: settings of IPython 3 in a home are not the server's."""

    def server_info(self) -> dict[str, Any]:
        """What the file about this server in the runtime directory tells, which kernels can read: without the token."""
        return {**super().server_info(), "token": ""}

    def write_browser_open_files(self) -> None:
        """Do nothing: they are for a browser on the node, and hold the token."""

    def init_server_extensions(self) -> None:
        """Prepare the extensions, after they have all settings, of which these cannot be changed by a file."""
        fixed = Config()
        fixed.ServerApp.kernel_spec_manager_class = kernels.PersonKernelSpecs
        fixed.ServerApp.kernel_websocket_connection_class = CountingConnection
        fixed.MappingKernelManager.kernel_manager_class = f"{kernels.__name__}.PersonKernelManager"
        fixed.TerminalsExtensionApp.terminal_manager_class = kernels.PersonTerminals
        self.update_config(fixed)
        super().init_server_extensions()

    def _bind_http_server_tcp(self) -> bool:
        self.http_server.add_socket(self.listener)
        return True

    def stop(self, from_signal: bool = False) -> None:
        """Stop, once: Slurm's signal arrives twice, directly and through the job script."""
        if not self._stopping:
            super().stop(from_signal)

    async def _cleanup(self) -> None:
        """Clean up, at SIGTERM and at a person's ``POST api/shutdown``."""
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

    def initialize(self, args: Any = None) -> None:
        """Initialize, then forget the token's variables, so that no program that is started here inherits them."""
        super().initialize(args)
        server: Any = self.serverapp
        cookie_options = self.hub_auth.cookie_options  # Jupyter Server's own cookie has only a path
        server.web_app.settings["xsrf_cookie_kwargs"] = {**cookie_options, "path": server.base_url}
        for client in (self.hub_auth, server.identity_provider.hub_auth):
            _ = client.api_token  # read at its first use
        for name in TOKENS:
            os.environ.pop(name, None)

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
    NodeServer.hub_environment = dict(os.environ)
    SingleUser.launch_instance([])
    leave()


def leave() -> NoReturn:
    """Send the farewell and exit without waiting for threads of libraries."""
    watch = ServerApp.instance().web_app.settings.get("atrium_watch")
    announce.farewell(watch.farewell if watch else "finished", NodeServer.hub_environment)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
