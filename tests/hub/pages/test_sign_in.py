"""Passwords that reach PAM, and those that have to wait."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import httpx2
import pamela
import pytest
from jupyterhub.apihandlers.users import UserTokenListAPIHandler
from tornado import web
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from hub.guesses import Guesses
from hub.pages import devices
from hub.pages.sign_in import DelayingAuthenticator, Limits, TokensHandler, TooManyRequests
from hub.settings import Login

PASSWORDS = {"maria": "right", "jan": "right", "stranger": "right"}


class Form(web.RequestHandler):
    """The part of JupyterHub's sign-in that the authenticator uses."""

    def initialize(self, authenticator: DelayingAuthenticator) -> None:
        self.authenticator = authenticator
        self.hub = SimpleNamespace(base_url="/hub/")

    def _set_cookie(self, key: str, value: str, **options: Any) -> None:
        self.set_secure_cookie(key, value, **options)

    async def post(self) -> None:
        data = {key: self.get_argument(key) for key in self.request.body_arguments}
        user = await self.authenticator.get_authenticated_user(self, data)  # type: ignore[arg-type]
        self.set_status(200 if user else 403)

    def write_error(self, status_code: int, **options: Any) -> None:
        error = options["exc_info"][1]
        for key, value in getattr(error, "headers", {}).items():
            self.set_header(key, value)
        self.finish(getattr(error, "jupyterhub_message", ""))


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Names and passwords that PAM was given."""
    checked: list[tuple[str, str]] = []

    def authenticate(name: str, password: str, **_options: Any) -> None:
        checked.append((name, password))
        if PASSWORDS.get(name) != password:
            raise pamela.PAMError("no")

    monkeypatch.setattr(pamela, "authenticate", authenticate)
    monkeypatch.setattr(pamela, "check_account", lambda *_args, **_options: None)
    return checked


@pytest.fixture
async def address(checked: list[tuple[str, str]]) -> AsyncIterator[str]:
    limits = Limits(Guesses(Login(), lambda *_: None), (), 180)
    authenticator = DelayingAuthenticator(limits=limits, allowed_users={"maria", "jan"}, username_pattern=r"^[a-z]+\Z")
    app = web.Application([("/hub/login", Form, {"authenticator": authenticator})], cookie_secret="s" * 32)
    socket, port = bind_unused_port()
    server = HTTPServer(app, xheaders=True)
    server.add_sockets([socket])
    yield f"http://127.0.0.1:{port}/hub/login"
    server.stop()


@pytest.fixture
async def browser() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False) as client:
        yield client


async def submit(
    browser: httpx2.AsyncClient, address: str, password: str, name: str = "maria", **headers: str
) -> httpx2.Response:
    return await browser.post(address, data={"username": name, "password": password}, headers=headers)


async def test_pam_is_not_asked_while_an_attempt_has_to_wait(
    address: str, browser: httpx2.AsyncClient, checked: list[tuple[str, str]]
) -> None:
    statuses = [(await submit(browser, address, f"guess{number}")).status_code for number in range(50)]
    assert statuses == [403] * 6 + [429] * 44 and len(checked) == 6
    wrong, right = await submit(browser, address, "wrong"), await submit(browser, address, "right")
    assert (wrong.status_code, wrong.text) == (right.status_code, right.text) and right.status_code == 429
    assert right.headers["Retry-After"] in ("1", "2") and "Too many attempts. Try again in" in right.text
    assert len(checked) == 6


async def test_who_does_not_exist_waits_as_long(address: str, browser: httpx2.AsyncClient) -> None:
    for name in ("maria", "nobody"):
        statuses = [(await submit(browser, address, "guess", name)).status_code for _ in range(8)]
        assert statuses == [403] * 6 + [429] * 2


async def test_a_right_password_of_who_may_not_sign_in_counts_like_a_wrong_one(
    address: str, browser: httpx2.AsyncClient
) -> None:
    statuses = [(await submit(browser, address, "right", "stranger")).status_code for _ in range(8)]
    assert statuses == [403] * 6 + [429] * 2


async def test_other_spellings_of_a_name_have_no_counts_of_their_own(
    address: str, browser: httpx2.AsyncClient, checked: list[tuple[str, str]]
) -> None:
    for name in ("Maria", "mAria", "maria@realm", "REALM\\maria", "maria ", "maria\0"):
        for _ in range(5):
            await submit(browser, address, "guess", name)
    assert {name for name, _ in checked} == {"maria"} and len(checked) <= 10


async def test_headers_that_clients_write_change_no_count(
    address: str, browser: httpx2.AsyncClient, checked: list[tuple[str, str]]
) -> None:
    for number in range(100):
        forwarded = {"X-Forwarded-For": f"192.0.2.{number}", "X-Real-Ip": f"1.2.3.{number}"}
        await submit(browser, address, "guess", **forwarded)
    assert len(checked) <= 30


async def test_the_device_of_the_owner_gets_in_whatever_others_guess(address: str, browser: httpx2.AsyncClient) -> None:
    assert (await submit(browser, address, "right")).status_code == 200
    async with httpx2.AsyncClient(trust_env=False) as elsewhere:
        for _ in range(30):
            await submit(elsewhere, address, "guess")
        assert (await submit(elsewhere, address, "right")).status_code == 429
    assert (await submit(browser, address, "right")).status_code == 200


async def test_the_cookie_of_a_device_counts_as_signed_and_for_its_account_alone(
    address: str, browser: httpx2.AsyncClient
) -> None:
    await submit(browser, address, "right")
    value = browser.cookies[devices._cookie("maria")]
    for name, forged in (("jan", value), ("maria", value[:-4] + "0000")):
        async with httpx2.AsyncClient(trust_env=False, cookies={devices._cookie(name): forged}) as elsewhere:
            for _ in range(30):
                await submit(elsewhere, address, "guess", name)
        async with httpx2.AsyncClient(trust_env=False, cookies={devices._cookie(name): forged}) as elsewhere:
            assert (await submit(elsewhere, address, "right", name)).status_code == 429


async def test_the_api_s_password_has_to_wait_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """JupyterHub's handler answers 403 to everything; the guard keeps its own answer."""

    async def post(self: TokensHandler, _name: str) -> None:
        try:
            await self.authenticate({})
        except web.HTTPError:
            raise web.HTTPError(403) from None

    async def authenticate(_self: Any, _data: Any) -> None:
        raise TooManyRequests(2)

    monkeypatch.setattr(UserTokenListAPIHandler, "post", post)
    monkeypatch.setattr(UserTokenListAPIHandler, "authenticate", authenticate)
    with pytest.raises(TooManyRequests):
        await TokensHandler.__new__(TokensHandler).post("maria")
