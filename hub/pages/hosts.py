"""Which hosts the Hub answers on.

People's servers and services have hosts of their own. What the proxy has no route for arrives at the Hub, whatever
host it was sent to. A sign-in there would give the Hub's cookie to that host's owner, so the Hub answers on its own
host only: links to people's and services' hosts are redirected, everything else is refused. No cookie is set before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from tornado import web
from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher, Rule

from hub.pages import handlers
from hub.settings import Settings


def guard(
    application: web.Application, settings: Settings, is_paused: Callable[[str], bool] = lambda _path: False
) -> None:
    """Check the host of each request before any handler of the Hub sees it.

    :param is_paused: whether the server with this path is paused; the proxy sends its requests here then.
    """
    own_hosts = {urlsplit(settings.site.public_url).netloc, *_internal_hosts(settings)}
    arguments = {"public_url": settings.site.public_url, "is_paused": is_paused}
    application.default_router.rules.insert(0, Rule(OtherHosts(own_hosts), OtherHostHandler, arguments))


def is_navigation(request: HTTPServerRequest) -> bool:
    """Whether a browser opens a page, and not a script of a page that is open already."""
    mode = request.headers.get("Sec-Fetch-Mode")
    return mode == "navigate" if mode else "text/html" in request.headers.get("Accept", "")


def answer_for_paused_server(handler: web.RequestHandler) -> None:
    """Answer a script's request to a server that the cluster has paused.

    With status 504: JupyterLab takes 503 and 424 for a server that has ended.
    """
    handler.set_status(504)
    handler.set_header("Cache-Control", "no-store")
    handler.finish({"paused": True, "message": "The cluster has paused this notebook. It goes on by itself."})


class OtherHosts(Matcher):
    """Matches requests for a host, with its port, that is not one of the Hub's own."""

    def __init__(self, own_hosts: set[str]) -> None:
        self._own_hosts = {_without_default_port(host) for host in own_hosts}

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        return None if _without_default_port(request.host) in self._own_hosts else {}


class OtherHostHandler(web.RequestHandler):
    """Redirects links to hosts below the Hub's to the Hub, as JupyterHub does for servers that are not running."""

    def initialize(self, public_url: str, is_paused: Callable[[str], bool]) -> None:
        self.public_url = public_url
        self._is_paused = is_paused

    def set_default_headers(self) -> None:
        for name, value in handlers.SECURITY_HEADERS.items():
            self.set_header(name, value)

    def check_xsrf_cookie(self) -> None:
        """Nothing is changed here, and no cookie is set."""

    def prepare(self) -> None:
        domain = _without_default_port(urlsplit(self.public_url).netloc)
        is_ours = _without_default_port(self.request.host).endswith(f".{domain}")
        if is_ours and not is_navigation(self.request) and self._is_paused(self.request.path):
            answer_for_paused_server(self)
            return
        if is_ours and self.request.method in ("GET", "HEAD"):
            uri = self.request.uri or "/"
            self.redirect(self.public_url + (uri if uri.startswith("/hub/") else f"/hub{uri}"))
            return
        self.set_status(421)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"The address of this service is {self.public_url}\n")


def _without_default_port(host: str) -> str:
    """A host as browsers send it. Which of the two ports is the default is not asked: TLS may end before the proxy."""
    return host.lower().removesuffix(":443").removesuffix(":80")


def _internal_hosts(settings: Settings) -> list[str]:
    """Where servers, services and the proxy reach the Hub, and where this machine checks that it is alive."""
    host = f"[{settings.hub.host}]" if ":" in settings.hub.host else settings.hub.host
    return [f"{name}:{settings.hub.port}" for name in (host, "127.0.0.1")]
