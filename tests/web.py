"""Requests without a browser."""

from __future__ import annotations

import socket
import ssl

import httpx2

REQUEST_SECONDS = 20


class LocalhostTransport(httpx2.HTTPTransport):
    """Reaches every ``NAME.localhost`` at loopback, as browsers do and resolvers may not; the Host header stays."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.host.endswith(".localhost"):
            request.url = request.url.copy_with(host="127.0.0.1")
        return super().handle_request(request)


def client(token: str = "", *, verify: ssl.SSLContext | bool = True) -> httpx2.Client:
    """A client without cookies that follows no redirect; with ``token`` it is whoever the token belongs to.

    :param verify: as for httpx2; the internal addresses of a deployment need :attr:`Deployment.certificate`.
    """
    headers = {"Authorization": f"token {token}"} if token else {}
    return httpx2.Client(transport=LocalhostTransport(verify=verify), headers=headers, timeout=REQUEST_SECONDS)


def free_port() -> int:
    """A loopback port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
