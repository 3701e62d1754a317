"""Starting a server by the Hub's REST API: the same closed list of options as in the form, checked before it is kept.

Stock JupyterHub stores whatever was sent and starts the next server with it.
"""

from __future__ import annotations

from typing import Any

from jupyterhub import apihandlers
from jupyterhub.apihandlers.users import UserServerAPIHandler
from tornado import web

from hub.errors import InvalidInput
from hub.settings import load
from spawners import options

LONGEST_BODY = 16 * 1024


class ServerHandler(UserServerAPIHandler):
    """``POST /hub/api/users/NAME/server`` (and ``…/servers/NAME``) with ``{"user_options": {…}}``."""

    def get_server_json_body(self) -> dict[str, Any]:
        """The request's body with its options typed; 413 for a huge one, 422 for an option that is not allowed."""
        if len(self.request.body) > LONGEST_BODY:
            raise web.HTTPError(413, "That is far more than the options of a server.")
        body: dict[str, Any] = super().get_server_json_body()
        if body["user_options"] is not None:
            try:
                body["user_options"] = options.parse(body["user_options"], load().slurm).model_dump()
            except InvalidInput as error:
                raise web.HTTPError(422, error.message) from error
        return body


def install() -> None:
    """Put our handler in the place of the stock one. Safe to run twice."""
    handlers = apihandlers.default_handlers
    handlers[:] = [
        (entry[0], ServerHandler, *entry[2:]) if entry[1] is UserServerAPIHandler else entry for entry in handlers
    ]
