"""What the Hub answers at the address of a server whose job the cluster has paused: a page, or JSON for scripts."""

from __future__ import annotations

from typing import Any

from jupyterhub.handlers.base import UserUrlHandler

from hub.pages import hosts


class PausedServerHandler(UserUrlHandler):
    """The server's address on the Hub; while the server is paused it stays there and says so."""

    async def _redirect_to_user_server(self, user: Any, spawner: Any) -> None:
        """Called by JupyterHub for a server that is ready."""
        if not spawner.paused:
            await super()._redirect_to_user_server(user, spawner)
        elif hosts.is_navigation(self.request):
            self.set_status(503)
            self.finish(await self.render_template("paused.html", user=user, spawner=spawner))
        else:
            hosts.answer_for_paused_server(self)
