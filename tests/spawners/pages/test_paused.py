"""The address of a server that the cluster has paused, on the Hub."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from jupyterhub.handlers.base import UserUrlHandler
from tornado.httputil import HTTPHeaders

from spawners.application import AtriumHub
from spawners.pages.paused import PausedServerHandler


class Request(PausedServerHandler):
    """A request without the Hub around it."""

    def __init__(self, **headers: str) -> None:
        self.request: Any = SimpleNamespace(headers=HTTPHeaders(headers))
        self.status, self.content = 200, ""

    def set_status(self, status_code: int, reason: str | None = None) -> None:
        self.status = status_code

    def set_header(self, name: str, value: Any) -> None: ...

    async def render_template(self, name: str, **_: Any) -> str:
        return name

    def finish(self, chunk: Any = None) -> Any:
        self.content = chunk if isinstance(chunk, str) else json.dumps(chunk)


PAUSED, RUNNING = SimpleNamespace(paused=True), SimpleNamespace(paused=False)


async def test_a_browser_gets_a_page() -> None:
    request = Request(**{"Sec-Fetch-Mode": "navigate"})
    await request._redirect_to_user_server(SimpleNamespace(), PAUSED)
    assert (request.status, request.content) == (503, "paused.html")


async def test_a_script_gets_json_that_is_not_the_answer_of_an_ended_server() -> None:
    request = Request(Accept="*/*")
    await request._redirect_to_user_server(SimpleNamespace(), PAUSED)
    assert (request.status, json.loads(request.content)["paused"]) == (504, True)


async def test_a_server_that_runs_is_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    redirected = []

    async def redirect(_self: Any, _user: Any, spawner: Any) -> None:
        redirected.append(spawner)

    monkeypatch.setattr(UserUrlHandler, "_redirect_to_user_server", redirect)
    await Request()._redirect_to_user_server(SimpleNamespace(), RUNNING)
    assert redirected == [RUNNING]


@pytest.mark.parametrize(
    ("path", "paused"),
    [
        ("/user/maria/lab", True),
        ("/user/maria", True),
        ("/user/maria/second/api/kernels", False),
        ("/user/jan/lab", False),
        ("/user/%2e%2e/lab", False),
        ("/services/atrium/", False),
        ("/", False),
        ("//", False),
    ],
)
def test_a_path_belongs_to_a_server(path: str, paused: bool) -> None:
    maria = SimpleNamespace(spawners={"": PAUSED, "second": RUNNING})
    hub: Any = SimpleNamespace(users={"maria": maria})
    assert AtriumHub._is_paused(hub, path) is paused
