"""Hands the visitor's key for unsaved text to their page (``hub/pages/static/typed_text.js``)."""

from __future__ import annotations

import asyncio
from typing import cast

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyterhub.utils import url_path_join
from tornado import web

from hub.browser_sessions import DEADLINE_SECONDS, SessionIdentityProvider


class TextKeyHandler(APIHandler):
    """The Hub's answer for the visitor's own token (``hub.pages.text_key``); 503 while the Hub does not answer."""

    auth_resource = "server"
    _track_activity = False

    @web.authenticated
    @authorized
    async def get(self) -> None:
        hub_auth = cast(SessionIdentityProvider, self.identity_provider).hub_auth
        address = url_path_join(hub_auth.api_url, "atrium/text-key")
        token = hub_auth.accepted_token(self)
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                answer = await hub_auth._check_hub_authorization(address, token, use_cache=False)
        except (web.HTTPError, TimeoutError) as error:
            raise web.HTTPError(503, "The Hub does not answer. Try again in a minute.") from error
        if answer is None:
            raise web.HTTPError(403)
        self.set_header("Cache-Control", "no-store")
        self.finish(answer)
