"""configurable-http-proxy behind nginx: starts it and restores its routes after a restart."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import NoReturn

import httpx2
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from hub import environment, tls
from hub.hub_client import blocking_hub_client
from hub.settings import Settings, unix_url

logger = logging.getLogger(__name__)

ROUTES_SECONDS = 120.0
_ANSWER_SECONDS = 30.0
_LONGEST_PAUSE = 5.0


def run(settings: Settings) -> NoReturn:
    """Replace this process by the proxy; a second process restores its routes."""
    token = settings.secret("proxy")
    tls.ensure(settings)  # creates the certificates, because the proxy starts first
    settings.paths.proxy_socket.unlink(missing_ok=True)  # of a proxy that was killed; it would not listen there again
    _in_background(lambda: restore_routes(settings))
    environment.become(command(settings), {**environment.settings_too(), "CONFIGPROXY_AUTH_TOKEN": token})


def command(settings: Settings) -> list[str]:
    """The proxy's command line; its token is in the environment only.

    An upgrade moves links and lets the proxy run on: its own files are named by their real path. What nginx says about
    the client (``X-Forwarded-…``) is passed on as it is.
    """
    proxy = settings.proxy
    options = {
        "--socket": str(settings.paths.proxy_socket),
        "--api-ip": "127.0.0.1",
        "--api-port": str(proxy.api_port),
        "--default-target": settings.hub_target,
        "--error-target": f"{unix_url(settings.paths.error_page_socket)}/hub/error",
        "--log-level": "warn",
    }
    flags = ["--no-x-forward", *(["--host-routing"] if settings.site.origins == "subdomain" else [])]
    if settings.hub.internal_ssl:
        options |= tls.proxy_options(settings)
        flags += tls.PROXY_FLAGS
    return [str(proxy.command.resolve()), *(argument for option in options.items() for argument in option), *flags]


def restore_routes(
    settings: Settings, *, seconds: float = ROUTES_SECONDS, transport: httpx2.BaseTransport | None = None
) -> bool:
    """Make the Hub send its routes to the proxy. Returns False if that fails for ``seconds``.

    The proxy keeps its routes in memory, and the Hub looks after them only every five minutes unless it is asked.
    """
    until = time.monotonic() + seconds
    proxy = f"{settings.internal_scheme}://127.0.0.1:{settings.proxy.api_port}/api/routes"
    for_proxy, for_hub = (_header(settings.secret(name)) for name in ("proxy", "worker"))
    with blocking_hub_client(settings, timeout=_ANSWER_SECONDS, transport=transport) as http:
        listens = _wait(until, "the proxy's API", lambda: http.get(proxy, headers=for_proxy))
        return listens and _wait(until, "the Hub's routes", lambda: http.post("proxy", headers=for_hub))


def _header(token: str) -> dict[str, str]:
    return {"Authorization": f"token {token}"}


def _wait(until: float, what: str, ask: Callable[[], httpx2.Response]) -> bool:
    """Repeat a request with growing pauses until it succeeds; returns False if it still fails at ``until``."""

    def good_answer() -> None:
        try:
            ask().raise_for_status()
        except httpx2.HTTPStatusError as error:
            logger.info("%s: status %d", what, error.response.status_code)
            raise
        except httpx2.HTTPError as error:
            logger.info("%s: not yet (%s)", what, type(error).__name__)
            raise

    retrying = Retrying(
        retry=retry_if_exception_type(httpx2.HTTPError),
        wait=wait_exponential(multiplier=0.25, max=_LONGEST_PAUSE),
        stop=stop_after_delay(until - time.monotonic()),
    )
    try:
        retrying(good_answer)
    except RetryError:
        logger.error("%s does not answer; giving up", what)
        return False
    logger.info("%s answers", what)
    return True


def _in_background(work: Callable[[], object]) -> None:
    """Run ``work`` in a detached process, because the proxy does not reap its children."""
    middle = os.fork()
    if middle:
        os.waitpid(middle, 0)
        return
    os.setsid()
    if os.fork() == 0:
        try:
            work()
        except Exception:
            logger.exception("cannot restore the proxy's routes")
    os._exit(0)
