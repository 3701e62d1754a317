"""Requests to the Hub's REST API, for ``tokens`` and ``groups``."""

from __future__ import annotations

from typing import Any

import httpx2

from hub.errors import HubUnavailable


async def request(
    http: httpx2.AsyncClient, method: str, path: str, token: str, *, deadline_seconds: float, json: Any = None
) -> httpx2.Response:
    """The Hub's response, whatever its status.

    :param http: a client whose base address is the Hub's API.
    :raises HubUnavailable: the Hub did not answer before the deadline.
    """
    headers = {"Authorization": f"token {token}"}
    try:
        return await http.request(method, path, json=json, headers=headers, timeout=deadline_seconds)
    except httpx2.HTTPError as error:
        raise HubUnavailable("The Hub does not answer.") from error
