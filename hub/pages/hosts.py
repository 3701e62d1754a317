"""Which hosts the Hub answers on.

People's servers and services have hosts of their own. What the proxy has no route for arrives at the Hub, whatever
host it was sent to. A sign-in there would give the Hub's cookie to that host's owner, so the Hub answers on its own
host only: links to people's and services' hosts are redirected, everything else is refused. No cookie is set before.
Programs read as JSON that a server does not run: a redirect would lead them to the sign-in page.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from jupyterhub.utils import get_accepted_mimetype, subdomain_hook_idna
from tornado import web
from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher, PathMatches, Rule

from hub.pages import handlers
from hub.settings import Settings

SERVER_PATH = re.compile(r"/user/([^/]+)(?:/|$)")
"""Addresses of people's servers."""


def guard(
    application: web.Application, settings: Settings, is_paused: Callable[[str], bool] = lambda _path: False
) -> None:
    """Check the host of each request before any handler of the Hub sees it.

    :param is_paused: whether the server with this path is paused; the proxy sends its requests here then.
    """
    own_hosts = {urlsplit(settings.site.public_url).netloc, *_internal_hosts(settings)}
    public_url: dict[str, Any] = {"public_url": settings.site.public_url}
    rules = [Rule(OtherHosts(own_hosts), OtherHostHandler, {**public_url, "is_paused": is_paused})]
    if settings.site.origins == "subdomain":
        rules.append(Rule(PathMatches(f"{SERVER_PATH.pattern}.*"), ServerAddressHandler, public_url))
    application.default_router.rules[:0] = rules


def is_program(request: HTTPServerRequest) -> bool:
    """Whether an answer is for a program and not for a person who reads it in a browser."""
    headers = request.headers
    if "Sec-Fetch-Mode" in headers:
        return False
    kinds = ["application/json", "text/html"]
    wants_json = get_accepted_mimetype(headers.get("Accept", ""), choices=kinds) == kinds[0]
    below_server = request.path.partition("/user/")[2].split("/")[1:]
    return wants_json or "Authorization" in headers or "api" in below_server


def not_running(public_url: str, name: str) -> dict[str, object]:
    """JSON for programs at the address of a server of ``name`` that does not answer there. It is the same for every
    name, so it does not tell who has an account."""
    api = f"{public_url}/hub/api/users/{name}"
    message = (
        "No notebook server runs at this address at the moment: it is stopped or still starting, or there is none. "
        f"Start it with POST {api}/server (a named server with POST {api}/servers/SERVER), and send this request again "
        f"when GET {api} says that the server is ready."
    )
    return {"status": 424, "message": message}


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
        server = SERVER_PATH.match(self.request.path)
        if is_ours and server and is_program(self.request):
            self.set_status(424)
            self.finish(not_running(self.public_url, server[1]))
            return
        if is_ours and self.request.method in ("GET", "HEAD"):
            uri = self.request.uri or "/"
            self.redirect(self.public_url + (uri if uri.startswith("/hub/") else f"/hub{uri}"))
            return
        self.set_status(421)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"The address of this service is {self.public_url}\n")


class ServerAddressHandler(web.RequestHandler):
    """Redirects from the Hub's host to the person's. nginx does it for names that are a domain as they are."""

    def initialize(self, public_url: str) -> None:
        self.public_url = public_url

    def check_xsrf_cookie(self) -> None:
        """Nothing is changed here, and no cookie is set."""

    def prepare(self) -> None:
        url = urlsplit(self.public_url)
        name = self.path_args[0]
        host = subdomain_hook_idna(name, url.netloc, "user")
        self.redirect(f"{url.scheme}://{host}{self.request.uri}", status=307)


def _without_default_port(host: str) -> str:
    """A host as browsers send it. Which of the two ports is the default is not asked: TLS may end before the proxy."""
    return host.lower().removesuffix(":443").removesuffix(":80")


def _internal_hosts(settings: Settings) -> list[str]:
    """Where servers, services and the proxy reach the Hub, and where this machine checks that it is alive."""
    host = f"[{settings.hub.host}]" if ":" in settings.hub.host else settings.hub.host
    return [f"{name}:{settings.hub.port}" for name in (host, "127.0.0.1")]
