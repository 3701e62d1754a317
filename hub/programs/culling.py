"""The outer net under idle servers: jupyterhub-idle-culler, by what the Hub knows.

A server watches itself, and knows better (spawners/node/README.md, "When a server is idle"). This ends, after a much
longer time, those whose own watch is broken, and those that do not answer any more.
"""

from __future__ import annotations

import logging

from hub import tls
from hub.settings import Settings

logger = logging.getLogger(__name__)

EVERY_SECONDS = 600.0
SCOPES = ["list:users", "read:users:name", "read:users:activity", "read:servers", "delete:servers"]
"""Scopes of the worker's token for this job: it can end servers, not start or open them."""

_AT_ONCE = 4
_PAGE = 100


async def end_forgotten(settings: Settings) -> None:
    """End servers without activity for ``hub.idle_culler_hours``. Errors are logged."""
    from jupyterhub_idle_culler import cull_idle

    try:
        await cull_idle(
            settings.hub_api_url,
            settings.secret("worker"),
            inactive_limit=settings.hub.idle_culler_hours * 3600,
            logger=logger,
            concurrency=_AT_ONCE,
            api_page_size=_PAGE,
            ssl_enabled=settings.hub.internal_ssl,
            internal_certs_location=str(tls.folder(settings)),
        )
    except Exception as error:  # from tornado, aiohttp or a Hub that restarts; the next run tries again
        logger.warning("cannot look for idle servers: %s", error)
