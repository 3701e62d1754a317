"""HTTP clients for the Hub's REST API and the proxy's, as the API, the worker and the proxy's program reach them."""

from __future__ import annotations

import httpx

from hub import tls
from hub.settings import Settings


def hub_client(settings: Settings, *, transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """A client whose base address is the Hub's API; it shows our certificate where internal TLS is on.

    :param transport: how the Hub is reached; None: over the network.
    :raises SettingsError: internal TLS is on, and the certificate cannot be read.
    """
    verify = tls.client_context(settings)
    return httpx.AsyncClient(base_url=settings.hub_api_url, verify=verify, transport=transport, trust_env=False)


def blocking_hub_client(
    settings: Settings, *, timeout: float, transport: httpx.BaseTransport | None = None
) -> httpx.Client:
    """The same for a program without an event loop.

    :param timeout: seconds that an answer may take.
    """
    verify = tls.client_context(settings)
    return httpx.Client(
        base_url=settings.hub_api_url, verify=verify, transport=transport, trust_env=False, timeout=timeout
    )
