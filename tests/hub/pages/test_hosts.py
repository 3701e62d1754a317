"""The Hub answers on its own host alone."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest
from tornado import web
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from hub.pages import hosts
from hub.settings import Hub, Settings, Site


class Page(web.RequestHandler):
    """Any handler of the Hub: it sets a cookie."""

    def get(self) -> None:
        self.set_cookie("session", "secret")
        self.write("a page of the Hub")

    post = get


async def ask(
    settings: Settings, host: str, path: str = "/hub/login", method: str = "GET", **headers: str
) -> httpx2.Response:
    application = web.Application([(".*", Page)], xsrf_cookies=True, cookie_secret="secret")
    hosts.guard(application, settings, lambda path: path.startswith("/user/paused/"))
    socket, port = bind_unused_port()
    server = HTTPServer(application)
    server.add_sockets([socket])
    try:
        async with httpx2.AsyncClient(trust_env=False) as client:
            return await client.request(method, f"http://127.0.0.1:{port}{path}", headers={"Host": host, **headers})
    finally:
        server.stop()


def settings(tmp_path: Path, public_url: str = "http://atrium.test:8000") -> Settings:
    return Settings(
        site=Site(public_url=public_url),
        hub=Hub(host="10.1.2.3", port=8081),
        paths={"etc": tmp_path},  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("host", ["atrium.test:8000", "ATRIUM.test:8000", "10.1.2.3:8081", "127.0.0.1:8081"])
async def test_its_own_hosts_reach_the_handlers(tmp_path: Path, host: str) -> None:
    response = await ask(settings(tmp_path), host)
    assert (response.status_code, response.text) == (200, "a page of the Hub")


@pytest.mark.parametrize("host", ["atrium.test", "atrium.test:443"])
async def test_the_scheme_s_port_may_be_left_out(tmp_path: Path, host: str) -> None:
    response = await ask(settings(tmp_path, "https://atrium.test"), host)
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/hub/login?next=%2Fhub%2Fhome", "http://atrium.test:8000/hub/login?next=%2Fhub%2Fhome"),
        ("/user/mallory/lab?reset", "http://atrium.test:8000/hub/user/mallory/lab?reset"),
        ("//elsewhere.test/", "http://atrium.test:8000/hub//elsewhere.test/"),
    ],
)
@pytest.mark.parametrize("host", ["mallory.atrium.test:8000", "dashboards--service.atrium.test:8000"])
async def test_links_to_hosts_below_its_own_lead_to_it(tmp_path: Path, host: str, path: str, location: str) -> None:
    response = await ask(settings(tmp_path), host, path)
    assert (response.status_code, response.headers["location"]) == (302, location)
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize(
    ("method", "host"),
    [
        ("POST", "mallory.atrium.test:8000"),
        ("GET", "elsewhere.test"),
        ("GET", "atrium.test.elsewhere.test:8000"),
        ("GET", "elsewhereatrium.test:8000"),
        ("GET", "atrium.test:8001"),
        ("POST", "elsewhere.test"),
    ],
)
async def test_everything_else_is_refused(tmp_path: Path, method: str, host: str) -> None:
    response = await ask(settings(tmp_path), host, method=method)
    assert response.status_code == 421
    assert response.text == "The address of this service is http://atrium.test:8000\n"
    assert "set-cookie" not in response.headers
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_scripts_of_a_paused_server_hear_that_it_is_paused(tmp_path: Path, method: str) -> None:
    headers = {"Sec-Fetch-Mode": "cors"}
    response = await ask(
        settings(tmp_path), "paused.atrium.test:8000", "/user/paused/api/kernels", method=method, **headers
    )
    assert (response.status_code, response.json()["paused"]) == (504, True)
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Mode": "navigate"}, {"Accept": "text/html"}])
async def test_a_page_of_a_paused_server_is_the_hubs(tmp_path: Path, headers: dict[str, str]) -> None:
    response = await ask(settings(tmp_path), "paused.atrium.test:8000", "/user/paused/lab", **headers)
    assert (response.status_code, response.headers["location"]) == (
        302,
        "http://atrium.test:8000/hub/user/paused/lab",
    )


async def test_other_servers_are_not_said_to_be_paused(tmp_path: Path) -> None:
    response = await ask(settings(tmp_path), "maria.atrium.test:8000", "/user/maria/api", **{"Sec-Fetch-Mode": "cors"})
    assert response.status_code == 302
