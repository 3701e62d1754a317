"""HTTP clients for the Hub's REST API and the proxy's, as the API, the worker and the proxy's program reach them."""

from __future__ import annotations

import httpx2

from hub import tls
from hub.settings import Settings


def hub_client(settings: Settings, *, transport: httpx2.AsyncBaseTransport | None = None) -> httpx2.AsyncClient:
    """A client whose base address is the Hub's API; it shows our certificate where internal TLS is on.

    :param transport: how the Hub is reached; None: over the network.
    :raises SettingsError: internal TLS is on, and the certificate cannot be read.
    """
    verify = tls.client_context(settings)
    return httpx2.AsyncClient(base_url=settings.hub_api_url, verify=verify, transport=transport, trust_env=False)


def blocking_hub_client(
    settings: Settings, *, timeout: float, transport: httpx2.BaseTransport | None = None
) -> httpx2.Client:
    """The same for a program without an event loop.

    :param timeout: seconds that an answer may take.
    """
    verify = tls.client_context(settings)
    return httpx2.Client(
        base_url=settings.hub_api_url, verify=verify, transport=transport, trust_env=False, timeout=timeout
    )
