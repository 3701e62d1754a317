"""Signing out, at a real JupyterHub with our pages, without a proxy and servers."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from jupyterhub import handlers, log, orm
from jupyterhub.app import JupyterHub
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import create_signed_value
from traitlets.config import Config

from hub.pages import frame, templating
from hub.pages import handlers as pages
from hub.pages.sign_out import log_request
from hub.settings import Settings, Site

BROWSER_CLIENT = "jupyterhub-user-maria"


@dataclass
class RunningHub:
    """A Hub that listens at ``address``, with Maria and Jan."""

    app: Any
    address: str

    def browser(self, name: str) -> httpx2.AsyncClient:
        """A browser in which somebody is signed in."""
        login = create_signed_value(self.app.cookie_secret, self.app.hub.cookie_name, self.cookie_id(name)).decode()
        cookies = {self.app.hub.cookie_name: login, "jupyterhub-session-id": "session-of-a-browser"}
        # XSRF tokens are checked as for a page of the Hub.
        headers = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin"}
        return httpx2.AsyncClient(base_url=self.address, cookies=cookies, headers=headers, trust_env=False)

    def user(self, name: str) -> orm.User:
        return orm.User.find(self.app.db, name)

    def cookie_id(self, name: str) -> str:
        return str(self.user(name).cookie_id)

    def token(self, name: str, **fields: str) -> str:
        """A new token of somebody; ``session_id`` and ``client_id`` make it one of a browser session."""
        return str(self.user(name).new_api_token(**fields))

    def is_valid(self, token: str) -> bool:
        return orm.APIToken.find(self.app.db, token) is not None


@pytest.fixture
async def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RunningHub]:
    monkeypatch.chdir(tmp_path)
    settings = Settings(site=Site(public_url="http://localhost:8000"), paths={"etc": tmp_path})  # type: ignore[arg-type]
    stock = list(handlers.default_handlers)
    pages.install(settings)
    config = Config()
    config.JupyterHub.db_url = "sqlite:///:memory:"
    config.JupyterHub.load_groups = {"people": {"users": ["maria", "jan"]}}
    config.JupyterHub.template_paths = [str(frame.TEMPLATES)]
    config.JupyterHub.template_vars = templating.template_vars(settings)
    config.JupyterHub.jinja_environment_options = templating.JINJA_OPTIONS
    config.JupyterHub.tornado_settings = {"log_function": log_request}
    config.Authenticator.allowed_users = {"maria", "jan"}
    config.ConfigurableHTTPProxy.auth_token = "of no proxy"
    app = JupyterHub(config=config)
    await app.initialize([])
    app.db.add(orm.OAuthClient(identifier=BROWSER_CLIENT, description="Maria's server", redirect_uri="", secret=""))
    app.db.commit()
    socket, port = bind_unused_port()
    server = HTTPServer(app.tornado_application)
    server.add_sockets([socket])
    yield RunningHub(app, f"http://127.0.0.1:{port}")
    server.stop()
    app.db.close()
    JupyterHub.clear_instance()
    handlers.default_handlers[:] = stock


async def is_signed_in(browser: httpx2.AsyncClient) -> bool:
    response = await browser.get("/hub/atrium/session")
    assert response.status_code in (200, 403)
    return response.status_code == 200


async def sign_out(browser: httpx2.AsyncClient) -> httpx2.Response:
    page = await browser.get("/hub/logout")
    token = re.search(r'name="_xsrf" value="([^"]+)"', page.text)
    assert token
    return await browser.post("/hub/logout", data={"_xsrf": token[1]})


async def test_the_page_changes_nothing(hub: RunningHub) -> None:
    before = hub.cookie_id("maria")
    token = hub.token("maria", session_id="session-of-a-browser", client_id=BROWSER_CLIENT)
    async with hub.browser("maria") as browser:
        page = await browser.get("/hub/logout")
        assert "Sign out everywhere" in page.text
        assert await is_signed_in(browser)
    assert (hub.cookie_id("maria"), hub.is_valid(token)) == (before, True)


async def test_a_request_that_another_site_can_send_changes_nothing(hub: RunningHub) -> None:
    async with hub.browser("maria") as browser:
        await browser.get("/hub/logout")
        for form in ({}, {"_xsrf": "x"}):
            assert (await browser.post("/hub/logout", data=form)).status_code == 403
        assert await is_signed_in(browser)


async def test_every_browser_of_the_person_is_signed_out_and_nobody_elses(hub: RunningHub) -> None:
    async with hub.browser("maria") as browser, hub.browser("maria") as other, hub.browser("jan") as jan:
        assert (await other.get("/hub/atrium/session")).json() == {"person": "maria"}
        page = await sign_out(browser)
        assert page.status_code == 200 and "You have signed out" in page.text
        assert not await is_signed_in(browser)
        assert not await is_signed_in(other)
        assert (await other.get("/hub/home")).headers["location"].startswith("/hub/login")
        assert await is_signed_in(jan)


async def test_tokens_of_sessions_end_and_those_that_a_person_made_stay(hub: RunningHub) -> None:
    sessions = [
        hub.token("maria", session_id=session, client_id=BROWSER_CLIENT)
        for session in ("session-of-a-browser", "session-of-another")
    ]
    own, jans = hub.token("maria", note="laptop"), hub.token("jan", session_id="s", client_id=BROWSER_CLIENT)
    hub.app.db.add(orm.OAuthCode(code="code", client_id=BROWSER_CLIENT, user=hub.user("maria"), session_id="s"))
    hub.app.db.commit()
    async with hub.browser("maria") as browser:
        await sign_out(browser)
    assert [hub.is_valid(token) for token in (*sessions, own, jans)] == [False, False, True, True]
    assert hub.app.db.query(orm.OAuthCode).count() == 0


async def test_signing_out_twice_is_no_error(hub: RunningHub) -> None:
    async with hub.browser("maria") as browser:
        await sign_out(browser)
        assert "You have signed out" in (await browser.get("/hub/logout")).text
        assert (await browser.post("/hub/logout")).status_code == 200


async def test_signing_in_again_leads_to_the_start_page(hub: RunningHub) -> None:
    async with hub.browser("maria") as browser:
        assert (await browser.get("/hub/atrium/session/sign-in")).headers["location"] == "/hub/home"
        await sign_out(browser)
        location = (await browser.get("/hub/atrium/session/sign-in")).headers["location"]
        assert location == "/hub/login?next=%2Fhub%2Fatrium%2Fsession%2Fsign-in"


async def test_what_open_pages_ask_is_not_logged(hub: RunningHub, monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[str] = []
    monkeypatch.setattr(log, "log_request", lambda handler: logged.append(handler.request.path))
    async with hub.browser("maria") as browser:
        await browser.get("/hub/atrium/session")
        await browser.get("/hub/logout")
    assert logged == ["/hub/logout"]
