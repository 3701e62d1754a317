"""Which hosts the Hub answers on.

People's servers and services have hosts of their own. What the proxy has no route for arrives at the Hub, whatever
host it was sent to. A sign-in there would give the Hub's cookie to that host's owner, so the Hub answers on its own
host only: links to people's and services' hosts are redirected, everything else is refused. No cookie is set before.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from tornado import web
from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher, Rule

from hub.pages import handlers
from hub.settings import Settings


def guard(application: web.Application, settings: Settings) -> None:
    """Check the host of each request before any handler of the Hub sees it."""
    own_hosts = {urlsplit(settings.site.public_url).netloc, *_internal_hosts(settings)}
    rule = Rule(OtherHosts(own_hosts), OtherHostHandler, {"public_url": settings.site.public_url})
    application.default_router.rules.insert(0, rule)


class OtherHosts(Matcher):
    """Matches requests for a host, with its port, that is not one of the Hub's own."""

    def __init__(self, own_hosts: set[str]) -> None:
        self._own_hosts = {_without_default_port(host) for host in own_hosts}

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        return None if _without_default_port(request.host) in self._own_hosts else {}


class OtherHostHandler(web.RequestHandler):
    """Redirects links to hosts below the Hub's to the Hub, as JupyterHub does for servers that are not running."""

    def initialize(self, public_url: str) -> None:
        self.public_url = public_url

    def set_default_headers(self) -> None:
        for name, value in handlers.SECURITY_HEADERS.items():
            self.set_header(name, value)

    def check_xsrf_cookie(self) -> None:
        """Nothing is changed here, and no cookie is set."""

    def prepare(self) -> None:
        domain = _without_default_port(urlsplit(self.public_url).netloc)
        is_ours = _without_default_port(self.request.host).endswith(f".{domain}")
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
