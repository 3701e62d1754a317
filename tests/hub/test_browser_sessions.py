"""Sessions at the servers behind the Hub: a real Jupyter server and real WebSockets, with a stand-in for the Hub."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest
from jupyter_server.auth.decorator import ws_authenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from jupyter_server.serverapp import ServerApp
from tornado import web
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.websocket import WebSocketClientConnection, WebSocketHandler, websocket_connect
from traitlets.config import Config

from hub import browser_sessions
from hub.browser_sessions import SIGNED_OUT, SessionIdentityProvider

SCOPE = "access:servers!user=maria"


class FakeHub:
    """What the Hub knows: the owner of each valid token."""

    def __init__(self) -> None:
        self.owners = {"token-of-maria": "maria", "token-of-jan": "jan"}
        self.scopes = [SCOPE]
        self.status = 200
        """Of every response, if it is not 200."""
        self.requests: list[str] = []

    def handler(self) -> type[web.RequestHandler]:
        hub = self

        class User(web.RequestHandler):
            async def get(self) -> None:
                token = self.request.headers["Authorization"].removeprefix("token ")
                hub.requests.append(token)
                await asyncio.sleep(0.05)
                if hub.status != 200 or token not in hub.owners:
                    self.set_status(403 if hub.status == 200 else hub.status)
                    return
                model = {"kind": "user", "name": hub.owners[token], "groups": [], "scopes": hub.scopes}
                self.finish(json.dumps(model))

        return User


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class EchoHandler(WebSocketMixin, WebSocketHandler, JupyterHandler):  # type: ignore[misc]
    """Any socket of a server; notes what arrives."""

    arrived: list[str]

    def initialize(self, arrived: list[str]) -> None:
        self.arrived = arrived

    def set_default_headers(self) -> None:
        """As Jupyter's own sockets."""

    @ws_authenticated
    async def get(self, *args: Any, **options: Any) -> None:
        await super().get(*args, **options)

    def on_message(self, message: str | bytes) -> None:
        self.arrived.append(str(message))
        self.write_message(message)


class Server:
    """A Jupyter server with our sign-in and a socket."""

    def __init__(self, provider: SessionIdentityProvider, address: str, arrived: list[str]) -> None:
        self.provider = provider
        self.address = address
        self.arrived = arrived

    async def get(self, path: str, token: str) -> httpx2.Response:
        async with httpx2.AsyncClient(trust_env=False) as http:
            return await http.get(f"{self.address}{path}", headers={"Authorization": f"token {token}"})

    async def socket(self, token: str, query: str = "") -> WebSocketClientConnection:
        url = f"{self.address.replace('http', 'ws', 1)}echo{query}"
        headers = {"Authorization": f"token {token}"} if token else {}
        return await websocket_connect(HTTPRequest(url, headers=headers))


@pytest.fixture
def fake_hub() -> FakeHub:
    return FakeHub()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    monkeypatch.setattr(browser_sessions, "time", clock)
    monkeypatch.setattr(browser_sessions, "CHECK_SECONDS", 3600.0)  # tests check by themselves
    yield clock


@pytest.fixture
async def server(fake_hub: FakeHub, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    hub_socket, hub_port = bind_unused_port()
    hub = HTTPServer(web.Application([("/hub/api/user", fake_hub.handler())]))
    hub.add_sockets([hub_socket])
    for name, value in {
        "JUPYTERHUB_API_URL": f"http://127.0.0.1:{hub_port}/hub/api",
        "JUPYTERHUB_API_TOKEN": "token-of-the-server",
        "JUPYTERHUB_CLIENT_ID": "jupyterhub-user-maria",
        "JUPYTERHUB_HOST": "http://hub.test:8000",
        "JUPYTERHUB_SERVICE_PREFIX": "/user/maria/",
        "JUPYTERHUB_OAUTH_ACCESS_SCOPES": json.dumps([SCOPE]),
    }.items():
        monkeypatch.setenv(name, value)
    config = Config()
    config.ServerApp.identity_provider_class = SessionIdentityProvider
    config.ServerApp.base_url = "/user/maria/"
    config.ServerApp.allow_root = True
    app = ServerApp(config=config)
    app.initialize([], find_extensions=False, new_httpserver=False)
    arrived: list[str] = []
    routes = [(f"/user/maria/{path}", handler) for path, handler in browser_sessions.ROUTES]
    app.web_app.add_handlers(".*$", [*routes, ("/user/maria/echo", EchoHandler, {"arrived": arrived})])
    app.web_app.settings["xsrf_cookies"] = False  # as JupyterHub's single-user server
    listener, port = bind_unused_port()
    http = HTTPServer(app.web_app)
    http.add_sockets([listener])
    yield Server(app.identity_provider, f"http://127.0.0.1:{port}/user/maria/", arrived)
    http.stop()
    hub.stop()
    ServerApp.clear_instance()


async def later(server: Server, clock: Clock, seconds: float = 1 + browser_sessions.REMEMBER_SECONDS) -> None:
    """The next check of the server, after ``seconds``."""
    clock.now += seconds
    await server.provider.close_sockets_of_ended_sessions()


async def end_of(socket: WebSocketClientConnection) -> int | None:
    """The close code of a socket that the server has closed."""
    async with asyncio.timeout(5):
        while await socket.read_message() is not None:
            pass
    return socket.close_code


async def is_open(socket: WebSocketClientConnection) -> bool:
    await socket.write_message("still there?")
    async with asyncio.timeout(5):
        return await socket.read_message() == "still there?"


async def test_requests_of_an_ended_session_are_refused_within_seconds(
    server: Server, fake_hub: FakeHub, clock: Clock
) -> None:
    assert (await server.get("atrium/session", "token-of-maria")).json() == {"person": "maria"}
    del fake_hub.owners["token-of-maria"]
    clock.now += browser_sessions.REMEMBER_SECONDS + 0.1
    assert (await server.get("atrium/session", "token-of-maria")).status_code == 403
    assert (await server.get("api/kernels", "token-of-maria")).status_code == 403


async def test_sockets_of_an_ended_session_are_closed_and_no_others(
    server: Server, fake_hub: FakeHub, clock: Clock
) -> None:
    ended = [await server.socket("token-of-maria") for _ in range(2)]
    jans = await server.socket("token-of-jan")
    await later(server, clock)
    assert await is_open(ended[0]) and await is_open(jans)

    del fake_hub.owners["token-of-maria"]
    await later(server, clock)

    assert [await end_of(socket) for socket in ended] == [SIGNED_OUT, SIGNED_OUT]
    assert await is_open(jans)
    with pytest.raises(HTTPClientError, match="403"):
        await server.socket("token-of-maria")


async def test_the_first_socket_starts_the_checks(
    server: Server, fake_hub: FakeHub, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser_sessions, "CHECK_SECONDS", 0.05)
    socket = await server.socket("token-of-maria")
    del fake_hub.owners["token-of-maria"]
    clock.now += browser_sessions.REMEMBER_SECONDS + 1
    assert await end_of(socket) == SIGNED_OUT


async def test_what_arrives_after_the_end_is_dropped(server: Server, fake_hub: FakeHub, clock: Clock) -> None:
    socket = await server.socket("token-of-maria")
    assert await is_open(socket)
    del fake_hub.owners["token-of-maria"]
    sending = [socket.write_message("run this")]  # on its way while the server checks
    await later(server, clock)
    sending.append(socket.write_message("and this"))  # the close has not arrived here yet
    await asyncio.gather(*sending, return_exceptions=True)
    await end_of(socket)
    assert "and this" not in server.arrived


async def test_who_may_no_longer_open_the_server_loses_their_sockets(
    server: Server, fake_hub: FakeHub, clock: Clock
) -> None:
    socket = await server.socket("token-of-jan")
    fake_hub.scopes = ["read:users:name"]
    await later(server, clock)
    assert await end_of(socket) == SIGNED_OUT


@pytest.mark.parametrize("status", [404, 429, 500, 502, 503])
async def test_a_hub_that_does_not_answer_ends_no_session(
    server: Server, fake_hub: FakeHub, clock: Clock, status: int
) -> None:
    socket = await server.socket("token-of-maria")
    fake_hub.status = status
    await later(server, clock)
    assert await is_open(socket)
    assert (await server.get("atrium/session", "token-of-maria")).status_code == 200
    await later(server, clock, browser_sessions.OUTAGE_SECONDS + 1)
    assert await is_open(socket)
    assert (await server.get("atrium/session", "token-of-maria")).status_code == 503


async def test_a_session_costs_the_hub_one_request_in_a_while(server: Server, fake_hub: FakeHub, clock: Clock) -> None:
    sockets = [await server.socket("token-of-maria") for _ in range(3)]
    await asyncio.gather(*(server.get("atrium/session", "token-of-maria") for _ in range(10)))
    assert len(fake_hub.requests) == 1
    for _ in range(4):
        await later(server, clock, browser_sessions.REMEMBER_SECONDS / 2)
    assert len(fake_hub.requests) == 1 + 1
    clock.now += browser_sessions.REMEMBER_SECONDS + 1
    await asyncio.gather(*(server.get("atrium/session", "token-of-maria") for _ in range(10)))
    assert len(fake_hub.requests) == 1 + 1 + 1
    for socket in sockets:
        socket.close()


async def test_nobody_connected_costs_nothing(server: Server, fake_hub: FakeHub, clock: Clock) -> None:
    socket = await server.socket("token-of-maria")
    socket.close()
    await end_of(socket)
    fake_hub.requests.clear()
    await later(server, clock)
    assert fake_hub.requests == []


async def test_signing_out_here_leads_to_the_hub_and_changes_nothing(server: Server) -> None:
    response = await server.get("logout", "token-of-maria")
    assert response.headers["location"] == "http://hub.test:8000/hub/logout"
    assert "set-cookie" not in response.headers


async def test_signing_in_again_leads_to_the_start_page(server: Server) -> None:
    response = await server.get("atrium/session/sign-in", "token-of-maria")
    assert response.headers["location"] == "http://hub.test:8000/hub/home"
    stranger = await server.get("atrium/session/sign-in", "token-of-nobody")
    assert stranger.headers["location"].startswith("http://hub.test:8000/hub/api/oauth2/authorize")
