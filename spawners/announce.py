"""Server extension of a user's server: once it listens, tell the Hub on which port.

Runs on the compute node as the user. Announcing the port that is really bound, and not one that was free a
moment ago, is what makes two servers on one node safe.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import httpx

ATTEMPTS = 8


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "spawners.announce"}]


def _load_jupyter_server_extension(app: Any) -> None:
    """Nothing to set up; the work begins when the server has started."""


async def _start_jupyter_server_extension(app: Any) -> None:
    """Announce, and end the server when the Hub cannot be told: nobody could ever reach it."""
    if "JUPYTERHUB_API_URL" not in os.environ:
        return
    for attempt in range(ATTEMPTS):
        try:
            await _announce(app.port)
        except Exception as error:
            app.log.warning("The Hub could not be told the port (attempt %i of %i): %s", attempt + 1, ATTEMPTS, error)
            await asyncio.sleep(min(2**attempt, 20))
        else:
            return
    app.log.critical("This node cannot reach the Hub at %s; ending.", os.environ["JUPYTERHUB_API_URL"])
    sys.stderr.flush()
    os._exit(70)  # the event loop would swallow SystemExit


async def _announce(port: int) -> None:
    url = os.environ["JUPYTERHUB_API_URL"] + "/batchspawner"
    headers = {"Authorization": f"token {os.environ['JUPYTERHUB_API_TOKEN']}"}
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
        answer = await client.post(url, headers=headers, json={"port": port})
        answer.raise_for_status()
